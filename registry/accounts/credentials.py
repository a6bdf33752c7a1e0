"""Reads the `Authorization` header. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from registry.accounts.errors import InvalidCredentialsError


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request showed: the scheme (`bearer` or `basic`) and the token's secret."""

    scheme: str
    secret: str


def parse_authorization(header: str) -> Credentials:
    """Returns the credentials of a header value: `Bearer TOKEN`, or `Basic` with the token as password.

    git and git-lfs send Basic with any username (hub-api 0.2; RFC 6750 section 2.1, RFC 7617 section 2).

    Raises:
        InvalidCredentialsError: another scheme, or no token in it.
    """
    scheme, _, value = header.strip().partition(" ")
    scheme = scheme.lower()
    secret = value.strip() if scheme == "bearer" else _basic_password(value.strip()) if scheme == "basic" else ""
    if not secret:
        raise InvalidCredentialsError("malformed")
    return Credentials(scheme, secret)


def _basic_password(value: str) -> str:
    try:
        pair = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]
