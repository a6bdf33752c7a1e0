"""What a process remembers of the database, each entry with the epochs under which it was loaded.

An entry is given out only while every one of its epochs stands. Epochs are read *before* the rows are, so a change in
between makes the entry stale, never wrongly fresh. Values are shared by threads: nobody may change them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, Generic, TypeVar

from registry.epochs.snapshots import Snapshot

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    value: Value
    epochs: tuple[tuple[str, int], ...]
    loaded_at: float


class EpochCache(Generic[Key, Value]):
    """The most recently used values, each valid while its epochs stand. Thread-safe.

    Args:
        limit: greatest number of values.
        max_age: seconds after which a value is loaded anew although its epochs stand; None for never.
        clock: seconds that only grow.
    """

    _all: ClassVar[list[EpochCache[Any, Any]]] = []

    def __init__(
        self, limit: int, *, max_age: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._max_age = max_age
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._all.append(self)

    def peek(self, key: Key) -> Value | None:
        """Returns what is remembered, stale or not: it says which scopes to ask for, and nothing else."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def get(self, key: Key, snapshot: Snapshot | None) -> Value | None:
        """Returns the value if all its epochs stand in this snapshot; None without one."""
        if snapshot is None:
            return None
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not self._stands(entry, snapshot):
                return None
            self._entries.move_to_end(key)
            return entry.value

    def _stands(self, entry: _Entry[Value], snapshot: Snapshot) -> bool:
        if self._max_age is not None and self._clock() - entry.loaded_at > self._max_age:
            return False
        return all(snapshot.get(scope) == epoch for scope, epoch in entry.epochs)

    def put(self, key: Key, value: Value, snapshot: Snapshot | None, scopes: Sequence[str]) -> None:
        """Remembers a value that was loaded after the snapshot was taken and depends on these scopes of it."""
        if snapshot is None:
            return
        entry = _Entry(value, tuple((scope, snapshot[scope]) for scope in scopes), self._clock())
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forgets one value: what the key named is gone."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._entries.clear()

    @classmethod
    def clear_all(cls) -> None:
        """Forgets everything in every cache of this process."""
        for cache in cls._all:
            cache.clear()


def caches_clear() -> None:
    """Forgets all that this process remembers under epochs (tests; after a database was exchanged)."""
    EpochCache.clear_all()
