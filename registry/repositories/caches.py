"""A bounded, thread-safe cache for immutable values named by their content: nothing in it can go stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class WeightedCache(Generic[Key, Value]):
    """Keeps the most recently used values up to a total weight; one value heavier than that is kept alone.

    Args:
        limit: greatest total weight.
        weigh: weight of one value, in the unit of `limit`.
    """

    def __init__(self, limit: int, weigh: Callable[[Value], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._lock = Lock()
        self._total = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Returns the value and marks it as used."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Returns those of the keys that are known."""
        with self._lock:
            found = {key: self._values[key] for key in keys if key in self._values}
            for key in found:
                self._values.move_to_end(key)
            return found

    def put(self, key: Key, value: Value) -> None:
        """Adds a value; the least recently used ones make room."""
        with self._lock:
            if key in self._values:
                return
            self._values[key] = value
            self._total += self._weigh(value)
            while self._total > self._limit and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                self._total -= self._weigh(dropped)

    def clear(self) -> None:
        """Forgets everything (tests, and after objects were deleted)."""
        with self._lock:
            self._values.clear()
            self._total = 0
