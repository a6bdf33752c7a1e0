"""Refs and commits: listing them, making and deleting branches and tags (hub-api 1.5, 1.6, 5.1, 5.2)."""

from __future__ import annotations

from html import escape
from typing import Any

from django.http import HttpResponse

from registry.http import PrincipalRequest, iso_z
from registry.hub.bodies import json_object, optional_bool_field, optional_text_field, text_field
from registry.hub.queries import query_bool, query_int, query_list, query_text
from registry.hub.responses import json_response, page_response
from registry.hub.revisions import commit_and_rest
from registry.hub.routing import RepositoryRoute
from registry.repositories import selectors, services
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.history import CommitInfo
from registry.repositories.revisions import Reference

COMMITS_PER_PAGE = 50
MAX_COMMITS_PER_PAGE = 1000


def refs(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/{T}/{id}/refs`; all lists are always there, pull requests only if asked for."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="read")
    found = selectors.refs(repository)
    payload = {
        "branches": [_reference(item) for item in found.branches],
        "converts": [_reference(item) for item in found.converts],
        "tags": [_reference(item) for item in found.tags],
    }
    if query_bool(request, "include_prs"):
        payload["pullRequests"] = [_reference(item) for item in found.pull_requests]
    return json_response(payload)


def _reference(reference: Reference) -> dict[str, str]:
    return {"name": reference.name, "ref": reference.ref, "targetCommit": reference.target_commit}


def commits(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/{T}/{id}/commits/{rev}`: newest first, 50 a page."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="read")
    commit, rest = commit_and_rest(repository, route.rest)
    if rest:
        raise RevisionNotFoundError(f"Invalid rev id: {'/'.join(route.rest)[:200]}")
    page = selectors.commits(
        repository,
        commit,
        after=query_text(request, "cursor") or None,
        limit=query_int(request, "limit", COMMITS_PER_PAGE, maximum=MAX_COMMITS_PER_PAGE),
    )
    formatted = "formatted" in query_list(request, "expand")
    return page_response(request, [_commit(item, formatted=formatted) for item in page.items], page.next_cursor)


def _commit(commit: CommitInfo, *, formatted: bool) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author, "avatar": ""}],
        "date": iso_z(commit.at),
    }
    if formatted:
        payload["formatted"] = {"title": escape(commit.title), "message": escape(commit.message)}
    return payload


def branch_create(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /api/{T}/{id}/branch/{branch}`."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    body = json_object(request)
    services.branch_create(
        principal=request.principal,
        repository=repository,
        branch=_name(route),
        starting_point=optional_text_field(body, "startingPoint", limit=255),
        empty=optional_bool_field(body, "emptyBranch") or False,
        overwrite=optional_bool_field(body, "overwrite") or False,
    )
    return json_response({})


def branch_delete(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `DELETE /api/{T}/{id}/branch/{branch}`."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    services.branch_delete(principal=request.principal, repository=repository, branch=_name(route))
    return json_response({})


def tag_create(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /api/{T}/{id}/tag/{rev}`; an unknown revision is told before a bad tag name (hub-api 5.2)."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    revision = _name(route)
    selectors.revision_resolve(repository, revision)
    body = json_object(request)
    services.tag_create(
        principal=request.principal,
        repository=repository,
        tag=text_field(body, "tag", limit=255),
        revision=revision,
        message=text_field(body, "message", "", limit=100_000),
    )
    return json_response({})


def tag_delete(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `DELETE /api/{T}/{id}/tag/{tag}`."""
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    services.tag_delete(principal=request.principal, repository=repository, tag=_name(route))
    return json_response({})


def _name(route: RepositoryRoute) -> str:
    """Returns the branch, tag or revision that the address ends with; its slashes may be encoded or not."""
    return "/".join(route.rest)
