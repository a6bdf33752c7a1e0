"""Files of a repository at a revision: folders, single files, history, and what one commit changed."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.access.services import require
from registry.catalogue.cards import parse_card
from registry.http import PrincipalRequest
from registry.repositories import selectors, trees
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.paths import parse_path
from registry.web import blobs, markdown
from registry.web.repository_page import RepositoryPage, open_page

_MAX_CHANGES = 500
_MAX_REVISION_PARTS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A revision as it was asked for, the commit it means, and a path below it."""

    revision: str
    oid: str
    path: str

    @property
    def quoted(self) -> str:
        """The revision as one segment of an address."""
        return quote(self.revision, safe="")

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """(name, path) of each folder down to the last part."""
        parts = self.path.split("/") if self.path else []
        return [(part, "/".join(parts[: index + 1])) for index, part in enumerate(parts)]

    @property
    def parent(self) -> str:
        """Path of the folder that holds this place."""
        return self.path.rpartition("/")[0]


def _place(page: RepositoryPage, rest: str) -> Place:
    """Splits `revision/path`: the shortest revision that exists wins, for branch names may hold slashes."""
    parts = rest.strip("/").split("/")
    for length in range(1, min(len(parts), _MAX_REVISION_PARTS) + 1):
        revision = "/".join(parts[:length])
        try:
            oid = selectors.revision_resolve(page.repository, revision)
        except RevisionNotFoundError:
            continue
        path = "/".join(parts[length:])
        return Place(revision, oid, parse_path(path) if path else "")
    raise RevisionNotFoundError(f"there is no branch, tag or commit `{parts[0][:100]}` here")


@require_safe
def tree(request: PrincipalRequest, type: str, owner: str, name: str, rest: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows a folder: names, sizes, and the last commit that touched each entry."""
    page = open_page(request, type, owner, name, tab="files")
    place = _place(page, rest)
    entries = sorted(
        trees.list_directory(place.oid, place.path), key=lambda entry: (entry.kind != "directory", entry.name)
    )
    touched = selectors.last_commits(page.repository, place.oid, entries)
    rows = [(entry, touched.get(entry.path)) for entry in entries]
    context = page.context(
        place=place,
        rows=rows,
        refs=selectors.refs(page.repository),
        latest=selectors.commit_get(page.repository, place.oid),
        total=sum(entry.size for entry in entries),
    )
    return render(request, "web/tree.html", context)


@require_safe
def blob(request: PrincipalRequest, type: str, owner: str, name: str, rest: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows a file, if the gate lets the viewer have it; a refusal is answered with its page."""
    page = open_page(request, type, owner, name, tab="files")
    place = _place(page, rest)
    entry = trees.entry_get(place.oid, place.path)
    if entry.kind == "directory":
        return tree(request, type, owner, name, rest)
    require(
        principal=request.principal,
        action="download",
        repository=page.repository,
        commit=place.oid,
        paths=(place.path,),
    )
    shown = blobs.shown(entry, plain="plain" in request.GET)
    html = markdown.render(parse_card(shown.text).body, _base(page, place)) if shown.kind == "document" else ""
    touched = selectors.last_commits(page.repository, place.oid, [entry]).get(entry.path)
    context = page.context(
        place=place, entry=entry, shown=shown, html=html, touched=touched, lines=shown.text.count("\n") + 1
    )
    return render(request, "web/blob.html", context)


def _base(page: RepositoryPage, place: Place) -> markdown.Base:
    return markdown.Base(f"{page.url}/blob/{place.quoted}", f"{page.url}/resolve/{place.quoted}", place.parent)


@require_safe
def commits(request: PrincipalRequest, type: str, owner: str, name: str, revision: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Lists the history behind a revision, newest first."""
    page = open_page(request, type, owner, name, tab="files")
    place = Place(revision, selectors.revision_resolve(page.repository, revision), "")
    history = selectors.commits(page.repository, place.oid, after=request.GET.get("after") or None, limit=30)
    context = page.context(place=place, history=history, refs=selectors.refs(page.repository))
    return render(request, "web/commits.html", context)


@dataclass(frozen=True, slots=True)
class Change:
    """One file that a commit added, changed or removed; sizes in bytes."""

    path: str
    kind: str
    size: int | None
    size_before: int | None


def changes_between(before: tuple[trees.Entry, ...], after: tuple[trees.Entry, ...]) -> list[Change]:
    """Compares two listings by content id; a renamed file shows as removed and added."""
    old = {entry.path: entry for entry in before if entry.kind == "file"}
    new = {entry.path: entry for entry in after if entry.kind == "file"}
    changes = [Change(path, "removed", None, old[path].size) for path in old.keys() - new.keys()]
    for path, entry in new.items():
        if path not in old:
            changes.append(Change(path, "added", entry.size, None))
        elif old[path].oid != entry.oid:
            changes.append(Change(path, "changed", entry.size, old[path].size))
    return sorted(changes, key=lambda change: change.path)


@require_safe
def commit(request: PrincipalRequest, type: str, owner: str, name: str, oid: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows what a commit says and which files it changed against its first parent."""
    page = open_page(request, type, owner, name, tab="files")
    info = selectors.commit_get(page.repository, selectors.revision_resolve(page.repository, oid))
    before = trees.list_recursive(info.parents[0]) if info.parents else ()
    changes = changes_between(before, trees.list_recursive(info.oid))
    context = page.context(info=info, changes=changes[:_MAX_CHANGES], more=max(0, len(changes) - _MAX_CHANGES))
    return render(request, "web/commit.html", context)
