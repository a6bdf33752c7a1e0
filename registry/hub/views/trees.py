"""Files of a revision: `tree` and `paths-info` (hub-api 1.3, 1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse

from registry.errors import InvalidError
from registry.http import PrincipalRequest
from registry.hub.bodies import bool_value, form_or_json
from registry.hub.payloads import entry_payload
from registry.hub.queries import query_bool, query_int, query_text
from registry.hub.responses import json_response, page_response
from registry.hub.revisions import commit_and_rest_read
from registry.hub.routing import RepositoryRoute
from registry.repositories import selectors, trees
from registry.repositories.models import Repository
from registry.repositories.reading import repository_read

PAGE = 1000
PAGE_EXPANDED = 100
MAX_PATHS = 5000


def tree(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/{T}/{id}/tree/{rev}[/{path}]`.

    The cursor holds the commit and a position, so that the pages of one listing agree although the branch may move.
    """
    reading = repository_read(request.principal, route.type, route.full_name)
    repository = reading.repository
    commit, rest = commit_and_rest_read(reading, route.rest)
    path = "/".join(rest).rstrip("/")
    start = 0
    cursor = query_text(request, "cursor")
    if cursor:
        pinned, _, position = cursor.partition(":")
        if not position.isascii() or not position.isdigit():
            raise InvalidError("`cursor` is not one that this hub gave out", field="cursor")
        commit, start = selectors.revision_resolve(repository, pinned), int(position[:9])
    expand = bool(query_bool(request, "expand"))
    limit = query_int(request, "limit", PAGE_EXPANDED if expand else PAGE, maximum=PAGE)
    if expand:
        limit = min(limit, PAGE_EXPANDED)
    entries = _entries(commit, path, recursive=bool(query_bool(request, "recursive")))
    page = entries[start : start + limit]
    following = f"{commit}:{start + limit}" if start + limit < len(entries) else None
    return page_response(request, _payloads(repository, commit, page, expand=expand), following)


def _entries(commit: str, path: str, *, recursive: bool) -> Sequence[trees.Entry]:
    return trees.list_recursive(commit, path) if recursive else trees.list_directory(commit, path)


def paths_info(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /api/{T}/{id}/paths-info/{rev}`: entries of the paths that exist; others are left out."""
    reading = repository_read(request.principal, route.type, route.full_name)
    repository = reading.repository
    commit, _ = commit_and_rest_read(reading, route.rest)
    body = form_or_json(request)
    paths = body.get("paths", [])
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise InvalidError("`paths` must be a list of paths", field="paths")
    if len(paths) > MAX_PATHS:
        raise InvalidError(f"`paths` has {len(paths)} items; at most {MAX_PATHS} are allowed", field="paths")
    expand = body.get("expand", False)
    expand = bool_value(expand[-1] if isinstance(expand, list) and expand else expand or False, "expand")
    entries = trees.entries_get(commit, list(dict.fromkeys(path.rstrip("/") for path in paths)))
    return json_response(_payloads(repository, commit, entries, expand=expand))


def _payloads(
    repository: Repository, commit: str, entries: Sequence[trees.Entry], *, expand: bool
) -> list[dict[str, Any]]:
    if not expand:
        return [entry_payload(entry) for entry in entries]
    changed = selectors.last_commits(repository, commit, entries)
    return [entry_payload(entry, changed.get(entry.path)) for entry in entries]
