"""Git objects in the database: reading them in batches through caches, and storing them durably.

Objects are immutable, so parsed trees, commits and the measures of blobs are cached by id in each process. What a
repository may show is decided before: these functions trust the ids that they are given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import connection

from registry.errors import UnavailableError
from registry.repositories.caches import WeightedCache
from registry.repositories.gitobjects import EMPTY_TREE, CommitText, NewObject, TreeEntry, read_commit, read_tree
from registry.repositories.models import GitObject, Repository, RepositoryGitObject
from registry.repositories.pointers import LfsPointer
from registry.storage import services as storage
from registry.storage.digests import parse_sha256
from registry.storage.models import LargeObject
from registry.storage.stores import get_store

# Blobs above this keep their bytes in the object store (architecture, "Git in the database").
MAX_INLINE_BLOB = 256 * 1024
# Ids in one query: SQLite binds at most 32,766 parameters, and a plan for thousands of values serves nobody.
BATCH = 5000


Folder = Mapping[str, TreeEntry]


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What listings need of a blob without its bytes; `stored_sha256` names it where the object store has the bytes."""

    size: int
    lfs: LfsPointer | None
    stored_sha256: str | None


_trees: WeightedCache[str, Folder] = WeightedCache(100_000, lambda entries: 4 + len(entries))
_commits: WeightedCache[str, CommitText] = WeightedCache(5_000, lambda _: 1)
_facts: WeightedCache[str, BlobFacts] = WeightedCache(100_000, lambda _: 1)
_small_blobs: WeightedCache[str, bytes] = WeightedCache(16 * 1024 * 1024, lambda data: 200 + len(data))


def caches_clear() -> None:
    """Forgets what this process has read (tests share one process and many databases)."""
    for cache in (_trees, _commits, _facts, _small_blobs):
        cache.clear()


def batches(items: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    """Cuts a sequence of ids into lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _lost(oid: str) -> UnavailableError:
    return UnavailableError(
        f"git object `{oid}` is missing from the database; ask the operator to run `weighbridge verify`"
    )


def _read_rows(kind: str, oids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    for batch in batches(oids):
        for oid, data in GitObject.objects.filter(oid__in=batch, kind=kind).values_list("oid", "data"):
            if data is not None:
                yield oid, bytes(data)


def load_trees(oids: Collection[str]) -> dict[str, Folder]:
    """Returns parsed trees by id, each as name -> entry in git's order, with one query for all that are not cached.

    Raises:
        UnavailableError: the database lacks one of them.
    """
    found = _trees.get_many(oids)
    missing = [oid for oid in oids if oid not in found]
    if EMPTY_TREE in missing:
        found[EMPTY_TREE] = {}
        missing.remove(EMPTY_TREE)
    if missing:
        for oid, data in _read_rows("tree", missing):
            found[oid] = {entry.name: entry for entry in read_tree(data)}
            _trees.put(oid, found[oid])
    for oid in missing:
        if oid not in found:
            raise _lost(oid)
    return found


def load_commit(oid: str) -> CommitText:
    """Returns a parsed commit.

    Raises:
        UnavailableError: the database lacks it.
    """
    commit = _commits.get(oid)
    if commit is None:
        for _, data in _read_rows("commit", [oid]):
            commit = read_commit(data)
            _commits.put(oid, commit)
    if commit is None:
        raise _lost(oid)
    return commit


def load_blob_facts(oids: Collection[str]) -> dict[str, BlobFacts]:
    """Returns the measures of blobs, with one query for each batch that is not cached."""
    found = _facts.get_many(oids)
    missing = [oid for oid in oids if oid not in found]
    for batch in batches(missing):
        rows = GitObject.objects.filter(oid__in=batch).values_list(
            "oid", "size", "lfs_sha256", "lfs_size", "large_object_id"
        )
        for oid, size, lfs_sha256, lfs_size, stored in rows:
            pointer = LfsPointer(lfs_sha256, lfs_size or 0, size) if lfs_sha256 is not None else None
            found[oid] = BlobFacts(size, pointer, stored)
            _facts.put(oid, found[oid])
    return found


def blob_bytes(oid: str) -> bytes:
    """Returns the whole content of a blob (for an LFS file: of its pointer).

    Raises:
        UnavailableError: the database lacks it.
    """
    data = _small_blobs.get(oid)
    if data is not None:
        return data
    row = GitObject.objects.filter(oid=oid, kind="blob").values_list("data", "large_object_id").first()
    if row is None:
        raise _lost(oid)
    if row[0] is None:
        with get_store().open(parse_sha256(row[1])) as stream:
            return stream.read()
    data = bytes(row[0])
    _small_blobs.put(oid, data)
    return data


def blob_store_bytes(blob: NewObject) -> NewObject:
    """Moves the bytes of a big blob to the object store, where they are durable before any row names them."""
    if blob.data is None or blob.size <= MAX_INLINE_BLOB:
        return blob
    stored = storage.object_store_bytes(data=blob.data)
    return NewObject(blob.oid, blob.kind, blob.size, None, large_sha256=stored.sha256)


def _row(item: NewObject) -> GitObject:
    return GitObject(
        oid=item.oid,
        kind=item.kind,
        size=item.size,
        data=item.data,
        large_object_id=item.large_sha256,
        lfs_sha256=item.lfs.sha256 if item.lfs else None,
        lfs_size=item.lfs.size if item.lfs else None,
    )


def objects_write(objects: Iterable[NewObject]) -> None:
    """Adds objects that are not there yet; those that are stay as they are.

    Rows are written and locked in the order of their ids, here and in the sweep, so that no two writers of the same
    objects can wait for one another. Objects that exist are locked, so that the sweep cannot take them before the
    caller's transaction says that it holds them.
    """
    items = {item.oid: item for item in objects}
    for batch in batches(sorted(items)):
        there = _lock_existing(batch)
        _lock_large_objects([items[oid] for oid in batch if oid not in there])
        GitObject.objects.bulk_create(
            [_row(items[oid]) for oid in batch if oid not in there], ignore_conflicts=True, batch_size=500
        )


def _lock_existing(oids: Sequence[str]) -> set[str]:
    rows = GitObject.objects.filter(oid__in=oids).order_by("oid").values_list("oid", flat=True)
    if connection.features.has_select_for_no_key_update:
        rows = rows.select_for_update(no_key=True)
    return set(rows)


def _lock_large_objects(items: Sequence[NewObject]) -> None:
    """Holds on to the rows that name big blobs' bytes; puts back one that the sweep was quicker to take."""
    for item in sorted((item for item in items if item.large_sha256), key=lambda item: item.large_sha256 or ""):
        rows = LargeObject.objects.filter(sha256=item.large_sha256)
        if connection.features.has_select_for_no_key_update:
            rows = rows.select_for_update(no_key=True)
        if not rows.exists():
            raise UnavailableError("the bytes of a file were swept while they arrived; send the commit again")


def objects_hold(repository: Repository, oids: Iterable[str]) -> None:
    """Records that the repository holds these objects."""
    for batch in batches(sorted(set(oids))):
        RepositoryGitObject.objects.bulk_create(
            [RepositoryGitObject(repository=repository, git_object_id=oid) for oid in batch],
            ignore_conflicts=True,
            batch_size=500,
        )
