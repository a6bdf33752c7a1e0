"""What lies at a path of a commit: entries, folders, and the whole listing, all cached by immutable ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from registry.errors import TooLargeError
from registry.repositories.caches import WeightedCache
from registry.repositories.errors import EntryNotFoundError
from registry.repositories.gitobjects import MODE_SUBMODULE, TreeEntry
from registry.repositories.objects import Folder, blob_bytes, load_blob_facts, load_commit, load_trees
from registry.repositories.pointers import LfsPointer

__all__ = [
    "Entry",
    "blob_bytes",
    "entries_get",
    "entry_get",
    "list_directory",
    "list_recursive",
    "listing_clear",
    "tree_at",
]


# A few tree objects that name one another can spell billions of paths; real repositories stay far below.
MAX_LISTING = 2_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a commit.

    Attributes:
        path: from the root of the repository.
        kind: `file` or `directory`.
        oid: git id of the blob (for LFS files: of the pointer) or tree.
        size: bytes of the content, also for LFS files; 0 for folders.
        lfs: what the pointer names, for LFS files.
        stored_sha256: object in the object store that has exactly these bytes; None where the database has them.
    """

    path: str
    kind: Literal["file", "directory"]
    oid: str
    size: int
    lfs: LfsPointer | None = None
    stored_sha256: str | None = None

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def etag(self) -> str:
        """The content's id by which clients name it in their cache (hub-api 1.1): sha256 for LFS, else git's."""
        return self.lfs.sha256 if self.lfs else self.oid


_listings: WeightedCache[str, tuple[Entry, ...]] = WeightedCache(60_000, lambda entries: 4 + len(entries))


def listing_clear() -> None:
    """Forgets cached listings."""
    _listings.clear()


def _absent(commit_oid: str, path: str) -> EntryNotFoundError:
    return EntryNotFoundError(f"there is no `{path}` at {commit_oid}", path=path, commit=commit_oid)


def _find(commit_oid: str, path: str) -> TreeEntry:
    """Walks from the commit's root to the path; raises EntryNotFoundError."""
    here = TreeEntry("", 0o040000, load_commit(commit_oid).tree)
    for part in path.split("/") if path else ():
        found = load_trees([here.oid])[here.oid].get(part) if here.is_tree else None
        if found is None or found.mode == MODE_SUBMODULE:
            raise _absent(commit_oid, path)
        here = found
    return here


def _entries(rows: Sequence[tuple[str, TreeEntry]]) -> tuple[Entry, ...]:
    facts = load_blob_facts([row.oid for _, row in rows if not row.is_tree])
    made = []
    for path, row in rows:
        if row.is_tree:
            made.append(Entry(path, "directory", row.oid, 0))
        elif row.oid in facts:
            fact = facts[row.oid]
            size, stored = (fact.lfs.size, fact.lfs.sha256) if fact.lfs else (fact.size, fact.stored_sha256)
            made.append(Entry(path, "file", row.oid, size, fact.lfs, stored))
    return tuple(made)


def tree_at(commit_oid: str, path: str = "") -> str:
    """Returns the id of the tree at a folder's path.

    Raises:
        EntryNotFoundError: nothing is there, or a file.
    """
    entry = _find(commit_oid, path)
    if not entry.is_tree:
        raise _absent(commit_oid, path)
    return entry.oid


def entry_get(commit_oid: str, path: str) -> Entry:
    """Returns the file or folder at a path.

    Raises:
        EntryNotFoundError: nothing is there.
    """
    return _entries([(path, _find(commit_oid, path))])[0]


def entries_get(commit_oid: str, paths: Sequence[str]) -> list[Entry]:
    """Returns what exists of several paths, in their order (hub-api 1.4); missing ones are left out."""
    root = load_commit(commit_oid).tree
    places: dict[str, TreeEntry] = {"": TreeEntry("", 0o040000, root)}
    wanted = [path.split("/") for path in paths if path]
    for depth in range(max((len(parts) for parts in wanted), default=0)):
        parents = {"/".join(parts[:depth]) for parts in wanted if len(parts) > depth}
        folders = {place: places[place].oid for place in parents if place in places and places[place].is_tree}
        trees = load_trees(set(folders.values()))
        for place, oid in folders.items():
            prefix = f"{place}/" if place else ""
            places.update({prefix + name: entry for name, entry in trees[oid].items()})
    rows = [(path, places[path]) for path in paths if path in places and places[path].mode != MODE_SUBMODULE]
    return list(_entries(rows))


def list_directory(commit_oid: str, path: str = "") -> tuple[Entry, ...]:
    """Returns the direct children of a folder, in git's order; the path of a file gives that file (hub-api 1.3).

    Raises:
        EntryNotFoundError: nothing is there.
    """
    here = _find(commit_oid, path)
    if not here.is_tree:
        return _entries([(path, here)])
    prefix = f"{path}/" if path else ""
    children = load_trees([here.oid])[here.oid].values()
    return _entries([(prefix + child.name, child) for child in children if child.mode != MODE_SUBMODULE])


def list_recursive(commit_oid: str, path: str = "") -> tuple[Entry, ...]:
    """Returns everything below a folder, folders included and parents before children; warm without a query.

    Raises:
        EntryNotFoundError: nothing is there.
    """
    here = _find(commit_oid, path)
    if not here.is_tree:
        return _entries([(path, here)])
    listing = _listing(here.oid)
    if not path:
        return listing
    return tuple(
        Entry(f"{path}/{entry.path}", entry.kind, entry.oid, entry.size, entry.lfs, entry.stored_sha256)
        for entry in listing
    )


def _listing(tree_oid: str) -> tuple[Entry, ...]:
    cached = _listings.get(tree_oid)
    if cached is None:
        cached = _entries(_flatten(tree_oid))
        _listings.put(tree_oid, cached)
    return cached


def _flatten(tree_oid: str) -> list[tuple[str, TreeEntry]]:
    """Reads the whole tree level by level (one query a level), then orders it: a folder, then what is in it."""
    trees: dict[str, Folder] = {}
    level = {tree_oid}
    while level:
        trees.update(load_trees(level))
        level = {child.oid for oid in level for child in trees[oid].values() if child.is_tree} - trees.keys()
    rows: list[tuple[str, TreeEntry]] = []
    stack = [(child.name, child) for child in reversed(list(trees[tree_oid].values()))]
    while stack:
        path, entry = stack.pop()
        if entry.mode == MODE_SUBMODULE:
            continue
        rows.append((path, entry))
        if len(rows) > MAX_LISTING:
            raise TooLargeError(f"this revision lists more than {MAX_LISTING:,} paths", limit=MAX_LISTING)
        if entry.is_tree:
            stack.extend((f"{path}/{child.name}", child) for child in reversed(list(trees[entry.oid].values())))
    return rows
