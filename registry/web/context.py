"""Template context that every page needs."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from registry.accounts.models import Purpose
from registry.accounts.principal import ANONYMOUS
from registry.web import preferences
from registry.web.middleware import csp_nonce


def site(request: HttpRequest) -> dict[str, object]:
    """Returns what the base template reads.

    The nonce is lazy, so that only pages with a script tag put one into their policy.
    """
    principal = getattr(request, "principal", ANONYMOUS)
    purpose = preferences.purpose_of(request) if hasattr(request, "principal") else ""  # type: ignore[arg-type]
    return {
        "principal": principal,
        "public_url": settings.PUBLIC_URL,
        "public_host": urlsplit(settings.PUBLIC_URL).netloc,
        "csp_nonce": SimpleLazyObject(lambda: csp_nonce(request)),
        "theme": preferences.theme_of(request),
        "themes": (("", "System"), ("light", "Light"), ("dark", "Dark")),
        "purposes": Purpose.choices,
        "purpose": purpose,
        "purpose_label": Purpose(purpose).label if purpose else "",
        "sign_up_open": settings.SIGN_UP_OPEN,
    }
