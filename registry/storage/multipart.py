"""Uploads in parts: one sparse file per upload, each part written at its place, in any order and in parallel.

`{folder}/{upload id}/data` holds the bytes, `{folder}/{upload id}/{part number}` the ETag of a part that arrived whole.
A part that is sent again loses its ETag until it is whole again, so completion never trusts half a part. The hash of
the whole decides in the end.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
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
    """One part of an upload while it arrives; leaving the `with` block unfinished keeps it without an ETag."""

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
        self._record.unlink(missing_ok=True)
        data = self._record.with_name("data")
        self._descriptor = os.open(data, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        return etag


def upload_assemble(folder: Path, grant: UploadGrant, etags: Mapping[int, str]) -> Path:
    """Checks the list of parts and the whole, makes it durable and returns the file that holds it.

    Args:
        folder: where uploads live.
        grant: what the upload's token says.
        etags: the client's list, part number -> ETag as it was answered (quotes allowed).

    Raises:
        PartInvalidError: a part is missing, unknown, or has another ETag than the one received.
        SizeMismatchError, DigestMismatchError: the whole is not what was announced; all parts are dropped.
        UploadChangedError: another request completes the same upload.
    """
    _check_parts(folder, grant, etags)
    upload = folder / grant.id
    # Taking the file away under a new name makes this request the only one that completes the upload.
    whole = folder / f"{grant.id}.whole"
    try:
        (upload / "data").rename(whole)
    except FileNotFoundError as error:
        raise UploadChangedError("another request is completing this upload: ask for its state again") from error
    shutil.rmtree(upload, ignore_errors=True)
    try:
        _verify(whole, grant)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    return whole


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


def _verify(path: Path, grant: UploadGrant) -> None:
    size = path.stat().st_size
    if size != grant.size:
        raise size_mismatch(grant.size, size)
    with path.open("rb", buffering=0) as file:
        received = _digest(file.fileno())
        if received != grant.sha256:
            raise digest_mismatch(grant.sha256, received)
        with disk_full_translated():
            os.fsync(file.fileno())


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
