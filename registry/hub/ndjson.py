"""The commit body: newline-delimited JSON, read line by line, so that its size never matters (hub-api 2.7).

Pure: bytes in, operations out. A line holds at most one file of `MAX_REGULAR_FILE_SIZE` in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from registry.errors import BadRequestError, InvalidError, TooLargeError

_BLOCK = 256 * 1024
_LINE_OVERHEAD = 64 * 1024
MAX_OPERATIONS = 25_000
_KEYS = ("header", "file", "lfsFile", "deletedFile", "deletedFolder")


@dataclass(frozen=True, slots=True)
class Header:
    """First line: what the commit says about itself."""

    summary: str
    description: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class File:
    """A regular file with its whole content."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class LfsFile:
    """A file whose bytes were uploaded before; `size` is None for copies."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A file or folder to remove."""

    path: str
    folder: bool


Line = Header | File | LfsFile | Deletion


def longest_line(max_file_size: int) -> int:
    """Returns how long a line may be so that a file of `max_file_size` bytes fits in base64."""
    return 4 * -(-max_file_size // 3) + _LINE_OVERHEAD


def read_lines(read: Callable[[int], bytes], *, limit: int) -> Iterator[bytes]:
    """Yields the non-empty lines of a stream.

    Args:
        read: returns up to that many bytes; empty at the end.
        limit: longest line in bytes.

    Raises:
        TooLargeError: a longer line.
    """
    pending: list[bytes] = []
    length = 0
    while block := read(_BLOCK):
        *complete, rest = block.split(b"\n")
        for part in complete:
            pending.append(part)
            _check_length(length + len(part), limit)
            if line := b"".join(pending).strip():
                yield line
            pending, length = [], 0
        pending.append(rest)
        length += len(rest)
        _check_length(length, limit)
    if line := b"".join(pending).strip():
        yield line


def _check_length(length: int, limit: int) -> None:
    if length > limit:
        raise TooLargeError(
            "one line of the commit is too long: upload files this large by LFS instead of inline", limit=limit
        )


def parse_commit(read: Callable[[int], bytes], *, max_file_size: int) -> Iterator[Line]:
    """Yields the header, then the operations in order.

    Raises:
        BadRequestError: not NDJSON, no header first, a second header, or an operation we do not know.
        InvalidError: a value has the wrong type.
        TooLargeError: a file or the number of operations exceeds a limit.
    """
    count = 0
    for number, line in enumerate(read_lines(read, limit=longest_line(max_file_size)), start=1):
        item = _parse_line(line, number, max_file_size)
        if isinstance(item, Header) != (number == 1):
            raise BadRequestError("the first line of a commit, and no other, must be its `header`")
        count += 1
        if count > MAX_OPERATIONS:
            raise TooLargeError(f"a commit may hold at most {MAX_OPERATIONS} operations", limit=MAX_OPERATIONS)
        yield item
    if not count:
        raise BadRequestError("the commit is empty: its first line must be a `header`")


def _parse_line(line: bytes, number: int, max_file_size: int) -> Line:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequestError(f"line {number} of the commit is not JSON") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), dict):
        raise BadRequestError(f'line {number} of the commit must be an object {{"key": …, "value": {{…}}}}')
    key, value = entry.get("key"), entry["value"]
    if key == "header":
        return _header(value)
    if key == "file":
        return _file(value, max_file_size)
    if key == "lfsFile":
        return _lfs_file(value)
    if key in ("deletedFile", "deletedFolder"):
        return Deletion(_text(value, "path"), folder=key == "deletedFolder")
    raise BadRequestError(f"line {number} of the commit: `key` must be one of {', '.join(_KEYS)}")


def _header(value: dict[str, Any]) -> Header:
    summary = _text(value, "summary")
    if not summary.strip():
        raise InvalidError("the commit needs a `summary`", field="summary")
    description = value.get("description") or ""
    parent = value.get("parentCommit")
    if not isinstance(description, str):
        raise InvalidError("`description` must be text", field="description")
    if parent is not None and not isinstance(parent, str):
        raise InvalidError("`parentCommit` must be a commit id", field="parentCommit")
    return Header(summary, description, parent or None)


def _file(value: dict[str, Any], max_file_size: int) -> File:
    path, content = _text(value, "path"), _text(value, "content", empty=True)
    encoding = value.get("encoding", "utf-8")
    if encoding == "base64":
        try:
            data = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidError(f"the content of `{path}` is not base64", field=path) from None
    elif encoding == "utf-8":
        data = content.encode("utf-8", "surrogatepass")
    else:
        raise InvalidError(f"the encoding of `{path}` must be base64 or utf-8", field=path)
    if len(data) > max_file_size:
        raise TooLargeError(
            f"`{path}` has {len(data)} bytes; files over {max_file_size} go by LFS, not inline", limit=max_file_size
        )
    return File(path, data)


def _lfs_file(value: dict[str, Any]) -> LfsFile:
    path, size = _text(value, "path"), value.get("size")
    if value.get("algo", "sha256") != "sha256":
        raise InvalidError(f"the algorithm of `{path}` must be sha256", field=path)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise InvalidError(f"the size of `{path}` must be a number of bytes", field=path)
    return LfsFile(path, _text(value, "oid"), size)


def _text(value: dict[str, Any], key: str, *, empty: bool = False) -> str:
    text = value.get(key)
    if not isinstance(text, str) or (not text and not empty):
        raise InvalidError(f"`{key}` is required and must be text", field=key)
    return text
