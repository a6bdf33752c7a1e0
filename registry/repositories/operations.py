"""The operations of a commit, and their preparation: bytes made durable before any row names them (hub-api 2.7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from django.conf import settings

from registry.errors import InvalidError, TooLargeError
from registry.repositories.edits import Edit, Put, Remove
from registry.repositories.errors import ObjectMissingError
from registry.repositories.gitobjects import NewObject, make_object
from registry.repositories.objects import batches, blob_store_bytes, objects_write
from registry.repositories.paths import parse_folder, parse_path
from registry.repositories.pointers import format_pointer
from registry.storage.digests import parse_sha256
from registry.storage.models import LargeObject

# Blobs wait in memory for the commit's transaction up to this many bytes; beyond it they go ahead as loose objects.
_MAX_PENDING = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AddFile:
    """Place a regular file: its bytes, or a binary file positioned at their start."""

    path: str
    data: bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class AddLfs:
    """Place a large file that was uploaded before; without a size (copies) it is looked up."""

    path: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Delete a file; the path of a folder deletes the folder."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Delete a folder and all that is in it."""

    path: str


Operation = AddFile | AddLfs | DeleteFile | DeleteFolder


@dataclass(slots=True)
class PreparedOperations:
    """Operations whose bytes are safe.

    Attributes:
        edits: what happens to the tree, in order.
        pending: blobs that the commit's transaction still has to write.
        blobs: ids of all blobs that the operations place.
        claims: digest -> path of every large object that a pointer among them names; still to be authorised.
    """

    edits: list[Edit] = field(default_factory=list)
    pending: dict[str, NewObject] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    claims: dict[str, str] = field(default_factory=dict)
    lfs_paths: dict[str, str] = field(default_factory=dict)
    _pending_bytes: int = 0

    def place(self, path: str, blob: NewObject) -> None:
        """Adds a blob at a path."""
        self.edits.append(Put(path, blob.oid))
        if blob.lfs is not None:
            self.claims.setdefault(blob.lfs.sha256, path)
            self.lfs_paths[path] = blob.oid
        if blob.oid in self.blobs:
            return
        self.blobs.add(blob.oid)
        self.pending[blob.oid] = blob_store_bytes(blob)
        self._pending_bytes += len(self.pending[blob.oid].data or b"")
        if self._pending_bytes > _MAX_PENDING:
            self._flush()

    def _flush(self) -> None:
        """Writes waiting blobs ahead of the commit: nobody holds them yet, and the sweep spares young objects."""
        objects_write(self.pending.values())
        self.pending.clear()
        self._pending_bytes = 0


def operations_prepare(operations: Iterable[Operation]) -> PreparedOperations:
    """Parses paths, names blobs and makes big ones durable. Call it outside the commit's transaction: it may be slow.

    Raises:
        InvalidError: a path or digest is not acceptable.
        TooLargeError: a regular file is over the limit and has to be sent by LFS.
        ObjectMissingError: a large object is unknown to this server.
    """
    listed = list(operations)
    sizes = _large_sizes([item for item in listed if isinstance(item, AddLfs)])
    prepared = PreparedOperations()
    for item in listed:
        if isinstance(item, AddFile):
            prepared.place(parse_path(item.path), make_object("blob", _read(item)))
        elif isinstance(item, AddLfs):
            pointer = format_pointer(item.sha256, _checked_size(item, sizes))
            prepared.place(parse_path(item.path), make_object("blob", pointer))
        elif isinstance(item, DeleteFolder):
            prepared.edits.append(Remove(parse_folder(item.path), folder_only=True))
        else:
            prepared.edits.append(Remove(parse_folder(item.path)))
    return prepared


def _read(item: AddFile) -> bytes:
    limit = settings.MAX_REGULAR_FILE_SIZE
    data = item.data if isinstance(item.data, bytes) else item.data.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(
            f"`{item.path}` is larger than {limit} bytes: upload it as a large file (LFS) and commit its `lfsFile`",
            limit=limit,
            path=item.path,
        )
    return data


def _large_sizes(items: Iterable[AddLfs]) -> dict[str, int]:
    digests = sorted({parse_sha256(item.sha256) for item in items})
    return {
        sha256: size
        for batch in batches(digests)
        for sha256, size in LargeObject.objects.filter(sha256__in=batch).values_list("sha256", "size")
    }


def _checked_size(item: AddLfs, sizes: dict[str, int]) -> int:
    if item.sha256 not in sizes:
        raise missing_object(item.path, item.sha256)
    size = sizes[item.sha256]
    if item.size is not None and item.size != size:
        raise InvalidError(
            f"`{item.path}`: the large object has {size} bytes, not {item.size}", path=item.path, field="size"
        )
    return size


def missing_object(path: str, sha256: str) -> ObjectMissingError:
    """Returns the error for an object that is unknown or that the caller has no right to: the two look alike."""
    return ObjectMissingError(
        f"`{path}`: the large object {sha256} was not uploaded to this repository; upload it first",
        path=path,
        sha256=sha256,
    )
