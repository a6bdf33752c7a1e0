"""What a visitor set for these pages alone: theme and purpose, each a cookie with one word of a closed list."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse

from registry.accounts.models import Purpose
from registry.http import PrincipalRequest

THEME_COOKIE: Final = "weighbridge_theme"
PURPOSE_COOKIE: Final = "weighbridge_purpose"
THEMES: Final = ("light", "dark")
_YEAR_SECONDS: Final = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """Returns `light`, `dark`, or empty to follow the system."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


def purpose_of(request: PrincipalRequest) -> str:
    """Returns the purpose that a page weighs for: the address first, then the cookie, then the profile's default."""
    if "purpose" in request.GET:
        return known_purpose(request.GET["purpose"])
    chosen = known_purpose(request.COOKIES.get(PURPOSE_COOKIE, ""))
    principal = request.principal
    return chosen or principal.purpose or principal.default_purpose


def known_purpose(text: str) -> str:
    """Returns the purpose if it is one, else empty."""
    return text if text in Purpose.values else ""


def cookie_set(response: HttpResponse, name: str, value: str) -> None:
    """Keeps a preference for a year; an empty value forgets it."""
    if value:
        response.set_cookie(name, value, max_age=_YEAR_SECONDS, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(name, samesite="Lax")
