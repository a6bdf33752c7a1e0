"""Objects in this process's memory: for tests, and to see what code does with a store that has no files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from registry.storage.digests import Sha256
from registry.storage.errors import ObjectMissingError
from registry.storage.stores.interface import Disposition


class MemoryStore:
    """Objects in a dictionary; they live as long as the process."""

    def __init__(self) -> None:
        self._objects: dict[Sha256, tuple[bytes, datetime]] = {}

    def exists(self, sha256: Sha256) -> bool:
        """Returns whether the object is there."""
        return sha256 in self._objects

    def size(self, sha256: Sha256) -> int:
        """Returns the object's size in bytes."""
        return len(self._data(sha256))

    def put_file(self, sha256: Sha256, path: Path) -> None:
        """Reads the file and removes it."""
        self._objects[sha256] = (path.read_bytes(), datetime.now(UTC))
        path.unlink()

    def open(self, sha256: Sha256, start: int = 0) -> BinaryIO:
        """Returns the bytes from `start` on."""
        return BytesIO(self._data(sha256)[start:])

    def delete(self, sha256: Sha256) -> None:
        """Forgets the object."""
        self._objects.pop(sha256, None)

    def local_path(self, sha256: Sha256) -> Path | None:
        """Returns None: there is no file."""
        del sha256
        return None

    def presigned_url(
        self, sha256: Sha256, *, filename: str, content_type: str, disposition: Disposition, expires_in: int
    ) -> str | None:
        """Returns None: the data plane streams these."""
        del sha256, filename, content_type, disposition, expires_in
        return None

    def stored(self) -> Iterator[tuple[Sha256, datetime]]:
        """Yields digests and the times they were put."""
        yield from [(sha256, moment) for sha256, (_, moment) in self._objects.items()]

    def _data(self, sha256: Sha256) -> bytes:
        try:
            return self._objects[sha256][0]
        except KeyError as error:
            raise ObjectMissingError(f"the object store has no object `{sha256}`") from error
