"""The queue of events between the child and the hub: numbered once, kept until the hub has them, bounded.

Delivery is at least once and idempotent by (attempt, seq), so a lost answer is simply sent again. While the hub is
away everything is kept but log lines beyond a cap, and the cut is stated in the log itself.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from typing import Any

LOG_LINE_LIMIT = 8 * 1024
LOG_TOTAL_LIMIT = 5 * 1024 * 1024
BATCH_EVENTS = 1000
BATCH_BYTES = 4 * 1024 * 1024


class EventBuffer:
    """Events of one attempt, in order. Not thread-safe: the supervisor's main loop owns it."""

    def __init__(self) -> None:
        self._pending: deque[tuple[int, dict[str, Any], int]] = deque()
        self._next = 1
        self._log_bytes = 0
        self._log_full = False
        self._tail: deque[str] = deque(maxlen=40)

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def log_tail(self) -> list[str]:
        """The last log lines, for the report of a failure."""
        return list(self._tail)

    def add(self, kind: str, payload: dict[str, Any], at: float | None = None) -> None:
        """Numbers and keeps an event; `kind` is `step`, `eval`, `log`, `phase`, `artifact` or `warning`."""
        event = {**finite(payload), "seq": self._next, "t": time.time() if at is None else at, "type": kind}
        self._pending.append((self._next, event, len(json.dumps(event))))
        self._next += 1

    def add_log(self, line: str, stream: str) -> None:
        """Keeps a log line; cuts a long one, and after 5 MiB in all says once that the rest is not kept."""
        if len(line) > LOG_LINE_LIMIT:
            line = f"{line[:LOG_LINE_LIMIT]} … [{len(line) - LOG_LINE_LIMIT} characters cut]"
        self._tail.append(line)
        if self._log_full:
            return
        self._log_bytes += len(line)
        if self._log_bytes > LOG_TOTAL_LIMIT:
            self._log_full = True
            line = f"[log cut here: more than {LOG_TOTAL_LIMIT // 1024**2} MiB]"
        self.add("log", {"line": line, "stream": stream})

    def batch(self) -> list[dict[str, Any]]:
        """Returns the oldest events that were not confirmed, at most 1,000 and about 4 MiB."""
        chosen: list[dict[str, Any]] = []
        size = 0
        for _, event, length in self._pending:
            if chosen and (len(chosen) == BATCH_EVENTS or size + length > BATCH_BYTES):
                break
            chosen.append(event)
            size += length
        return chosen

    def confirm(self, last_seq: int) -> None:
        """Forgets events up to `last_seq`: the hub has them."""
        while self._pending and self._pending[0][0] <= last_seq:
            self._pending.popleft()


def finite(value: Any) -> Any:
    """Returns the value with NaN and infinities as strings, which JSON can carry."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
