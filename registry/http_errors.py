"""The one place that turns domain errors into HTTP.

Three shapes, chosen by the route: `hub` (what Hugging Face clients branch on: `X-Error-Code`, `X-Error-Message`,
`{"error": …}`, hub-api 0.4), `problem` (RFC 9457 problem details, our API) and `page` (an HTML page for people).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions as rest
from rest_framework.response import Response
from rest_framework.views import set_rollback

from registry import errors
from registry.http import header_text

logger = logging.getLogger(__name__)

# First match wins, so a subclass must stand before its base.
STATUS: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.AuthenticationError, 401),
    (errors.DeniedError, 403),
    (errors.ConflictError, 409),
    (errors.PreconditionError, 412),
    (errors.BadRequestError, 400),
    (errors.InvalidError, 422),
    (errors.TooLargeError, 413),
    (errors.RangeError, 416),
    (errors.RateLimitedError, 429),
    (errors.UnavailableError, 503),
)

# Domain code -> `X-Error-Code`, by which huggingface_hub picks its exception class (hub-api 0.4).
HUB_CODE = {
    "repository_not_found": "RepoNotFound",
    "revision_not_found": "RevisionNotFound",
    "entry_not_found": "EntryNotFound",
    "gated": "GatedRepo",
}
# On these an anonymous caller gets 401, so that a client offers to sign in and existence does not leak.
_SIGN_IN_FIRST = frozenset({"repository_not_found", "gated"})


def status_of(error: errors.DomainError) -> int:
    """Returns the HTTP status of an error's family."""
    return next((status for family, status in STATUS if isinstance(error, family)), 500)


def hub_response(error: errors.DomainError, *, anonymous: bool) -> HttpResponse:
    """Renders an error as Hugging Face clients read it."""
    status = status_of(error)
    if anonymous and error.code in _SIGN_IN_FIRST:
        status = 401
    if status == 422 and not error.details.get("keep_status"):  # noqa: PLR2004 (HTTP status)
        status = 400
    body: dict[str, Any] = {"error": error.message}
    body.update({key: error.details[key] for key in ("url", "errors", "warnings", "decision") if key in error.details})
    response = JsonResponse(body, status=status)
    response["X-Error-Message"] = header_text(error.message)
    if error.code in HUB_CODE:
        response["X-Error-Code"] = HUB_CODE[error.code]
    _common_headers(response, error)
    return response


def problem_body(error: errors.DomainError) -> dict[str, Any]:
    """Returns RFC 9457 members: type, title, status, detail, plus `code` and the error's details."""
    status = status_of(error)
    return {
        **{key: value for key, value in error.details.items() if key != "headers"},
        # The standard's members come last: no detail of the same name may overwrite them.
        "type": f"/docs/errors#{error.code}",
        "title": error.code.replace("_", " "),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }


def problem_response(error: errors.DomainError) -> HttpResponse:
    """Renders an error as RFC 9457 problem details."""
    body = problem_body(error)
    response = JsonResponse(body, status=body["status"], content_type="application/problem+json")
    _common_headers(response, error)
    return response


