"""Template context that every page needs."""

from __future__ import annotations

from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Returns what the base template reads."""
    del request
    return {}
