"""License texts in a normal form, so that one text has one digest however it was wrapped or encoded. Pure."""

from __future__ import annotations

import hashlib
import unicodedata


def normalise(text: str) -> str:
    """Returns the words of a text: Unicode NFC, no byte-order mark, every run of white space one blank.

    Normalising twice changes nothing. Case and punctuation stay: they can carry meaning.
    """
    words = unicodedata.normalize("NFC", text.replace("\ufeff", "")).split()
    return " ".join(words)


def text_digest(text: str) -> str:
    """Returns the SHA-256 (hex) of the normalised text."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()
