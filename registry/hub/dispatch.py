"""From an address to a handler: methods, CSRF for browsers, and errors as git-lfs reads them.

Views of this application are plain functions `(request, route) -> response`; a table names them by action and method.
Token-authenticated and anonymous calls need no CSRF token; a browser's session does (hub-api 9.7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from registry.errors import DeniedError, DomainError, NotFoundError
from registry.http import PrincipalRequest
from registry.http_errors import hub_response
from registry.hub.responses import LFS_TYPE, json_response
from registry.hub.routing import RepositoryRoute

RepositoryHandler = Callable[[PrincipalRequest, RepositoryRoute], HttpResponse]
Handler = Callable[[PrincipalRequest], HttpResponse]
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check with the reason as its result instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        del request
        raise DeniedError(f"CSRF check failed: {reason} Reload the page and try again")


def _pass(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse()


def call(methods: Mapping[str, RepositoryHandler], request: HttpRequest, route: RepositoryRoute) -> HttpResponse:
    """Calls the handler of the request's method; 405 with `Allow` if there is none."""
    handler = methods.get("GET" if request.method == "HEAD" else cast("str", request.method))
    if handler is None:
        return not_allowed(methods)
    check_csrf(request)
    return handler(cast("PrincipalRequest", request), route)


def methods(**handlers: Handler) -> Callable[[HttpRequest], HttpResponse]:
    """Returns a view that calls the handler of the request's method, for addresses without a repository."""

    def view(request: HttpRequest) -> HttpResponse:
        handler = handlers.get("GET" if request.method == "HEAD" else cast("str", request.method))
        if handler is None:
            return not_allowed(handlers)
        check_csrf(request)
        return handler(cast("PrincipalRequest", request))

    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view


def not_allowed(allowed: Mapping[str, object]) -> HttpResponse:
    """Returns 405 naming the methods that the address has."""
    names = sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])})
    message = f"this address only has {', '.join(names)}"
    return json_response({"error": message}, 405, {"Allow": ", ".join(names), "X-Error-Message": message})


def check_csrf(request: HttpRequest) -> None:
    """Refuses a write that a browser's session makes without a CSRF token.

    Raises:
        DeniedError: the token is missing or wrong.
    """
    if request.method in _SAFE:
        return
    principal = cast("PrincipalRequest", request).principal
    if principal.is_authenticated and principal.token_id is None:
        check = _CsrfCheck(_pass)
        check.process_request(request)
        check.process_view(request, _pass, (), {})


def lfs_errors(handler: RepositoryHandler) -> RepositoryHandler:
    """Renders errors so that git-lfs reads them too: `message`, its media type, `LFS-Authenticate` (hub-api 3.2)."""

    def view(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
        try:
            return handler(request, route)
        except DomainError as error:
            response = hub_response(error, anonymous=not request.principal.is_authenticated)
            response.content = json.dumps({"message": error.message, "error": error.message}).encode()
            response["Content-Type"] = LFS_TYPE
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                response["LFS-Authenticate"] = response["WWW-Authenticate"] = 'Basic realm="Weighbridge"'
            return response

    return view


def unknown_address(request: HttpRequest) -> HttpResponse:
    """Answers any other `/api/…` path with a JSON 404, since clients parse error bodies (hub-api 9.15)."""
    raise NotFoundError(f"there is no `{request.path}` in this API")


unknown_address.csrf_exempt = True  # type: ignore[attr-defined]
