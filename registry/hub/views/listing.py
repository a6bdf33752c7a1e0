"""Lists of repositories and of their tags (hub-api 1.8, 1.9)."""

from __future__ import annotations

from django.http import HttpResponse

from registry.catalogue import selectors as catalogue
from registry.catalogue.selectors import Filters
from registry.http import PrincipalRequest
from registry.hub.payloads import listed_properties, repository_payload
from registry.hub.queries import query_bool, query_int, query_list, query_text
from registry.hub.responses import json_response, page_response
from registry.hub.views.repositories import subject_of

PAGE = 1000
# Naming every file of a repository costs a read of its whole tree, so such pages are shorter.
PAGE_WITH_FILES = 100
# Parameters that narrow a search by what this hub does not have: with one of them nothing matches.
_UNKNOWN_HERE = ("apps", "inference", "inference_provider")


def models(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/models`."""
    return _listing(request, "model")


def datasets(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/datasets`."""
    return _listing(request, "dataset")


def spaces(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/spaces`; `models`, `datasets` and `linked` match the ids that a space's card names."""
    return _listing(request, "space")


def _listing(request: PrincipalRequest, kind: str) -> HttpResponse:
    flags = {name: bool(query_bool(request, name)) for name in ("full", "cardData", "config")}
    wanted = listed_properties(kind, query_list(request, "expand"), flags)
    maximum = PAGE_WITH_FILES if "siblings" in wanted else PAGE
    limit = query_int(request, "limit", maximum, maximum=maximum)
    if any(query_list(request, name) for name in _UNKNOWN_HERE):
        return json_response([])
    page = catalogue.repository_search(
        request.principal,
        type=kind,
        sort=query_text(request, "sort") or None,
        cursor=query_text(request, "cursor") or None,
        limit=limit,
        **_filters(request, kind),
    )
    items = [repository_payload(subject_of(item, item.profile.head_oid), wanted) for item in page.items]
    return page_response(request, items, page.next_cursor)


def _filters(request: PrincipalRequest, kind: str) -> Filters:
    tags = query_list(request, "filter")
    if kind == "space":
        # The tags that `registry.catalogue.tags` gives to a space for the repositories its card names.
        tags += [f"models:{name}" for name in query_list(request, "models")]
        tags += [f"datasets:{name}" for name in query_list(request, "datasets")]
        tags += ["linked:any"] if query_bool(request, "linked") else []
    filters: Filters = {
        "search": query_list(request, "search"),
        "author": query_text(request, "author"),
        "filters": [part for tag in tags for part in tag.split(",") if part],
        "gated": query_bool(request, "gated"),
    }
    if kind == "model":
        filters["pipeline_tag"] = query_text(request, "pipeline_tag")
        filters["parameters"] = query_text(request, "num_parameters") or None
    return filters


def model_tags(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/models-tags-by-type`."""
    del request
    return json_response(catalogue.tags_by_type("model"))


def dataset_tags(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/datasets-tags-by-type`."""
    del request
    return json_response(catalogue.tags_by_type("dataset"))
