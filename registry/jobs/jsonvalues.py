"""JSON from elsewhere, made fit for any database: no NUL, no lone surrogate, no NaN, not too deep. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 8


def storable(value: Any, depth: int = 0) -> Any:
    """Returns the value with what cannot be stored replaced.

    A loss that became NaN is worth seeing, so it stays, as text.
    """
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if depth >= _MAX_DEPTH and isinstance(value, list | Mapping):
        return "[left out: nested too deep]"
    if isinstance(value, list):
        return [storable(inner, depth + 1) for inner in value]
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(inner, depth + 1) for key, inner in value.items()}
    return value
