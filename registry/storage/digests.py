"""The name of an object: the SHA-256 of its bytes, as 64 lower-case hexadecimal digits."""

from __future__ import annotations

import re
from typing import NewType

from registry.storage.errors import DigestInvalidError

Sha256 = NewType("Sha256", str)

_HEX = re.compile(r"[0-9a-f]{64}")


def parse_sha256(text: str) -> Sha256:
    """Returns text as a digest.

    Raises:
        DigestInvalidError: it is anything but 64 lower-case hexadecimal digits (as git-lfs and OCI write them).
    """
    if not _HEX.fullmatch(text):
        raise DigestInvalidError(f"`{text[:80]}` is not a SHA-256 digest: expected 64 lower-case hexadecimal digits")
    return Sha256(text)
