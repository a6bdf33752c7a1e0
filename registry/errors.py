"""Domain errors: what went wrong, in the domain's words.

An error knows a stable `code`, a sentence for the reader and structured `details`; it does not know HTTP.
`registry.http_errors` holds the one table from family to status. Messages follow one style: lower-case start
unless a name, no full stop at the end of a fragment, user input in backticks, no line breaks, and they name the
fix where there is one. Apps subclass a family and set `code`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every error that services raise.

    Args:
        message: one sentence for the person who reads it.
        details: JSON-serialisable facts (`field`, `value`, `url`, …) that a program may use.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details


class NotFoundError(DomainError):
    """The thing does not exist, or the caller may not know that it does."""

    code = "not_found"


class AuthenticationError(DomainError):
    """Nobody is signed in, or the credentials are not good."""

    code = "authentication_required"


class DeniedError(DomainError):
    """The caller is known and may not do this."""

    code = "denied"


class ConflictError(DomainError):
    """The request contradicts the present state (duplicate, already done, lost race)."""

    code = "conflict"


class PreconditionError(DomainError):
    """The caller's view of the state is stale (`parentCommit`, `If-Match`, fencing token)."""

    code = "precondition_failed"


class BadRequestError(DomainError):
    """The request cannot be understood: syntax, encoding, missing parts."""

    code = "bad_request"


class InvalidError(DomainError):
    """The request is understood and a value in it is not acceptable.

    `details["errors"]` may hold several `{"field": …, "message": …}`.
    """

    code = "invalid"


class TooLargeError(DomainError):
    """The body or object exceeds a limit; details carry `limit` in bytes."""

    code = "too_large"


class RangeError(DomainError):
    """The requested byte range starts beyond the end; details carry `size` in bytes."""

    code = "range_not_satisfiable"


class RateLimitedError(DomainError):
    """Too many requests; details carry `retry_after` in seconds."""

    code = "rate_limited"


class UnavailableError(DomainError):
    """A part we depend on cannot answer now; details may carry `retry_after` in seconds."""

    code = "unavailable"
