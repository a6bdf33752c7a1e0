"""Token secrets: how they are made, recognised and hashed. Pure."""

from __future__ import annotations

import hashlib
import secrets
import string

PREFIX = "wb_"
MINIMUM_LENGTH = 8
_ALPHABET = string.ascii_letters + string.digits  # no punctuation: a double click selects the whole secret
_RANDOM_CHARACTERS = 40  # 40 x log2(62) = 238 bits
_HINT_LENGTH = 7


def new_secret() -> str:
    """Returns a fresh secret: `wb_` and 238 random bits."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))


def secret_digest(secret: str) -> str:
    """Returns the SHA-256 of a secret, in hex: what the database keeps and looks up.

    A plain hash suffices for random secrets, and the look-up by an indexed digest leaks nothing by its timing that
    would help to guess one.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def secret_hint(secret: str) -> str:
    """Returns the first characters, at most a quarter of the secret, by which its owner recognises it."""
    return secret[: min(_HINT_LENGTH, len(secret) // 4)]
