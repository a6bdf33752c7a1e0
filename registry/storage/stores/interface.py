"""The object store: a small interface with several implementations and one shared test-suite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from registry.storage.digests import Sha256

Disposition = Literal["inline", "attachment"]


class ObjectStore(Protocol):
    """Immutable bytes by SHA-256. An object is there whole or not at all, also after a crash."""

    def exists(self, sha256: Sha256) -> bool:
        """Returns whether the whole object is there."""
        ...

    def size(self, sha256: Sha256) -> int:
        """Returns the object's size in bytes.

        Raises:
            ObjectMissingError: there is none.
        """
        ...

    def put_file(self, sha256: Sha256, path: Path) -> None:
        """Takes over a complete, verified and fsynced local file; durable on return; `path` is gone afterwards.

        Storing an object that exists already is no error.
        """
        ...

    def open(self, sha256: Sha256, start: int = 0) -> BinaryIO:
        """Returns the bytes from `start` on, to be closed by the caller.

        Raises:
            ObjectMissingError: there is none.
        """
        ...

    def delete(self, sha256: Sha256) -> None:
        """Removes the object; does nothing if there is none. Call it through `services.object_delete`."""
        ...

    def local_path(self, sha256: Sha256) -> Path | None:
        """Returns where the bytes lie on this machine, for `sendfile`; None if they do not."""
        ...

    def presigned_url(
        self, sha256: Sha256, *, filename: str, content_type: str, disposition: Disposition, expires_in: int
    ) -> str | None:
        """Returns a URL by which the store itself serves GET for `expires_in` seconds; None if it cannot."""
        ...

    def stored(self) -> Iterator[tuple[Sha256, datetime]]:
        """Yields every object with the time it was stored, in no particular order (for the collector)."""
        ...
