"""Request-wide middleware: the request id that error texts quote and log lines carry (hub-api 0.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

_SAFE_ID = re.compile(r"[\w\-.:=;]{1,200}")


class RequestMiddleware:
    """Echoes `X-Request-Id` (or `X-Amzn-Trace-Id`) or makes one up; binds it to every log line of the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handles one request."""
        given = request.headers.get("X-Request-Id") or request.headers.get("X-Amzn-Trace-Id") or ""
        request_id = given if _SAFE_ID.fullmatch(given) else uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response.headers.setdefault("X-Request-Id", request_id)
        if request.method == "HEAD" and not response.streaming and response.content:
            # The length stays that of the GET (RFC 9110, 9.3.2); servers drop such a body, and complain about it.
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response
