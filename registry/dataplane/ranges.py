"""Conditional and range requests over an immutable representation, by RFC 9110 sections 13 and 14: pure.

The representation's only validator is a strong entity tag (its SHA-256), so dates in conditions never match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from registry.errors import RangeError

# RFC 9110 14.1.1: `first-last`, `first-` or `-suffix`; digits are ASCII.
_SPECIFIER = re.compile(r"(?P<first>[0-9]{1,19})-(?P<last>[0-9]{0,19})|-(?P<suffix>[0-9]{1,19})")
_ENTITY_TAG = re.compile(r'(?P<weak>W/)?"(?P<value>[\x21\x23-\x7e\x80-\xff]*)"')
# RFC 9110 14.2: a server may ignore many small or overlapping ranges, which only an attacker sends.
_MAX_RANGES = 64


@dataclass(frozen=True)
class ByteRange:
    """Bytes `start` to `stop`, counted from 0, `stop` not included."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """Returns the value of `Content-Range` in a representation of `size` bytes (RFC 9110 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


class Outcome(Enum):
    """What to answer."""

    WHOLE = 200
    PARTIAL = 206
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412


@dataclass(frozen=True)
class Plan:
    """An outcome and, where it is partial, the ranges in the order asked for."""

    outcome: Outcome
    ranges: tuple[ByteRange, ...] = ()


def plan_response(method: str, headers: Mapping[str, str], *, etag: str, size: int) -> Plan:
    """Decides what to answer, in the order of RFC 9110 section 13.2.2.

    Args:
        method: GET or HEAD; a Range on HEAD is ignored (RFC 9110 14.2).
        headers: the request's, looked up without regard to case.
        etag: the strong entity tag, without quotes.
        size: of the representation, in bytes.

    Raises:
        RangeError: no range overlaps the representation.
    """
    if_match = headers.get("If-Match")
    if if_match is not None and not _matches(if_match, etag, weak=False):
        return Plan(Outcome.PRECONDITION_FAILED)
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None and _matches(if_none_match, etag, weak=True):
        return Plan(Outcome.NOT_MODIFIED)
    asked = headers.get("Range")
    if asked is None or method != "GET" or not _if_range_holds(headers.get("If-Range"), etag):
        return Plan(Outcome.WHOLE)
    ranges = parse_ranges(asked, size)
    return Plan(Outcome.PARTIAL, ranges) if ranges else Plan(Outcome.WHOLE)


def parse_ranges(header: str, size: int) -> tuple[ByteRange, ...]:
    """Returns the satisfiable ranges of a `Range` header, clipped to the end.

    An empty tuple means: ignore the header (another unit, bad syntax, or more than a fair client asks for).

    Raises:
        RangeError: the syntax is fine and nothing overlaps (answer 416).
    """
    unit, separator, specifiers = header.partition("=")
    if not separator or unit.strip().lower() != "bytes":
        return ()
    matches = [_SPECIFIER.fullmatch(text.strip()) for text in specifiers.split(",") if text.strip()]
    if not matches or len(matches) > _MAX_RANGES:
        return ()
    ranges: list[ByteRange] = []
    for match in matches:
        if match is None or _is_backwards(match):
            return ()
        ranges.extend(_clipped(match, size))
    if not ranges:
        raise RangeError(f"the range starts beyond the end: the object has {size} bytes", size=size)
    return tuple(ranges) if sum(part.length for part in ranges) <= size else ()


def _is_backwards(match: re.Match[str]) -> bool:
    return bool(match["last"]) and int(match["last"]) < int(match["first"])


def _clipped(match: re.Match[str], size: int) -> Sequence[ByteRange]:
    if match["suffix"] is not None:
        start, stop = max(0, size - int(match["suffix"])), size
    else:
        start, stop = int(match["first"]), min(size, int(match["last"]) + 1) if match["last"] else size
    return [ByteRange(start, stop)] if start < stop else []


def _matches(condition: str, etag: str, *, weak: bool) -> bool:
    """Compares entity tags weakly or strongly (RFC 9110 8.8.3.2)."""
    if condition.strip() == "*":
        return True
    return any(found["value"] == etag and (weak or not found["weak"]) for found in _ENTITY_TAG.finditer(condition))


def _if_range_holds(condition: str | None, etag: str) -> bool:
    """Compares strongly (RFC 9110 13.1.5); a date never holds, we send no `Last-Modified`."""
    return condition is None or condition.strip() == f'"{etag}"'
