"""`Content-Disposition` with a file name that survives every client (RFC 6266 and RFC 8187)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

# attr-char of RFC 8187 section 3.2.1; `quote` already keeps letters, digits and "_.-~".
_ATTR_CHARS = "!#$&+^`|"


def content_disposition(disposition: Literal["inline", "attachment"], filename: str) -> str:
    """Returns the header value: the exact `filename*`, and ASCII `filename` for old clients (RFC 6266, appendix D)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"{disposition}; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}; filename=\"{plain}\""
