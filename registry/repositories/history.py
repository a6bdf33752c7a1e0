"""History: the commits behind a revision, and the last commit that touched each path (hub-api 1.3, 1.6)."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from registry.errors import BadRequestError
from registry.repositories.caches import WeightedCache
from registry.repositories.gitobjects import EMPTY_TREE, is_oid
from registry.repositories.models import Repository, RepositoryCommit
from registry.repositories.objects import load_trees
from registry.repositories.revisions import check_revision, revision_missing
from registry.repositories.trees import Entry

_MAX_CURSOR_HEADS = 100
_WINDOW = 200


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit as lists show it; `author` is a user name of this hub, or git's author name."""

    oid: str
    tree_oid: str
    parents: tuple[str, ...]
    depth: int
    title: str
    message: str
    author: str
    author_is_user: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class CommitPage:
    """Newest first; `next_cursor` is None on the last page."""

    items: list[CommitInfo]
    next_cursor: str | None


def _info(row: RepositoryCommit) -> CommitInfo:
    return CommitInfo(
        oid=row.oid,
        tree_oid=row.tree_oid,
        parents=tuple(row.parents),
        depth=row.depth,
        title=row.title,
        message=row.message,
        author=row.author.username if row.author else row.author_name,
        author_is_user=row.author is not None,
        at=row.committed_at,
    )


def commit_get(repository: Repository, oid: str) -> CommitInfo:
    """Returns one commit of the repository.

    Raises:
        RevisionNotFoundError: the repository has no such commit.
    """
    row = (
        RepositoryCommit.objects.filter(repository=repository, oid=check_revision(oid)).select_related("author").first()
    )
    if row is None:
        raise revision_missing(oid)
    return _info(row)


class _Walk:
    """Ancestors of some commits, children before parents: by depth, which sinks along every edge.

    Reads windows of depth in one query each, so a page of a straight history costs one or two queries.
    """

    def __init__(self, repository: Repository, heads: Collection[str], window: int) -> None:
        self._repository = repository
        self._window = window
        self._known: dict[str, CommitInfo] = {}
        self._floor: int | None = None
        self._queue: list[tuple[int, str]] = []
        self._seen: set[str] = set()
        for row in self._rows().filter(oid__in=heads):
            self._known[row.oid] = _info(row)
        for oid in heads:
            if oid in self._known:
                self._push(oid)

    def __iter__(self) -> Iterator[CommitInfo]:
        while self._queue:
            _, oid = heapq.heappop(self._queue)
            commit = self._known[oid]
            self._read_parents(commit)
            for parent in commit.parents:
                if parent in self._known:  # a parent outside the repository would be a shallow graft
                    self._push(parent)
            yield commit

    @property
    def frontier(self) -> list[str]:
        """What would come next: enough to go on later."""
        return [oid for _, oid in sorted(self._queue)]

    def _rows(self) -> QuerySet[RepositoryCommit]:
        return RepositoryCommit.objects.filter(repository=self._repository).select_related("author")

    def _push(self, oid: str) -> None:
        if oid not in self._seen:
            self._seen.add(oid)
            heapq.heappush(self._queue, (-self._known[oid].depth, oid))

    def _read_parents(self, commit: CommitInfo) -> None:
        if all(parent in self._known for parent in commit.parents):
            return
        if self._floor is None or commit.depth <= self._floor:
            self._floor = max(0, commit.depth - self._window)
            for row in self._rows().filter(depth__gte=self._floor, depth__lt=commit.depth):
                self._known.setdefault(row.oid, _info(row))
        missing = [parent for parent in commit.parents if parent not in self._known]
        for row in self._rows().filter(oid__in=missing) if missing else ():
            self._known[row.oid] = _info(row)


def commits(repository: Repository, oid: str, *, after: str | None = None, limit: int = 50) -> CommitPage:
    """Returns a page of the history behind a commit, newest first.

    Args:
        repository: whose commits; others are never shown.
        oid: where the history starts (from `revision_resolve`).
        after: `next_cursor` of the page before.
        limit: greatest number of commits.

    Raises:
        BadRequestError: the cursor is not one of ours.
    """
    heads = [oid] if after is None else after.split(".")
    if len(heads) > _MAX_CURSOR_HEADS or not all(is_oid(head) for head in heads):
        raise BadRequestError("the cursor is not valid: start again from the first page", field="cursor")
    walk = _Walk(repository, heads, limit + 1)
    items: list[CommitInfo] = []
    if limit > 0:
        for commit in walk:
            items.append(commit)
            if len(items) >= limit:
                break
    frontier = walk.frontier
    return CommitPage(items, ".".join(frontier[:_MAX_CURSOR_HEADS]) if frontier else None)


