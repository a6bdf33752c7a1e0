"""Request bodies: read with a limit, whole or as a stream, and fields taken from JSON with a type.

Django gives an empty body to a request without `Content-Length`, so chunked bodies are read from `wsgi.input` where
the server says that it ends them (`wsgi.input_terminated`, hub-api 9.2).
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import parse_qsl

from django.http import HttpRequest

from registry.errors import BadRequestError, InvalidError, TooLargeError
from registry.http import json_parse

JSON_LIMIT = 10 * 1024 * 1024
_BLOCK = 64 * 1024
_TRUE = frozenset({"true", "1", "on", "yes"})
_FALSE = frozenset({"false", "0", "off", "no", ""})


class Readable(Protocol):
    """Anything with `read(size)`."""

    def read(self, size: int, /) -> bytes:
        """Returns up to `size` bytes; empty at the end."""


class BodyStream:
    """The request's body as it arrives; knows when it was cut off or exceeds a limit.

    Args:
        request: the request; its body must not have been touched.
        limit: bytes after which reading stops with an error.
    """

    def __init__(self, request: HttpRequest, limit: int) -> None:
        environ = request.META
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        self._source: Readable = environ["wsgi.input"] if chunked and environ.get("wsgi.input_terminated") else request
        self._announced = None if chunked else int(request.META.get("CONTENT_LENGTH") or 0)
        self._limit = limit
        self._received = 0
        if self._announced is not None and self._announced > limit:
            raise TooLargeError(f"the body has {self._announced} bytes; the limit here is {limit}", limit=limit)

    def read(self, size: int = _BLOCK, /) -> bytes:
        """Returns up to `size` bytes, empty at the end.

        Raises:
            BadRequestError: the client went away before the announced end.
            TooLargeError: more bytes than the limit.
        """
        try:
            block = self._source.read(size)
        except OSError as error:  # also Django's UnreadablePostError and gunicorn's errors of chunked bodies
            raise BadRequestError("the body ended early: send it again") from error
        self._received += len(block)
        if self._received > self._limit:
            raise TooLargeError(f"the body is longer than {self._limit} bytes", limit=self._limit)
        if not block and self._announced is not None and self._received < self._announced:
            raise BadRequestError(
                f"the body ended after {self._received} of {self._announced} bytes: send it again",
            )
        return block

    def read_all(self) -> bytes:
        """Returns the whole body."""
        parts = []
        while block := self.read():
            parts.append(block)
        return b"".join(parts)


def json_object(request: HttpRequest, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """Returns the JSON object in the body; an empty body is an empty object (the clients send none on some deletes).

    Raises:
        BadRequestError: not JSON, or JSON that is not an object.
        TooLargeError: longer than `limit`.
    """
    data = BodyStream(request, limit).read_all()
    if not data.strip():
        return {}
    try:
        value = json_parse(data)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if value is None:  # `json=None` of some calls
        return {}
    if not isinstance(value, dict):
        raise BadRequestError("the body must be a JSON object")
    return value


def form_or_json(request: HttpRequest) -> dict[str, Any]:
    """Returns the body of a route that takes both forms (paths-info, hub-api 1.4); form values are lists of text."""
    if request.content_type != "application/x-www-form-urlencoded":
        return json_object(request)
    fields: dict[str, Any] = {}
    try:
        text = BodyStream(request, JSON_LIMIT).read_all().decode("ascii")
        for key, value in parse_qsl(text, keep_blank_values=True, errors="strict"):
            fields.setdefault(key.removesuffix("[]"), []).append(value)
    except UnicodeDecodeError:
        raise BadRequestError("the form is not URL-encoded UTF-8") from None
    return fields


def text_field(body: dict[str, Any], key: str, default: str | None = None, *, limit: int = 1000) -> str:
    """Returns a text of the body; null counts as missing (hub-api 0.3).

    Raises:
        InvalidError: missing without a default, not text, longer than `limit` characters, or with control characters.
    """
    value = body.get(key)
    if value is None:
        value = default
    if value is None:
        raise InvalidError(f"`{key}` is required", field=key)
    if not isinstance(value, str):
        raise InvalidError(f"`{key}` must be text", field=key)
    if len(value) > limit:
        raise InvalidError(f"`{key}` has {len(value)} characters; at most {limit} are allowed", field=key)
    if "\0" in value:
        raise InvalidError(f"`{key}` holds a NUL character", field=key)
    return value


def optional_text_field(body: dict[str, Any], key: str, *, limit: int = 1000) -> str | None:
    """Returns a text of the body, or None if it is missing, null or empty."""
    return text_field(body, key, "", limit=limit) or None


def bool_value(value: Any, name: str) -> bool:
    """Reads a truth value as the clients spell it: `true`, `True`, `1`, `on` (hub-api 0.3).

    Raises:
        InvalidError: something else.
    """
    if isinstance(value, bool):
        return value
    text = str(value).lower() if isinstance(value, str | int) else None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidError(f"`{name}` must be true or false", field=name)


def optional_bool_field(body: dict[str, Any], key: str) -> bool | None:
    """Returns a truth value of the body, or None if it is missing or null."""
    value = body.get(key)
    return None if value is None else bool_value(value, key)
