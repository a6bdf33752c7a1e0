"""Answers: JSON, pages of a list with their `Link` header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils.encoding import iri_to_uri

from registry.repositories.models import Repository

LFS_TYPE = "application/vnd.git-lfs+json"


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """Returns any JSON value, arrays included."""
    return JsonResponse(data, status=status, safe=False, headers=dict(headers or {}))


def endpoint_of(request: HttpRequest) -> str:
    """Returns scheme and host as the client sees them, for absolute addresses in answers (hub-api 9.10)."""
    return f"{request.scheme}://{request.get_host()}"


def repository_url(request: HttpRequest, repository: Repository) -> str:
    """Returns the repository's address as the clients parse it: `<endpoint>/{prefix}{id}`, in canonical case."""
    prefix = "" if repository.type == "model" else f"{repository.type}s/"
    return f"{endpoint_of(request)}/{prefix}{repository.full_name}"


def page_response(request: HttpRequest, items: list[Any], next_cursor: str | None) -> HttpResponse:
    """Returns one page of a list; `Link: …; rel="next"` is absent on the last page (hub-api 0.5).

    The URL keeps every query parameter of the request and uses the host that the client sees (hub-api 9.10).
    """
    response = json_response(items)
    if next_cursor:
        response["Link"] = f'<{next_url(request, next_cursor)}>; rel="next"'
    return response


def next_url(request: HttpRequest, cursor: str) -> str:
    """Returns the request's own absolute URL with `cursor` exchanged."""
    query: QueryDict = request.GET.copy()
    query["cursor"] = cursor
    raw = request.META.get("RAW_URI") or iri_to_uri(request.path)
    path = raw.partition("?")[0] if raw.startswith("/") else iri_to_uri(request.path)
    return f"{endpoint_of(request)}{path}?{query.urlencode()}"
