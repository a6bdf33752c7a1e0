"""The feed of job events: nothing lost, nothing repeated, whoever reads how fast."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.dataplane import events
from registry.dataplane.events import Feed, Feeds, Frame, Page, end_frame, frame_of


class History:
    """A job's events as the database has them; tests add to it."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.state: str | None = "running"
        self.reads = 0
        self.was_read = asyncio.Event()  # often enough for every reader to wait by now
        self.broken = 0

    async def read(self, job_id: str, after: int, limit: int) -> Page:
        assert job_id == "job_1"
        self.reads += 1
        if self.reads == 3:
            self.was_read.set()
        await asyncio.sleep(0)
        if self.broken:
            self.broken -= 1
            raise OSError("the database is away")
        frames = [Frame(number, b"%d " % number) for number in self.ids if number > after]
        return Page(self.state, self.state != "running", frames[:limit])


async def _all_ids(feed: Feed, after: int = 0, pause: Callable[[], Awaitable[None]] | None = None) -> list[int]:
    found: list[int] = []
    async for batch in feed.frames(after):
        found += [frame.id for frame in batch]
        if pause is not None:
            await pause()
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 0.001)


def _follow(history: History, *cursors: int, newest: int | None = None) -> list[list[int]]:
    """Lets several readers follow a job that has ended."""

    async def run() -> list[list[int]]:
        feeds = Feeds(history.read)
        start = max(history.ids, default=0) if newest is None else newest
        async with feeds.follow("job_1", start) as feed:
            return await asyncio.gather(*(_all_ids(feed, cursor) for cursor in cursors))

    return asyncio.run(run())


def test_a_late_reader_gets_everything_and_the_end() -> None:
    history = History()
    history.ids, history.state = list(range(1, 3000)), "succeeded"
    assert _follow(history, 0) == [list(range(1, 3000))]


def test_a_reader_goes_on_where_it_was() -> None:
    history = History()
    history.ids, history.state = [3, 5, 8, 13], "failed"
    assert _follow(history, 5, 13, 2, 4) == [[8, 13], [], [3, 5, 8, 13], [5, 8, 13]]


def test_a_reader_from_the_future_gets_what_comes() -> None:
    async def run() -> list[int]:
        history = History()
        history.ids = [1, 2]
        async with Feeds(history.read).follow("job_1", 2) as feed:
            task = asyncio.create_task(_all_ids(feed, 10**15))
            await history.was_read.wait()
            history.ids, history.state = [1, 2, 3], "succeeded"
            return await task

    assert asyncio.run(run()) == [3]


def test_events_come_live_to_all_readers_from_one_poller() -> None:
    async def run() -> tuple[Sequence[list[int]], int]:
        history = History()
        feeds = Feeds(history.read)

        async def reader() -> list[int]:
            async with feeds.follow("job_1", 0) as feed:
                return await _all_ids(feed)

        readers = [asyncio.create_task(reader()) for _ in range(50)]
        for number in range(1, 101):
            history.ids.append(number)
            await asyncio.sleep(0)
        history.state = "succeeded"
        found = await asyncio.gather(*readers)
        return found, len(feeds._feeds)

    found, left = asyncio.run(run())
    assert found == [list(range(1, 101))] * 50
    assert left == 0


def test_a_slow_reader_loses_nothing_though_the_window_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_WINDOW", 5)
    monkeypatch.setattr(events, "_PAGE", 7)

    async def run() -> list[list[int]]:
        history = History()

        async def write() -> None:
            for number in range(1, 301):
                history.ids.append(number)
                await asyncio.sleep(0.0005 if number % 10 == 0 else 0)
            history.state = "succeeded"

        async with Feeds(history.read).follow("job_1", 0) as feed:
            slow = _all_ids(feed, 0, lambda: asyncio.sleep(0.02))
            found = await asyncio.gather(slow, _all_ids(feed), write())
        return found[:2]

    assert asyncio.run(run()) == [list(range(1, 301))] * 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.sets(st.integers(1, 400)), st.lists(st.integers(0, 450), min_size=1, max_size=4), st.integers(0, 450))
def test_every_reader_gets_exactly_what_follows_its_cursor(ids: set[int], cursors: list[int], newest: int) -> None:
    history = History()
    history.ids, history.state = sorted(ids), "succeeded"
    head = max((number for number in ids if number <= newest), default=0)
    expected = [[number for number in sorted(ids) if number > min(cursor, head)] for cursor in cursors]
    assert _follow(history, *cursors, newest=head) == expected


def test_a_quiet_job_has_heartbeats() -> None:
    async def run() -> list[Sequence[Frame]]:
        history = History()
        async with Feeds(history.read).follow("job_1", 0) as feed:
            frames = feed.frames(0, idle_seconds=0.005)
            return [await anext(frames), await anext(frames)]

    assert asyncio.run(run()) == [(), ()]


def test_trouble_with_the_database_passes(caplog: pytest.LogCaptureFixture) -> None:
    history = History()
    history.ids, history.state, history.broken = [1], "succeeded", 3
    assert _follow(history, 1) == [[]]
    assert "cannot read job events" in caplog.text


def test_a_deleted_job_ends_its_stream() -> None:
    history = History()
    history.state = None
    assert _follow(history, 0) == [[]]


def test_closing_lets_readers_go_without_an_end() -> None:
    async def run() -> tuple[list[int], bool]:
        history = History()
        feeds = Feeds(history.read)
        async with feeds.follow("job_1", 0) as feed:
            task = asyncio.create_task(_all_ids(feed))
            await history.was_read.wait()
            feeds.close()
            return await task, feed.ended

    assert asyncio.run(run()) == ([], False)


def test_an_event_is_rendered_on_single_lines() -> None:
    event: dict[str, Any] = {
        "id": 7, "attempt": 1, "sequence": 2, "at": datetime(2026, 8, 19, 7, 19, 38, 123000, UTC), "kind": "log",
        "payload": {"line": "a\nb\r\n\n"},
    }  # fmt: skip
    lines = frame_of(event).data.decode().split("\n")
    assert lines[:2] == ["id: 7", "event: log"]
    assert lines[3:] == ["", ""]
    assert json.loads(lines[2].removeprefix("data: ")) == event | {"at": "2026-08-19T07:19:38.123Z"}


def test_a_kind_cannot_break_the_stream() -> None:
    event = {"id": 1, "kind": "x\ndata: evil", "payload": {}}
    assert frame_of(event).data.startswith(b"id: 1\nevent: xdata:evil\ndata: {")


def test_what_json_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="set"):
        frame_of({"id": 1, "kind": "x", "payload": {1}})


def test_the_end_names_the_state() -> None:
    assert end_frame("failed") == b'event: end\ndata: {"state": "failed"}\n\n'
