"""A commit's body, read to the end before anything is written: operations whose bytes wait in one temporary file.

The transaction must not wait for a slow sender, and hundreds of megabytes must not lie in memory (hub-api 2.7, 9.4).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self, cast

from registry.errors import BadRequestError
from registry.hub import ndjson
from registry.hub.ndjson import Header
from registry.repositories.commits import AddFile, AddLfs, DeleteFile, DeleteFolder, Operation

_MEMORY = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What a client wants to commit."""

    header: Header
    operations: list[Operation]


class CommitBody:
    """Reads commit bodies; the operations it returns are readable until the `with` block ends."""

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115 (closed by __exit__)
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def read(self, read: Callable[[int], bytes], *, max_file_size: int) -> CommitRequest:
        """Reads the whole body.

        Args:
            read: returns up to that many bytes of the body; empty at the end.
            max_file_size: bytes that one regular file may have.

        Raises:
            BadRequestError, InvalidError, TooLargeError: as `ndjson.parse_commit`.
        """
        lines = ndjson.parse_commit(read, max_file_size=max_file_size)
        header = next(lines)
        if not isinstance(header, Header):  # parse_commit has checked this
            raise BadRequestError("the first line of a commit must be its `header`")
        return CommitRequest(header, [self._operation(line) for line in lines])

    def _operation(self, line: ndjson.Line) -> Operation:
        if isinstance(line, ndjson.File):
            return AddFile(line.path, self._keep(line.content))
        if isinstance(line, ndjson.LfsFile):
            return AddLfs(line.path, line.sha256, line.size)
        if isinstance(line, ndjson.Deletion):
            return DeleteFolder(line.path) if line.folder else DeleteFile(line.path)
        raise BadRequestError("a commit has only one `header`")

    def _keep(self, content: bytes) -> BinaryIO:
        self._spool.seek(self._end)
        self._spool.write(content)
        part = _Part(cast("BinaryIO", self._spool), self._end, len(content))
        self._end += len(content)
        return cast("BinaryIO", part)


class _Part(io.RawIOBase):
    """A stretch of a file, read like a file of its own."""

    def __init__(self, file: BinaryIO, offset: int, length: int) -> None:
        self._file, self._start, self._length = file, offset, length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._length - self._position)
        self._file.seek(self._start + self._position)
        data = self._file.read(left if size < 0 else min(size, left))
        self._position += len(data)
        return data
