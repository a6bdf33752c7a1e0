"""Uploads in parts: one sparse file per upload, each part written at its place, in any order and in parallel.

`{folder}/{upload id}/data` holds the bytes, `{folder}/{upload id}/{part number}` the ETag of a part that arrived whole.
A part that is sent again loses its ETag until it is whole again, so completion never trusts half a part. The hash of
the whole decides in the end.

A part holds a shared lock (flock) on the data while it writes, completion an exclusive one: what was verified cannot
change afterwards, not even by a request that began before.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from blake3 import blake3

from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import PartInvalidError, UploadChangedError
from registry.storage.incoming import digest_mismatch, disk_full_translated, size_mismatch, write_all
from registry.storage.links import UploadGrant
from registry.storage.writeback import STEP, start_writeback

_READ_SIZE = 4 * 1024 * 1024


class IncomingPart:
    """One part of an upload while it arrives; closed unfinished, it has no ETag.

    Raises:
        PartInvalidError: the upload has no such part.
        UploadChangedError: the upload is being completed.
    """

    def __init__(self, folder: Path, grant: UploadGrant, number: int) -> None:
        if grant.chunk_size is None or not 1 <= number <= grant.part_count:
            raise PartInvalidError(f"part {number} is none of this upload's {grant.part_count} parts")
        self.expected_size = grant.part_size(number)
        self.size = 0
        self._offset = (number - 1) * grant.chunk_size
        self._written_back = 0
        self._hash = blake3()
        self._record = folder / grant.id / f"{number:05}"
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._whole = False
        self._descriptor = _open_shared(self._record.with_name("data"))
        self._record.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the part. Unless `finish` was reached, its place may hold anything: the ETag of another try goes too."""
        if not self._whole:
            self._record.unlink(missing_ok=True)
        os.close(self._descriptor)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Writes chunks at the part's place. The caller stops a body that is longer than the part before this.

        Raises:
            StorageFullError: the disk or the quota is full.
        """
        for chunk in chunks:
            self._hash.update(chunk)
        with disk_full_translated():
            self.size += write_all(self._descriptor, chunks, self._offset + self.size)
        if self.size - self._written_back >= STEP:
            start_writeback(self._descriptor, self._offset + self._written_back, self.size - self._written_back)
            self._written_back = self.size

    def finish(self) -> str:
        """Records the part as whole and returns its ETag, without quotes.

        Raises:
            SizeMismatchError: the body was too short.
        """
        if self.size != self.expected_size:
            raise size_mismatch(self.expected_size, self.size)
        start_writeback(self._descriptor, self._offset + self._written_back, self.size - self._written_back)
        etag: str = self._hash.hexdigest(length=16)
        arriving = self._record.with_name(f"{self._record.name}.{secrets.token_hex(4)}")
        arriving.write_text(etag, encoding="ascii")
        arriving.replace(self._record)
        self._whole = True
        return etag


def _open_shared(data: Path) -> int:
    """Opens an upload's data for one of several writers."""
    try:
        descriptor = os.open(data, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError as error:  # completion removed the folder this very moment
        raise _busy() from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # The file may have been taken away between opening and locking.
        if os.fstat(descriptor).st_ino != data.stat().st_ino:
            raise _busy()
    except (BlockingIOError, FileNotFoundError) as error:
        os.close(descriptor)
        raise _busy() from error
    except UploadChangedError:
        os.close(descriptor)
        raise
    return descriptor


def _busy() -> UploadChangedError:
    return UploadChangedError(
        "parts of this upload are still arriving, or it is being completed: try again in a moment"
    )


def upload_assemble(folder: Path, grant: UploadGrant, etags: Mapping[int, str]) -> Path:
    """Checks the list of parts and the whole, makes it durable and returns the file that holds it.

    Args:
        folder: where uploads live.
        grant: what the upload's token says.
        etags: the client's list, part number -> ETag as it was answered (quotes allowed).

    Raises:
        PartInvalidError: a part is missing, unknown, or has another ETag than the one received.
        SizeMismatchError, DigestMismatchError: the whole is not what was announced; all parts are dropped.
        UploadChangedError: a part is still arriving, or another request completes the same upload.
    """
    upload = folder / grant.id
    whole = folder / f"{grant.id}.whole"
    _check_parts(folder, grant, etags)
    with _opened_alone(upload / "data") as descriptor:
        # Again, now that nobody writes: a part may have been re-sent, and so lost its ETag, meanwhile.
        _check_parts(folder, grant, etags)
        (upload / "data").rename(whole)
        shutil.rmtree(upload, ignore_errors=True)
        try:
            _verify(descriptor, grant)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
    return whole


def upload_mark_complete(folder: Path, grant: UploadGrant) -> None:
    """Remembers that the upload was completed and attached, so that asking again is answered with success."""
    (folder / f"{grant.id}.complete").touch()


def upload_is_complete(folder: Path, grant: UploadGrant) -> bool:
    """Returns whether `upload_mark_complete` was called for the upload."""
    return (folder / f"{grant.id}.complete").exists()


@contextmanager
def _opened_alone(data: Path) -> Iterator[int]:
    """Opens an upload's data for the one that completes it."""
    try:
        descriptor = os.open(data, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _busy() from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise _busy() from error
    finally:
        os.close(descriptor)


def _check_parts(folder: Path, grant: UploadGrant, etags: Mapping[int, str]) -> None:
    expected = range(1, grant.part_count + 1)
    unknown = sorted(set(etags) - set(expected))
    if unknown:
        raise PartInvalidError(f"part {unknown[0]} is none of this upload's {grant.part_count} parts")
    for number in expected:
        if number not in etags:
            raise PartInvalidError(f"part {number} of {grant.part_count} is not in the list: send it, then complete")
        received = _received_etag(folder, grant, number)
        if received is None:
            raise PartInvalidError(f"part {number} of {grant.part_count} has not arrived: send it, then complete")
        if etags[number].strip('"') != received:
            raise PartInvalidError(f'part {number} has ETag "{received}", not the one in the list: send it again')


def _received_etag(folder: Path, grant: UploadGrant, number: int) -> str | None:
    try:
        return (folder / grant.id / f"{number:05}").read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def _verify(descriptor: int, grant: UploadGrant) -> None:
    size = os.fstat(descriptor).st_size
    if size != grant.size:
        raise size_mismatch(grant.size, size)
    received = _digest(descriptor)
    if received != grant.sha256:
        raise digest_mismatch(grant.sha256, received)
    with disk_full_translated():
        os.fsync(descriptor)


def _digest(descriptor: int) -> Sha256:
    digest = hashlib.sha256()
    buffer = bytearray(_READ_SIZE)
    view = memoryview(buffer)
    offset = 0
    while count := os.preadv(descriptor, [buffer], offset):
        digest.update(view[:count])
        offset += count
    return parse_sha256(digest.hexdigest())


def uploads_remove_older(folder: Path, older_than: datetime) -> int:
    """Removes temporary files and unfinished uploads untouched since `older_than`; returns how many."""
    if not folder.is_dir():
        return 0
    old = [path for path in folder.iterdir() if _last_touched(path) < older_than]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


def _last_touched(path: Path) -> datetime:
    """Returns when a file, or the newest entry of a folder, last changed; now if it vanishes meanwhile."""
    try:
        times = [entry.stat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ()))]
    except FileNotFoundError:
        return datetime.now(UTC)
    return datetime.fromtimestamp(max(times), UTC)
