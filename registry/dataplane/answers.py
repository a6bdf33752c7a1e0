"""What every answer of the data plane shares: errors as JSON, CORS for the site's own pages, a request id."""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import urlsplit
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler
from django.conf import settings

from registry.errors import DomainError
from registry.http import header_text
from registry.http_errors import status_of

logger = logging.getLogger(__name__)

_SAFE_ID = re.compile(r"[\w\-.:=;]{1,200}")
_EXPOSED = "ETag, Content-Range, Content-Length, Accept-Ranges, X-Request-Id, X-Error-Message"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Range, If-None-Match, If-Range, Last-Event-ID, X-Request-Id",
    "Access-Control-Max-Age": "7200",
}


def error_answer(error: DomainError) -> web.Response:
    """Renders a domain error for every kind of client.

    `error` is what Hugging Face clients read, `message` what git-lfs prints, `X-Error-Message` what HEAD can carry.
    """
    status = status_of(error)
    if status == 422:  # noqa: PLR2004 (HTTP status; upload clients know 400, hub-api 3.2)
        status = 400
    body = {"error": error.message, "message": error.message, "code": error.code, **error.details}
    answer = web.json_response(body, status=status, headers={"X-Error-Message": header_text(error.message)})
    if "size" in error.details and status == 416:  # noqa: PLR2004 (HTTP status)
        answer.headers["Content-Range"] = f"bytes */{error.details['size']}"
    if "retry_after" in error.details:
        answer.headers["Retry-After"] = str(error.details["retry_after"])
    return answer


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers domain errors; logs defects without the address, which may hold a signature."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _framework_answer(error)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        if request.writer.output_size:  # too late for an answer: a cut connection says that it is incomplete
            raise
        if isinstance(error, DomainError):
            return error_answer(error)
        logger.exception("unexpected error in the data plane: %s", _route_name(request))
        return error_answer(DomainError("something went wrong on our side; the log has it"))


async def prepare_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the request id and, for the site's own origin, the CORS headers; runs before headers are sent."""
    given = request.headers.get("X-Request-Id", "")
    response.headers.setdefault("X-Request-Id", given if _SAFE_ID.fullmatch(given) else uuid4().hex)
    origin = request.headers.get("Origin")
    response.headers["Server"] = "Weighbridge"
    response.headers["Vary"] = "Origin"
    if origin is not None and origin == _public_origin():
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED


@web.middleware
async def preflight_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers a CORS preflight: 204 for the site's own pages, 403 for any other (Fetch standard, CORS protocol)."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return await handler(request)
    if request.headers.get("Origin") == _public_origin():
        return web.Response(status=204, headers=_PREFLIGHT)
    return web.json_response({"error": "only the site's own pages may call this address"}, status=403)


def _framework_answer(error: web.HTTPException) -> web.StreamResponse:
    """Gives aiohttp's own 404 and 405 the same JSON body."""
    text = "there is nothing at this address" if error.status == 404 else error.reason.lower()  # noqa: PLR2004 (HTTP)
    answer = web.json_response({"error": text, "message": text}, status=error.status)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else '?'}"


def _public_origin() -> str:
    parts = urlsplit(settings.PUBLIC_URL)
    return f"{parts.scheme}://{parts.netloc}"
