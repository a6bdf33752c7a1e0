"""REST framework authentication: the principal that the middleware found."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from registry.accounts.principal import Principal
from registry.http import PrincipalRequest


class PrincipalAuthentication(BaseAuthentication):
    """Hands `request.principal` to REST framework as `request.user`.

    REST framework's views are exempt from Django's CSRF check, so a session's unsafe requests are checked here.
    """

    def authenticate(self, request: Request) -> tuple[Principal, int | None] | None:
        """Returns the principal and the token's id; None for an anonymous caller.

        Raises:
            PermissionDenied: a session without a good CSRF token.
        """
        django_request = cast("PrincipalRequest", request._request)  # noqa: SLF001 (REST framework has no public name)
        principal = django_request.principal
        if not principal.is_authenticated:
            return None
        if principal.token_id is None:
            _enforce_csrf(django_request)
        return principal, principal.token_id

    def authenticate_header(self, request: Request) -> str:
        """Returns the challenge that turns "not signed in" into 401."""
        del request
        return 'Bearer realm="Weighbridge"'


def _enforce_csrf(request: HttpRequest) -> None:
    check = CSRFCheck(_no_response)
    check.process_request(request)
    reason = check.process_view(request, _no_response, (), {})
    if reason:
        raise PermissionDenied(f"CSRF: {reason}")


def _no_response(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse()


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Documents both ways in for OpenAPI."""

    target_class = "registry.api.authentication.PrincipalAuthentication"
    name = ["accessToken", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """Returns the security schemes: an access token, or the session cookie of the pages."""
        del auto_schema
        return [
            {"type": "http", "scheme": "bearer", "description": "An access token (`/settings/tokens`)"},
            {"type": "apiKey", "in": "cookie", "name": "weighbridge_session"},
        ]
