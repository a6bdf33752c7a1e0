"""Byte ranges and validators of small inline files (RFC 9110, sections 13 and 14). Pure.

Large files are answered by the data plane, which has multi-range answers; here several ranges get the whole file,
which RFC 9110 14.2 permits.
"""

from __future__ import annotations

import re

from registry.errors import RangeError

_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Returns `(start, stop)`, stop exclusive and clipped to `size`; None if the whole file is to be sent.

    A header that is malformed, uses another unit or asks for several ranges is ignored (RFC 9110 14.2).

    Raises:
        RangeError: the range starts beyond the end (416, hub-api 1.1).
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = int(last)
        start, stop = max(size - length, 0), size
        satisfiable = length > 0 and size > 0
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None  # invalid, so ignored
        satisfiable = start < size
    if not satisfiable:
        raise RangeError(f"the file has {size} bytes", size=size, headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def etag_matches(header: str | None, etag: str) -> bool:
    """True if `If-None-Match` names this entity tag (weak comparison, RFC 9110 13.1.2); `etag` comes unquoted."""
    if not header:
        return False
    if header.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/").strip('"') == etag for part in header.split(","))


def range_applies(if_range: str | None, etag: str) -> bool:
    """True if a `Range` header counts: no `If-Range`, or one that names this strong entity tag (RFC 9110 13.1.5)."""
    return if_range is None or if_range.strip() == f'"{etag}"'
