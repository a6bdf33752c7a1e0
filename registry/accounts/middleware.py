"""Puts the typed identity on each request: from its `Authorization` header, else from the session.

This is the only place that looks at credentials. Signed-in pages (`/admin/`, `/accounts/`) know sessions alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from registry.accounts.credentials import Credentials, parse_authorization
from registry.accounts.errors import InvalidCredentialsError
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.selectors import principal_for_secret, principal_for_user
from registry.accounts.services import token_touch
from registry.http import PrincipalRequest
from registry.http_errors import error_response

_MACHINE_NAMESPACES = frozenset({"hub", "api"})
_SESSION_ONLY = ("/admin/", "/accounts/")
_TOUCH_SECONDS = 60


class PrincipalMiddleware:
    """Sets `request.principal`. Must stand before CSRF, which requests with a token of their own do not need."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Passes the request on; for addresses that match no route the session speaks, and only if somebody asks."""
        typed = cast("PrincipalRequest", request)
        typed.principal = cast("Principal", SimpleLazyObject(lambda: principal_for_user(request.user)))
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        """Settles the principal once the route is known; answers 401 if the credentials are not good."""
        del args, kwargs
        typed = cast("PrincipalRequest", request)
        if getattr(getattr(view, "cls", None), "own_credentials", False):
            # The worker protocol knows more of its tokens than whether they work: which of them are stale.
            typed.principal = ANONYMOUS
            return None
        try:
            credentials = _credentials_for_route(request)
            typed.principal = _from_session(request) if credentials is None else _from_token(request, credentials)
        except InvalidCredentialsError as error:
            typed.principal = Principal(token_problem=error.details["problem"])
            return error_response(request, error)
        if typed.principal.is_authenticated:
            structlog.contextvars.bind_contextvars(user=typed.principal.username)
        return None


def _credentials_for_route(request: HttpRequest) -> Credentials | None:
    """Returns the header's credentials where this route takes them.

    Pages take Bearer only: a browser repeats Basic by itself, also on a request that another site started, and a
    proxy in front may ask for a Basic password of its own.
    """
    header = request.headers.get("Authorization")
    if header is None or request.path_info.startswith(_SESSION_ONLY):
        return None
    if _is_machine_route(request):
        return parse_authorization(header)
    return parse_authorization(header) if header.lower().startswith("bearer ") else None


def _is_machine_route(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and bool(match.namespaces) and match.namespaces[0] in _MACHINE_NAMESPACES


def _from_session(request: HttpRequest) -> Principal:
    return replace(principal_for_user(request.user), client=client_of(request))


def _from_token(request: HttpRequest, credentials: Credentials) -> Principal:
    # A header is never sent by a browser on another site's behalf, so there is nothing for CSRF to protect.
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # noqa: SLF001 (Django's own switch)
    principal = principal_for_secret(credentials.secret)
    # An UPDATE takes SQLite's write lock even where no row matches, so most requests must not make one at all.
    if principal.token_id is not None and cache.add(f"token-touch:{principal.token_id}", 1, _TOUCH_SECONDS):
        token_touch(token_id=principal.token_id)
    return replace(principal, client=client_of(request))


def client_of(request: HttpRequest) -> str:
    """Returns an opaque name of the client: a keyed hash of its address and user agent, 32 hex digits.

    Anonymous downloads are counted once per client by it; the address itself is not kept. Behind a trusted proxy
    (`WEIGHBRIDGE_BEHIND_PROXY`) the address is the last one of `X-Forwarded-For`, which that proxy appended.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.USE_X_FORWARDED_HOST:
        address = request.headers.get("X-Forwarded-For", address).rpartition(",")[2].strip()
    message = f"{address}\0{request.headers.get('User-Agent', '')}".encode("utf-8", "surrogateescape")
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()[:32]
