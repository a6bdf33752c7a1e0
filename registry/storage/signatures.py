"""Signatures over fields, by HMAC-SHA256 (RFC 2104): pure, no settings and no clock of its own.

A signature covers a list of texts, encoded as JSON so that no two lists give the same bytes, and a purpose, so that a
signature made for one use is worth nothing for another. Keys are tried newest first; new signatures use the first.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any


def sign(keys: Sequence[str], purpose: str, fields: Sequence[str]) -> str:
    """Returns the signature of fields, as 43 URL-safe characters."""
    return _signature(keys[0], purpose, fields)


def verify(keys: Sequence[str], purpose: str, fields: Sequence[str], signature: str) -> bool:
    """Returns whether the signature was made with one of the keys; takes the same time for any wrong one."""
    given = signature.encode("utf-8", "replace")
    matches = [hmac.compare_digest(_signature(key, purpose, fields).encode(), given) for key in keys]
    return any(matches)


def seal(keys: Sequence[str], purpose: str, claims: Mapping[str, Any]) -> str:
    """Returns `{claims}.{signature}`: readable by anyone, made by us, safe in a path."""
    body = _encode(json.dumps(claims, separators=(",", ":"), sort_keys=True).encode())
    return f"{body}.{sign(keys, purpose, [body])}"


def unseal(keys: Sequence[str], purpose: str, token: str) -> dict[str, Any] | None:
    """Returns the claims of a token; None unless its signature is good."""
    body, _, signature = token.partition(".")
    if not verify(keys, purpose, [body], signature):
        return None
    try:
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):  # not reachable without the key
        return None
    return claims if isinstance(claims, dict) else None


def _signature(key: str, purpose: str, fields: Sequence[str]) -> str:
    message = json.dumps(list(fields), ensure_ascii=True, separators=(",", ":")).encode()
    # A key for each purpose: what is signed for one use never verifies for another.
    derived = hmac.digest(key.encode(), b"weighbridge.storage.signatures\x00" + purpose.encode(), hashlib.sha256)
    return _encode(hmac.digest(derived, message, hashlib.sha256))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
