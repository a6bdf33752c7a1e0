"""Lines out of a pipe whose other end is not trusted to be brief."""

from __future__ import annotations

import os
from collections.abc import Iterator

_CHUNK = 64 * 1024


def bounded_lines(descriptor: int, limit: int) -> Iterator[tuple[bytes, int]]:
    """Yields (line without its newline, bytes cut off it) until the pipe closes; never holds more than `limit` bytes.

    A ten-megabyte line costs `limit` bytes of memory here, not ten megabytes.
    """
    line, dropped = bytearray(), 0
    while chunk := os.read(descriptor, _CHUNK):
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            kept = part[: max(0, limit - len(line))]
            yield bytes(line + kept), dropped + len(part) - len(kept)
            line, dropped = bytearray(), 0
        kept = rest[: max(0, limit - len(line))]
        line += kept
        dropped += len(rest) - len(kept)
    if line or dropped:
        yield bytes(line), dropped
