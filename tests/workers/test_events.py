"""Events are numbered once, kept until confirmed, and logs are bounded with the cut stated."""

from __future__ import annotations

import json
import os
import threading

import pytest

from workers.events import LOG_LINE_LIMIT, LOG_TOTAL_LIMIT, EventBuffer, finite
from workers.pipes import bounded_lines


def test_events_are_numbered_from_one_and_kept_until_confirmed() -> None:
    buffer = EventBuffer()
    for step in range(5):
        buffer.add("step", {"step": step})
    assert [event["seq"] for event in buffer.batch()] == [1, 2, 3, 4, 5]
    buffer.confirm(3)
    assert [event["seq"] for event in buffer.batch()] == [4, 5]
    buffer.confirm(2)
    assert len(buffer) == 2


def test_a_payload_cannot_change_the_number_or_kind() -> None:
    buffer = EventBuffer()
    buffer.add("step", {"seq": 99, "type": "state"})
    assert (buffer.batch()[0]["seq"], buffer.batch()[0]["type"]) == (1, "step")


def test_a_batch_holds_at_most_a_thousand_events() -> None:
    buffer = EventBuffer()
    for _ in range(2500):
        buffer.add("step", {})
    assert len(buffer.batch()) == 1000


def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    buffer = EventBuffer()
    for _ in range(3):
        buffer.add("eval", {"blob": "x" * 5_000_000})
    assert len(buffer.batch()) == 1


def test_a_long_log_line_is_cut_and_says_so() -> None:
    buffer = EventBuffer()
    buffer.add_log("x" * (LOG_LINE_LIMIT + 7), "stdout")
    assert buffer.batch()[0]["line"].endswith("… [7 characters cut]")


def test_endless_logs_end_in_one_notice_while_other_events_go_on() -> None:
    buffer = EventBuffer()
    for _ in range(LOG_TOTAL_LIMIT // LOG_LINE_LIMIT + 50):
        buffer.add_log("x" * LOG_LINE_LIMIT, "stderr")
    buffer.add("step", {"step": 1})
    kept = len(buffer)
    assert kept <= LOG_TOTAL_LIMIT // LOG_LINE_LIMIT + 3
    buffer.add_log("the last words", "stderr")
    assert len(buffer) == kept
    assert buffer.log_tail[-1] == "the last words"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")], {"a": (float("nan"),)}])
def test_numbers_json_cannot_carry_become_words(value: object) -> None:
    assert json.dumps(finite(value), allow_nan=False)


def read_all(data: bytes, limit: int) -> list[tuple[bytes, int]]:
    reader, writer = os.pipe()

    def write() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(writer, view) :]
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    lines = list(bounded_lines(reader, limit))
    thread.join()
    os.close(reader)
    return lines


def test_lines_are_split_across_reads_and_the_last_needs_no_newline() -> None:
    data = b"".join(b"%d\n" % number for number in range(50_000)) + b"end"
    assert [line for line, _ in read_all(data, 100)] == [*(b"%d" % n for n in range(50_000)), b"end"]


def test_a_ten_megabyte_line_is_cut_and_the_next_one_is_whole() -> None:
    lines = read_all(b"x" * 10_000_000 + b"\nnext\n", 1000)
    assert lines == [(b"x" * 1000, 9_999_000), (b"next", 0)]
