"""Theme and purpose: a form of buttons, answered by going back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from registry.web.common import safe_next
from registry.web.preferences import PURPOSE_COOKIE, THEME_COOKIE, THEMES, cookie_set, known_purpose


@require_POST
def preferences_set(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen in cookies; an unknown word counts as none."""
    response = redirect(_without_purpose(safe_next(request)))
    if "theme" in request.POST:
        theme = request.POST["theme"]
        cookie_set(response, THEME_COOKIE, theme if theme in THEMES else "")
    if "purpose" in request.POST:
        cookie_set(response, PURPOSE_COOKIE, known_purpose(request.POST["purpose"]))
    return response


def _without_purpose(address: str) -> str:
    """Drops `purpose` from the address, which would win over the cookie."""
    path, _, query = address.partition("?")
    kept = "&".join(part for part in query.split("&") if part and not part.startswith("purpose="))
    return f"{path}?{kept}" if kept else path
