"""Small shapes that every HTTP application shares: the typed request, header-safe text, dates, JSON."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from registry.accounts.principal import Principal


_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class PrincipalRequest(HttpRequest):
    """A request after `PrincipalMiddleware`: `principal` is always set."""

    principal: Principal


def header_text(text: str) -> str:
    """Returns text that is safe as a header value: one line, latin-1, at most 2,000 characters (hub-api 9.9)."""
    line = _CONTROLS.sub("?", " ".join(text.split()))
    return line.encode("latin-1", "replace").decode("latin-1")[:2000]


def json_parse(data: bytes | str) -> Any:
    """Returns the JSON value in a request; what no database or answer can carry is refused.

    That is a number that is not finite (`NaN`, `1e999`), and half of a surrogate pair (RFC 8259, 6 and 8.2).

    Raises:
        ValueError: not JSON in UTF-8, or a value as above.
        RecursionError: nested too deep.
    """
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    value = json.loads(text, parse_constant=_finite, parse_float=_finite)
    if _SURROGATE.search(text):  # most bodies have none, and are spared the second look
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a text holds half of a surrogate pair") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"`{text[:40]}` is no JSON number")
    return number


def iso_z(moment: datetime) -> str:
    """Formats a moment as the clients parse it: UTC, milliseconds, ending in the letter Z (hub-api 0.3)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
