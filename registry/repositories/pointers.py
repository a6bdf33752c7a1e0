"""Git LFS pointer files, version 1 (git-lfs `docs/spec.md`). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The specification: pointers are smaller than 1,024 bytes.
MAX_POINTER_SIZE = 1024
_MAX_SIZE = 2**63 - 1
# Keys other than `version` come in alphabetical order; `ext-N-…` lines may stand before `oid`.
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:ext-[0-9]-[^\n]+\n)*"
    rb"oid sha256:(?P<oid>[0-9a-f]{64})\n"
    rb"size (?P<size>0|[1-9][0-9]{0,18})\n?"
)


@dataclass(frozen=True, slots=True)
class LfsPointer:
    """What a pointer file names.

    Attributes:
        sha256: digest of the content, 64 lower-case hex digits.
        size: bytes of the content.
        pointer_size: bytes of the pointer file itself.
    """

    sha256: str
    size: int
    pointer_size: int


def parse_pointer(data: bytes) -> LfsPointer | None:
    """Returns what the blob points to, or None if it is no pointer."""
    if len(data) >= MAX_POINTER_SIZE:
        return None
    match = _POINTER.fullmatch(data)
    if match is None or int(match["size"]) > _MAX_SIZE:
        return None
    return LfsPointer(match["oid"].decode(), int(match["size"]), len(data))


def format_pointer(sha256: str, size: int) -> bytes:
    """Returns the pointer file for an object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
