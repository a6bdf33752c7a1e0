"""Query parameters as the clients spell them: repeated, with or without `[]`, lower-case truth values (hub-api 0.3)."""

from __future__ import annotations

from django.http import HttpRequest

from registry.errors import InvalidError
from registry.hub.bodies import bool_value

MAX_TEXT = 500


def query_list(request: HttpRequest, name: str) -> list[str]:
    """Returns every value of a repeatable parameter, `name=a&name=b` or `name[]=a`, without blanks.

    Raises:
        InvalidError: a value is too long or holds a NUL character (which PostgreSQL refuses).
    """
    values = [value for value in (*request.GET.getlist(name), *request.GET.getlist(f"{name}[]")) if value]
    for value in values:
        if len(value) > MAX_TEXT:
            raise InvalidError(f"`{name}` has {len(value)} characters; at most {MAX_TEXT} are allowed", field=name)
        if "\0" in value:
            raise InvalidError(f"`{name}` holds a NUL character", field=name)
    return values


def query_text(request: HttpRequest, name: str, default: str = "") -> str:
    """Returns the last value of a parameter."""
    values = query_list(request, name)
    return values[-1] if values else default


def query_bool(request: HttpRequest, name: str) -> bool | None:
    """Returns a truth value, or None if the parameter is absent."""
    value = request.GET.get(name)
    return None if value is None else bool_value(value, name)


def query_int(request: HttpRequest, name: str, default: int, *, maximum: int) -> int:
    """Returns a whole number between 1 and `maximum`; a larger one is capped (hub-api 0.5).

    Raises:
        InvalidError: not a positive whole number.
    """
    text = request.GET.get(name)
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:  # noqa: PLR2004 (digits)
        raise InvalidError(f"`{name}` must be a whole number of at least 1", field=name)
    return min(int(text), maximum)
