"""Small shapes that every HTTP application shares: the typed request, header-safe text, dates, JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from registry.accounts.principal import Principal


class PrincipalRequest(HttpRequest):
    """A request after `PrincipalMiddleware`: `principal` is always set."""

    principal: Principal


def header_text(text: str) -> str:
    """Returns text that is safe as a header value: one line, latin-1, at most 2,000 characters (hub-api 9.9)."""
    return " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")[:2000]


def iso_z(moment: datetime) -> str:
    """Formats a moment as the clients parse it: UTC, milliseconds, ending in the letter Z (hub-api 0.3)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
