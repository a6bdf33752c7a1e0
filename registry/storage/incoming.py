"""Bytes on their way in: a temporary file that is hashed while it is written and has no name any reader looks at."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import DigestMismatchError, SizeMismatchError, StorageFullError
from registry.storage.writeback import STEP, start_writeback

PREFIX = "incoming-"
# writev(2) takes at most IOV_MAX buffers.
_MAX_BUFFERS = 1024


class IncomingFile:
    """A file under construction; leaving the `with` block removes it unless a store took it over.

    Not safe for two threads at once; `write` releases the interpreter lock while it hashes and writes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{PREFIX}{secrets.token_hex(16)}"
        self.size = 0
        self._written_back = 0
        self._hash = hashlib.sha256()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, chunks: Sequence[bytes]) -> None:
        """Appends and hashes chunks.

        Raises:
            StorageFullError: the disk or the quota is full.
        """
        for chunk in chunks:
            self._hash.update(chunk)
        with disk_full_translated():
            self.size += write_all(self._descriptor, chunks)
        if self.size - self._written_back >= STEP:
            start_writeback(self._descriptor, self._written_back, self.size - self._written_back)
            self._written_back = self.size

    def finish(self, *, expected_sha256: Sha256 | None, expected_size: int | None) -> Sha256:
        """Verifies size, then hash, then makes the bytes durable; returns their digest.

        Raises:
            SizeMismatchError, DigestMismatchError: the bytes are not what was announced.
            StorageFullError: the disk or the quota is full.
        """
        if expected_size is not None and self.size != expected_size:
            raise size_mismatch(expected_size, self.size)
        received = parse_sha256(self._hash.hexdigest())
        if expected_sha256 is not None and received != expected_sha256:
            raise digest_mismatch(expected_sha256, received)
        with disk_full_translated():
            os.fsync(self._descriptor)
        self._close()
        return received

    def discard(self) -> None:
        """Closes and removes the file; does nothing where it is gone already."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def write_all(descriptor: int, chunks: Sequence[bytes], offset: int | None = None) -> int:
    """Writes every byte of the chunks, at the file position or at `offset`; returns how many there were."""
    total = 0
    for first in range(0, len(chunks), _MAX_BUFFERS):
        views = [memoryview(chunk) for chunk in chunks[first : first + _MAX_BUFFERS] if chunk]
        while views:
            count = os.writev(descriptor, views) if offset is None else os.pwritev(descriptor, views, offset + total)
            total += count
            views = _rest(views, count)
    return total


def _rest(views: list[memoryview], count: int) -> list[memoryview]:
    """Returns what a partial write left over."""
    done = 0
    while done < len(views) and count >= len(views[done]):
        count -= len(views[done])
        done += 1
    return [views[done][count:], *views[done + 1 :]] if done < len(views) else []


def size_mismatch(expected: int, received: int) -> SizeMismatchError:
    """Returns the error for a body of the wrong length."""
    return SizeMismatchError(
        f"the body has {received} bytes where {expected} were announced: send the whole file again",
        expected=expected,
        received=received,
    )


def digest_mismatch(expected: Sha256, received: Sha256) -> DigestMismatchError:
    """Returns the error for a body with another hash."""
    return DigestMismatchError(
        f"the body has SHA-256 {received} where {expected} was announced: "
        "it was damaged on the way or the file changed while it was sent, send it again",
        expected=expected,
        received=received,
    )


@contextmanager
def disk_full_translated() -> Iterator[None]:
    """Turns the system's errors for a full disk or quota into the domain's."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError("the object store has no room for this file: tell the operator") from error
        raise