# (repository, commit, folder) -> entry name -> (entry id, commit that last changed it)
_Touched = Mapping[str, tuple[str, CommitInfo]]
_touched: WeightedCache[tuple[int, str, str], _Touched] = WeightedCache(50_000, lambda rows: 4 + len(rows))


def touched_clear() -> None:
    """Forgets which commits touched what."""
    _touched.clear()


def last_commits(repository: Repository, commit_oid: str, entries: Sequence[Entry]) -> dict[str, CommitInfo]:
    """Returns, by path, the newest commit that changed each entry; folders change when anything in them does.

    History is walked once for each folder, in windows; the result is cached, and a later head only walks to the
    nearest head whose result is known.
    """
    folders: dict[str, set[str]] = {}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    result: dict[str, CommitInfo] = {}
    for folder, names in folders.items():
        prefix = f"{folder}/" if folder else ""
        rows = _last_touch(repository, commit_oid, folder)
        result.update({prefix + name: rows[name][1] for name in names if name in rows})
    return result


def _last_touch(repository: Repository, commit_oid: str, folder: str) -> _Touched:
    key = (repository.pk, commit_oid, folder)
    cached = _touched.get(key)
    if cached is not None:
        return cached
    result = _walk_for_touch(repository, commit_oid, folder)
    _touched.put(key, result)
    return result


def _walk_for_touch(repository: Repository, commit_oid: str, folder: str) -> _Touched:
    walk = iter(_Walk(repository, [commit_oid], _WINDOW))
    pending: dict[str, str] | None = None
    done: dict[str, tuple[str, CommitInfo]] = {}
    # For a merge the first parent counts, as in `git log --first-parent`.
    expected = commit_oid
    chunk: list[CommitInfo] = []
    finished = False
    while not finished:
        chunk = _next_on_line(walk, expected, _WINDOW)
        if not chunk:
            break
        expected = chunk[-1].parents[0] if chunk[-1].parents else ""
        contents = _folder_contents([*(commit.tree_oid for commit in chunk)], folder)
        previous = _folder_contents([_tree_of(repository, expected)], folder)[0] if expected else {}
        for position, commit in enumerate(chunk):
            here = contents[position]
            before = contents[position + 1] if position + 1 < len(chunk) else previous
            pending = dict(here) if pending is None else pending
            known = _touched.get((repository.pk, commit.oid, folder))
            if known is not None:
                done.update(
                    {name: known[name] for name, oid in pending.items() if name in known and known[name][0] == oid}
                )
                pending = {name: oid for name, oid in pending.items() if name not in done}
            for name in [name for name, oid in pending.items() if before.get(name) != oid]:
                done[name] = (pending.pop(name), commit)
            if not pending:
                finished = True
                break
    return done


def _next_on_line(walk: Iterator[CommitInfo], expected: str, count: int) -> list[CommitInfo]:
    """Takes up to `count` commits of the first-parent line from a walk that also passes merged side lines."""
    line: list[CommitInfo] = []
    for commit in walk:
        if commit.oid == expected:
            line.append(commit)
            expected = commit.parents[0] if commit.parents else ""
            if len(line) >= count or not expected:
                break
    return line


def _tree_of(repository: Repository, oid: str) -> str:
    row = RepositoryCommit.objects.filter(repository=repository, oid=oid).values_list("tree_oid", flat=True).first()
    return row or EMPTY_TREE


def _folder_contents(roots: Sequence[str], folder: str) -> list[dict[str, str]]:
    """Returns name -> id of a folder in each of several root trees; one query for each level of the path."""
    places: list[str | None] = list(roots)
    for part in folder.split("/") if folder else ():
        trees = load_trees({oid for oid in places if oid is not None})
        for index, oid in enumerate(places):
            entry = trees[oid].get(part) if oid is not None else None
            places[index] = entry.oid if entry is not None and entry.is_tree else None
    trees = load_trees({oid for oid in places if oid is not None})
    return [{name: entry.oid for name, entry in trees[oid].items()} if oid is not None else {} for oid in places]
