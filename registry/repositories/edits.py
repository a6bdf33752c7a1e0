"""Edits of a tree: operations of one commit in, the new tree objects out (hub-api 2.7). Pure; trees come from a loader.

Operations apply in order and the last on a path wins. A file where a folder stands (or the reverse) is refused unless
the same commit deletes what is in the way, wherever in the commit that deletion stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.repositories.errors import CommitConflictError, EntryNotFoundError
from registry.repositories.gitobjects import EMPTY_TREE, MODE_FILE, MODE_TREE, NewObject, TreeEntry, make_tree

LoadTrees = Callable[[Collection[str]], Mapping[str, Mapping[str, TreeEntry]]]


@dataclass(frozen=True, slots=True)
class Put:
    """Place a blob at a path; an executable that stood there stays executable."""

    path: str
    oid: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file or a folder; with `folder_only` a file there does not count."""

    path: str
    folder_only: bool = False


Edit = Put | Remove


@dataclass(slots=True)
class _Leaf:
    mode: int
    oid: str


@dataclass(slots=True)
class _Folder:
    """A folder being edited: `children` is None until its tree object has been read."""

    oid: str | None
    children: dict[str, _Leaf | _Folder] | None = None
    dirty: bool = field(default=False)


class TreeEditor:
    """One tree, opened for edits.

    Args:
        root: id of the tree to start from.
        load: returns parsed trees for ids; called once for each level of missing folders, never for known ones.
    """

    def __init__(self, root: str, load: LoadTrees) -> None:
        self._load = load
        self._root = _Folder(root)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Reads the folders on the way to these paths, one batch for each level."""
        level: dict[tuple[str, ...], _Folder] = {("",): self._root}
        wanted = {("", *path.split("/")[:-1]) for path in paths}
        while level:
            self._open(level.values())
            below: dict[tuple[str, ...], _Folder] = {}
            for place, folder in level.items():
                depth = len(place)
                for name in {path[depth] for path in wanted if len(path) > depth and path[:depth] == place}:
                    child = (folder.children or {}).get(name)
                    if isinstance(child, _Folder):
                        below[(*place, name)] = child
            level = below

    def apply(self, edits: Sequence[Edit]) -> None:
        """Applies the edits in order.

        Raises:
            EntryNotFoundError: a deletion names nothing.
            CommitConflictError: a file and a folder claim one path.
        """
        put_later = _later_puts(edits)
        for index, edit in enumerate(edits):
            if isinstance(edit, Put):
                self._put(edit.path.split("/"), edit.oid)
            elif not self._remove(edit) and put_later.get(edit.path, -1) < index:
                raise EntryNotFoundError(f"A file with this name doesn't exist: `{edit.path}`", path=edit.path)

    def write(self) -> tuple[str, list[NewObject]]:
        """Returns the id of the root tree, and every tree object that the edits made new."""
        made: list[NewObject] = []
        oid = _write(self._root, made)
        if oid is None:
            made.append(make_tree(()))
            oid = EMPTY_TREE
        return oid, made

    def find(self, path: str) -> str | None:
        """Returns the id of the blob at the path as it stands now, if a file is there."""
        folder = self._root
        *parents, name = path.split("/")
        for part in parents:
            child = self._children(folder).get(part)
            if not isinstance(child, _Folder):
                return None
            folder = child
        leaf = self._children(folder).get(name)
        return leaf.oid if isinstance(leaf, _Leaf) else None

    def _open(self, folders: Iterable[_Folder]) -> None:
        missing = [folder for folder in folders if folder.children is None]
        if not missing:
            return
        trees = self._load({folder.oid for folder in missing if folder.oid is not None})
        for folder in missing:
            folder.children = {
                entry.name: _Folder(entry.oid) if entry.is_tree else _Leaf(entry.mode, entry.oid)
                for entry in trees[folder.oid or EMPTY_TREE].values()
            }

    def _children(self, folder: _Folder) -> dict[str, _Leaf | _Folder]:
        if folder.children is None:
            self._open([folder])
        assert folder.children is not None  # noqa: S101 (opened just above)
        return folder.children

    def _put(self, parts: list[str], oid: str) -> None:
        folder = self._root
        trail = [folder]
        for depth, part in enumerate(parts[:-1], start=1):
            children = self._children(folder)
            child = children.setdefault(part, _Folder(None, {}))
            if isinstance(child, _Leaf):
                raise _conflict("/".join(parts), "/".join(parts[:depth]), "file")
            folder = child
            trail.append(folder)
        children = self._children(folder)
        there = children.get(parts[-1])
        if isinstance(there, _Folder):
            raise _conflict("/".join(parts), "/".join(parts), "folder")
        if there is not None and there.oid == oid:
            return
        children[parts[-1]] = _Leaf(there.mode if there is not None else MODE_FILE, oid)
        for passed in trail:
            passed.dirty = True

    def _remove(self, edit: Remove) -> bool:
        folder = self._root
        trail = [folder]
        *parents, name = edit.path.split("/")
        for part in parents:
            child = self._children(folder).get(part)
            if not isinstance(child, _Folder):
                return False
            folder = child
            trail.append(folder)
        there = self._children(folder).get(name)
        if there is None or (edit.folder_only and not isinstance(there, _Folder)):
            return False
        del self._children(folder)[name]
        self._prune(trail, parents)
        return True

    def _prune(self, trail: list[_Folder], names: list[str]) -> None:
        """Marks the way as changed, and drops folders that became empty: git has no empty folders."""
        for folder in trail:
            folder.dirty = True
        for index in range(len(trail) - 1, 0, -1):
            if trail[index].children:
                return
            del self._children(trail[index - 1])[names[index - 1]]


def _later_puts(edits: Sequence[Edit]) -> dict[str, int]:
    """Returns the last position at which each path is put: a deletion before it needs no file to delete."""
    return {edit.path: index for index, edit in enumerate(edits) if isinstance(edit, Put)}


def _conflict(path: str, blocker: str, kind: str) -> CommitConflictError:
    return CommitConflictError(
        f"`{path}` cannot be written: `{blocker}` is a {kind}; delete it in the same commit to replace it",
        path=path,
        blocker=blocker,
    )


def _write(folder: _Folder, made: list[NewObject]) -> str | None:
    if not folder.dirty and folder.oid is not None:
        return folder.oid
    entries: list[TreeEntry] = []
    for name, child in (folder.children or {}).items():
        if isinstance(child, _Leaf):
            entries.append(TreeEntry(name, child.mode, child.oid))
            continue
        oid = _write(child, made)
        if oid is not None:
            entries.append(TreeEntry(name, MODE_TREE, oid))
    if not entries:
        return None
    tree = make_tree(entries)
    made.append(tree)
    return tree.oid


def edit_tree(root: str, edits: Sequence[Edit], load: LoadTrees) -> TreeEditor:
    """Applies the edits to a tree and returns the editor, ready to `write`.

    On a conflict the edits are tried once more with the deletions first: that is how "unless the blocker is deleted in
    the same commit" reads when the deletion stands after the addition (clients give operations in any order).
    """
    try:
        return _edited(root, edits, load)
    except CommitConflictError as conflict:
        try:
            return _edited(root, list(_deletions_first(edits)), load)
        except (CommitConflictError, EntryNotFoundError):
            raise conflict from None


def _edited(root: str, edits: Sequence[Edit], load: LoadTrees) -> TreeEditor:
    editor = TreeEditor(root, load)
    editor.prefetch(edit.path for edit in edits)
    editor.apply(edits)
    return editor


def _deletions_first(edits: Sequence[Edit]) -> Iterator[Edit]:
    yield from (edit for edit in edits if isinstance(edit, Remove))
    yield from (edit for edit in edits if isinstance(edit, Put))
