"""Routes of the Hugging Face-compatible API.

Django's patterns see decoded paths, so they only say which family an address belongs to; `routing` then reads the raw
path. What can be an address of a page is left alone: only `resolve`, `raw`, `info/lfs` and `ask-access` are ours.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from registry.errors import NotFoundError
from registry.hub import dispatch, routing
from registry.hub.dispatch import RepositoryHandler, methods
from registry.hub.views import (
    access,
    account,
    files,
    history,
    lfs,
    listing,
    manage,
    repositories,
    safetensors,
    trees,
    uploads,
)

app_name = "hub"

API: dict[str, dict[str, RepositoryHandler]] = {
    "": {"GET": repositories.info},
    "revision": {"GET": repositories.info},
    "tree": {"GET": trees.tree},
    "paths-info": {"POST": trees.paths_info},
    "refs": {"GET": history.refs},
    "commits": {"GET": history.commits},
    "branch": {"POST": history.branch_create, "DELETE": history.branch_delete},
    "tag": {"POST": history.tag_create, "DELETE": history.tag_delete},
    "settings": {"PUT": manage.settings},
    "preupload": {"POST": uploads.preupload},
    "commit": {"POST": uploads.commit},
    "auth-check": {"GET": access.auth_check},
    "user-access-request": {"GET": access.requests_list, "POST": access.requests_change},
    "safetensors-metadata": {"GET": safetensors.metadata},
    "xet-read-token": {"GET": account.no_xet},
    "xet-write-token": {"GET": account.no_xet},
    "discussions": {"GET": account.no_discussions, "POST": account.no_discussions},
}
WEB: dict[str, dict[str, RepositoryHandler]] = {
    "resolve": {"GET": files.resolve},
    "raw": {"GET": files.raw},
    "ask-access": {"POST": access.ask_access},
}
_API_ACTIONS = frozenset(API) - {""}
_WEB_ACTIONS = frozenset(WEB)


def repository_api(request: HttpRequest) -> HttpResponse:
    """Answers everything under `/api/{T}/{id}`."""
    route = routing.split_api(routing.raw_segments(request.META, request.path_info), _API_ACTIONS)
    if route is None:
        return dispatch.unknown_address(request)
    return dispatch.call(API[route.action], request, route)


def repository_web(request: HttpRequest) -> HttpResponse:
    """Answers downloads and access requests at a repository's own address."""
    route = routing.split_web(routing.raw_segments(request.META, request.path_info), _WEB_ACTIONS)
    if route is None:
        raise NotFoundError("there is nothing at this address")
    return dispatch.call(WEB[route.action], request, route)


def repository_lfs(request: HttpRequest) -> HttpResponse:
    """Answers Git LFS."""
    route = routing.split_lfs(routing.raw_segments(request.META, request.path_info))
    if route is None or route.action not in lfs.ACTIONS:
        return dispatch.unknown_address(request)
    return dispatch.call(lfs.ACTIONS[route.action], request, route)


for _view in (repository_api, repository_web, repository_lfs):
    _view.csrf_exempt = True  # type: ignore[attr-defined]  # `dispatch.check_csrf` does it, for sessions alone

_ID = r"(?:(?:datasets|spaces)/)?[^/]+(?:/[^/]+)?"

urlpatterns = [
    re_path(rf"^{_ID}/(?:resolve|raw)/", repository_web),
    re_path(r"^api/(?:models|datasets|spaces)/.", repository_api),
    path("api/models", methods(GET=listing.models)),
    path("api/datasets", methods(GET=listing.datasets)),
    path("api/spaces", methods(GET=listing.spaces)),
    path("api/whoami-v2", methods(GET=account.whoami)),
    path("api/repos/create", methods(POST=manage.create)),
    path("api/repos/delete", methods(DELETE=manage.delete)),
    path("api/validate-yaml", methods(POST=manage.validate_yaml)),
    path("api/models-tags-by-type", methods(GET=listing.model_tags)),
    path("api/datasets-tags-by-type", methods(GET=listing.dataset_tags)),
    re_path(r"^api/telemetry/", methods(GET=account.nothing, POST=account.nothing)),
    re_path(rf"^{_ID}/info/lfs/", repository_lfs),
    re_path(rf"^{_ID}/ask-access$", repository_web),
    re_path(r"^api/", dispatch.unknown_address),
]
