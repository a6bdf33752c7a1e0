"""Objects as files: `{root}/ab/cd/{sha256}`, placed by an atomic rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import ObjectMissingError
from registry.storage.stores.interface import Disposition

# Two levels of 256 folders keep a folder below a few thousand entries up to some hundred million objects.
_FAN_OUT = "[0-9a-f][0-9a-f]"
_ARRIVING = ".arriving-"


class FileStore:
    """Objects in a folder of this machine (or of a network file system with atomic rename)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def exists(self, sha256: Sha256) -> bool:
        """Returns whether the whole object is there: a file gets its name only once it is complete."""
        return self._path(sha256).is_file()

    def size(self, sha256: Sha256) -> int:
        """Returns the object's size in bytes."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError as error:
            raise _missing(sha256) from error

    def put_file(self, sha256: Sha256, path: Path) -> None:
        """Renames the file to its final name and fsyncs every folder whose entries changed."""
        target = self._path(sha256)
        _make_durable_folders(target.parent)
        try:
            path.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_across(path, target)
        fsync_folder(target.parent)

    def open(self, sha256: Sha256, start: int = 0) -> BinaryIO:
        """Returns the open file at `start`."""
        try:
            file = self._path(sha256).open("rb")
        except FileNotFoundError as error:
            raise _missing(sha256) from error
        file.seek(start)
        return file

    def delete(self, sha256: Sha256) -> None:
        """Removes the file; readers that have it open keep reading."""
        self._path(sha256).unlink(missing_ok=True)

    def local_path(self, sha256: Sha256) -> Path | None:
        """Returns the file's path, whether it exists or not."""
        return self._path(sha256)

    def presigned_url(
        self, sha256: Sha256, *, filename: str, content_type: str, disposition: Disposition, expires_in: int
    ) -> str | None:
        """Returns None: files have no URL of their own, the data plane serves them."""
        del sha256, filename, content_type, disposition, expires_in
        return None

    def stored(self) -> Iterator[tuple[Sha256, datetime]]:
        """Yields digests and modification times."""
        for path in self._root.glob(f"{_FAN_OUT}/{_FAN_OUT}/[0-9a-f]*"):
            try:
                moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except FileNotFoundError:  # deleted while we walk
                continue
            yield parse_sha256(path.name), moment

    def _path(self, sha256: Sha256) -> Path:
        return self._root / sha256[:2] / sha256[2:4] / sha256


def fsync_folder(folder: Path) -> None:
    """Makes renames and creations in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_durable_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_durable_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def _move_across(path: Path, target: Path) -> None:
    """Moves between file systems: the copy is fsynced under a name no reader looks at, then renamed."""
    with path.open("rb") as source, NamedTemporaryFile(dir=target.parent, prefix=_ARRIVING, delete=False) as copy:
        try:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
            Path(copy.name).replace(target)
        except BaseException:
            Path(copy.name).unlink(missing_ok=True)
            raise
    path.unlink()


def _missing(sha256: Sha256) -> ObjectMissingError:
    return ObjectMissingError(f"the object store has no object `{sha256}`")
