"""Public identifiers: a prefix that says the kind, then a ULID (sortable by time, 80 random bits)."""

from __future__ import annotations

import secrets
import time

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Returns `{prefix}_{26 Crockford base-32 characters}`, for example `dec_01kay2m8q4…`.

    The first ten characters encode milliseconds since 1970 (ULID specification, lower case).
    """
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))
