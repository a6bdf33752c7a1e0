"""Content-Security-Policy of pages: nothing is loaded, framed or posted elsewhere.

Only HTML answers get the header, so the API routes pay one look at a content type. HTML that a hub route returns is
somebody's upload: it may do nothing at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_HEADER = "Content-Security-Policy"
_UPLOADED = "default-src 'none'; sandbox; frame-ancestors 'none'"


def csp_nonce(request: HttpRequest) -> str:
    """Returns this request's nonce; the policy names it only if a template asked for it."""
    nonce: str | None = getattr(request, "_csp_nonce", None)
    if nonce is None:
        nonce = secrets.token_urlsafe(16)
        request._csp_nonce = nonce  # type: ignore[attr-defined]  # noqa: SLF001 (our own attribute, on a request)
    return nonce


@cache
def _policy(object_url: str, *, admin: bool) -> str:
    # The admin panel's Alpine evaluates expressions and sets inline styles; its pages are for staff alone.
    script = "'self' 'unsafe-inline' 'unsafe-eval'" if admin else "'self'{nonce}"
    style = "'self' 'unsafe-inline'" if admin else "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {script}",
            f"style-src {style}",
            f"img-src 'self' data: {object_url}",
            "font-src 'self'",
            f"connect-src 'self' {object_url}",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def policy_for(request: HttpRequest) -> str:
    """Returns the policy of an HTML answer to this request."""
    match = request.resolver_match
    if match is not None and match.namespaces and match.namespaces[0] == "hub" and not _is_page(request):
        return _UPLOADED
    if request.path_info.startswith("/admin/"):
        return _policy(settings.OBJECT_URL, admin=True)
    nonce = getattr(request, "_csp_nonce", None)
    return _policy(settings.OBJECT_URL, admin=False).format(nonce=f" 'nonce-{nonce}'" if nonce else "")


def _is_page(request: HttpRequest) -> bool:
    """True if one of our templates was rendered (it asked for a nonce), for example the page of a refusal."""
    return hasattr(request, "_csp_nonce")


class ContentSecurityPolicyMiddleware:
    """Sends the policy with each HTML answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Adds the header on the way out."""
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html") and _HEADER not in response:
            response[_HEADER] = policy_for(request)
        return response
