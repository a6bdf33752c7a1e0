"""Live job events as server-sent events (HTML standard, section 9.2): nothing lost, nothing repeated.

One feed a job polls the database, however many read it. A feed keeps a window of recent events; a reader behind the
window (it came late or is slow) reads the database at its own pace until it has caught up. So memory is bounded and
no reader waits for another.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.http import iso_z

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
_PAGE = 500
_WINDOW = 2_000


@dataclass(frozen=True)
class Frame:
    """One event as it goes over the wire, ordered by the event's id."""

    id: int
    data: bytes


@dataclass(frozen=True)
class Page:
    """Events after some id, and the job's state as it was *before* they were read (None: there is no such job)."""

    state: str | None
    terminal: bool
    frames: Sequence[Frame]

    @property
    def is_last(self) -> bool:
        """True if nothing can follow: the job had ended when these, fewer than a full page, were read."""
        return self.terminal and len(self.frames) < _PAGE


# (job id, after id, limit) -> Page
ReadPage = Callable[[str, int, int], Awaitable[Page]]


def frame_of(event: dict[str, Any]) -> Frame:
    """Renders `{id, attempt, sequence, at, kind, payload}`; the SSE event's name is the kind."""
    data = json.dumps(event, separators=(",", ":"), default=_json_default)
    kind = "".join(str(event["kind"]).split()) or "message"
    return Frame(event["id"], f"id: {event['id']}\nevent: {kind}\ndata: {data}\n\n".encode())


def end_frame(state: str | None) -> bytes:
    """Renders the event that tells readers to close: the job is in a terminal state and everything was sent."""
    return f"event: end\ndata: {json.dumps({'state': state})}\n\n".encode()


def _json_default(value: Any) -> str:
    if isinstance(value, datetime):
        return iso_z(value)
    raise TypeError(f"`{type(value).__name__}` is not JSON")


class Feed:
    """Recent events of one job.

    All events after id `floor` that were seen are in the window, `head` is the last of them. A feed starts at the
    newest event, whatever its first reader asks for: that reader may ask for nonsense.
    """

    def __init__(self, job_id: str, newest: int, read: ReadPage) -> None:
        self.job_id = job_id
        self.floor = self.head = newest
        self.ended = False
        self.closed = False
        self.state: str | None = None
        self.readers = 0
        self._read = read
        self._window: deque[Frame] = deque()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Polls until the job has ended; an error of the database is logged and tried again."""
        while not self.ended:
            try:
                more = await self._poll()
            except Exception:
                logger.exception("cannot read job events", extra={"job": self.job_id})
                more = False
            if not more:
                await asyncio.sleep(POLL_SECONDS)

    async def frames(self, after: int, idle_seconds: float = HEARTBEAT_SECONDS) -> AsyncIterator[Sequence[Frame]]:
        """Yields batches of events after id `after` until the job has ended or the feed was closed.

        An empty batch says that nothing happened for `idle_seconds`: time for a heartbeat.
        """
        cursor = min(after, self.head)
        while not self.closed:
            changed, ended = self._changed, self.ended
            batch = await self._after(cursor)
            if batch:
                yield batch
                cursor = batch[-1].id
            elif ended:
                return
            elif not await _within(changed, idle_seconds):
                yield ()

    def close(self) -> None:
        """Lets all readers go, without telling them that the job has ended."""
        self.closed = True
        self._changed.set()

    async def _after(self, cursor: int) -> Sequence[Frame]:
        if cursor < self.floor:
            page = await self._read(self.job_id, cursor, _PAGE)
            if page.frames:
                return page.frames
        return [frame for frame in self._window if frame.id > cursor]

    async def _poll(self) -> bool:
        """Reads one page; returns whether there may be more at once."""
        page = await self._read(self.job_id, self.head, _PAGE)
        self._window.extend(page.frames)
        while len(self._window) > _WINDOW:
            self.floor = self._window.popleft().id
        if page.frames:
            self.head = page.frames[-1].id
        self.state, self.ended = page.state, page.is_last or page.state is None
        if page.frames or self.ended:
            self._changed.set()
            self._changed = asyncio.Event()
        return len(page.frames) == _PAGE


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Returns whether the event happened in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class Feeds:
    """The feeds that somebody reads at this moment, by job."""

    def __init__(self, read: ReadPage) -> None:
        self._read = read
        self._feeds: dict[str, tuple[Feed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def follow(self, job_id: str, newest: int) -> AsyncIterator[Feed]:
        """Joins a job's feed, starting it at event `newest` for the first reader and stopping it after the last."""
        if job_id not in self._feeds:
            feed = Feed(job_id, newest, self._read)
            self._feeds[job_id] = (feed, asyncio.create_task(feed.run()))
        feed, task = self._feeds[job_id]
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if feed.readers == 0:
                del self._feeds[job_id]
                task.cancel()

    def close(self) -> None:
        """Lets the readers of all feeds go; they come back with `Last-Event-ID` once we run again."""
        for feed, _ in self._feeds.values():
            feed.close()