def page_response(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """Renders an error as a page that says what happened, why, and the next step."""
    status = status_of(error)
    response = render(request, "web/error.html", {"error": error, "status": status}, status=status)
    _common_headers(response, error)
    return response


def _common_headers(response: HttpResponse, error: errors.DomainError) -> None:
    for name, value in error.details.get("headers", {}).items():
        response[name] = header_text(str(value))
    if "retry_after" in error.details:
        response["Retry-After"] = str(error.details["retry_after"])
    if isinstance(error, errors.AuthenticationError) and "WWW-Authenticate" not in response:
        response["WWW-Authenticate"] = 'Bearer realm="Weighbridge"'


# The framework's own exceptions, in our words.
_TRANSLATED: tuple[tuple[type[Exception], type[errors.DomainError], str], ...] = (
    (Http404, errors.NotFoundError, "there is nothing at this address"),
    (PermissionDenied, errors.DeniedError, "you may not do this"),
    # PostgreSQL refuses in a value what SQLite lets pass.
    (DataError, errors.BadRequestError, "a value cannot be stored or looked up: a NUL character, or out of range"),
    (RequestDataTooBig, errors.TooLargeError, "the request body is too large for this address"),
    (SuspiciousOperation, errors.BadRequestError, "the request is malformed"),
)


def as_domain_error(error: Exception) -> errors.DomainError | None:
    """Translates the framework's own exceptions; None for what is a defect of ours."""
    if isinstance(error, errors.DomainError):
        return error
    found = ((family, message) for kind, family, message in _TRANSLATED if isinstance(error, kind))
    family, message = next(found, (None, ""))
    return None if family is None else family(message)


def shape_of(request: HttpRequest) -> str:
    """Returns `hub`, `problem` or `page`: the route's namespace decides, else the path."""
    match = request.resolver_match
    if match is not None and match.namespaces:
        return {"hub": "hub", "api": "problem"}.get(match.namespaces[0], "page")
    if request.path_info.startswith("/api/v1/"):
        return "problem"
    return "hub" if request.path_info.startswith("/api/") else "page"


def error_response(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """Renders an error in the shape that the caller of this route reads."""
    shape = shape_of(request)
    if shape == "hub":
        principal = getattr(request, "principal", None)
        return hub_response(error, anonymous=principal is None or not principal.is_authenticated)
    return problem_response(error) if shape == "problem" else page_response(request, error)


class ErrorMiddleware:
    """Turns exceptions that views let through into responses; an unforeseen one is logged and answered with 500."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Passes the request on; `process_exception` does the work."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answers a domain error; leaves defects to Django's 500 handling."""
        domain = as_domain_error(error)
        return None if domain is None else error_response(request, domain)


def rest_exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answers for REST framework views with the same problem details."""
    del context
    domain = as_domain_error(error) or _from_rest(error)
    if domain is None:
        return None
    set_rollback()
    body = problem_body(domain)
    # A value that is not acceptable is 422 like every `InvalidError`; 405, 415 and 429 are the framework's own.
    if isinstance(error, rest.APIException) and not isinstance(error, rest.ValidationError):
        body["status"] = error.status_code
    response = Response(body, status=body["status"], content_type="application/problem+json")
    _common_headers(response, domain)
    return response


def _from_rest(error: Exception) -> errors.DomainError | None:
    if isinstance(error, rest.ValidationError):
        return errors.InvalidError("some values are not acceptable", errors=_flatten(error.detail))
    if isinstance(error, rest.NotAuthenticated | rest.AuthenticationFailed):
        return errors.AuthenticationError(str(error.detail))
    if isinstance(error, rest.ParseError):
        return errors.BadRequestError(f"the body cannot be read: {error.detail}")
    if isinstance(error, rest.APIException):
        return errors.BadRequestError(str(error.detail))
    return None


def _flatten(detail: Any, prefix: str = "") -> list[dict[str, str]]:
    """Turns REST framework's nested messages into `[{"field": "a.b", "message": …}]`."""
    if isinstance(detail, dict):
        fields = ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in detail.items())
        return [row for field, value in fields for row in _flatten(value, field)]
    if isinstance(detail, list):
        return [row for value in detail for row in _flatten(value, prefix)]
    return [{"field": "" if prefix == "non_field_errors" else prefix, "message": str(detail)}]


def _plain_handler(error: errors.DomainError) -> Callable[..., HttpResponse]:
    def view(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        del exception
        return error_response(request, error)

    return view


handler404 = _plain_handler(errors.NotFoundError("there is nothing at this address"))
handler403 = _plain_handler(errors.DeniedError("you may not do this"))
handler400 = _plain_handler(errors.BadRequestError("the request is malformed"))


def handler500(request: HttpRequest) -> HttpResponse:
    """Answers a defect of ours without details; the log line with the same request id has them."""
    error = errors.DomainError("something went wrong on our side; the log has it under this request id")
    if shape_of(request) == "page":
        return HttpResponse(error.message, status=500, content_type="text/plain; charset=utf-8")
    return error_response(request, error)
