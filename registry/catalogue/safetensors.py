"""Safetensors headers: what a file says of its tensors, read by range and checked before it is believed. Pure.

Format: eight bytes little-endian length, then a JSON header, then the data (huggingface/safetensors, README "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

# The reference implementation's own limit is 100 MB; the largest real headers stay below 20.
MAX_HEADER = 32 * 1024 * 1024
_MAX_DIMENSIONS = 32
# Bits an element, by the names of safetensors 0.7 (`tensor.rs`, Dtype).
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip


class HeaderError(ValueError):
    """The file is not safetensors, or its header is not to be believed."""


def safetensors_header(read_range: Callable[[int, int], bytes], size: int) -> dict[str, Any]:
    """Reads and checks a header.

    Args:
        read_range: `(start, length) -> bytes`, fewer at the end of the file.
        size: bytes of the file.

    Returns:
        The header as JSON: tensor name -> dtype, shape, data_offsets; and `__metadata__`.

    Raises:
        HeaderError: too short, too long, no JSON, or tensors that do not fit the file.
    """
    prefix = read_range(0, 8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) != 8 or length > min(MAX_HEADER, size - 8):  # noqa: PLR2004 (the length field)
        raise HeaderError("the header's length does not fit the file")
    raw = read_range(8, length)
    if len(raw) != length or not raw.startswith(b"{"):
        raise HeaderError("the header is cut off or no JSON object")
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise HeaderError("the header is not valid JSON") from error
    for name, tensor in header.items():
        if name != "__metadata__":
            _check_tensor(tensor, size - 8 - length)
    return dict(header)


def _check_tensor(tensor: Any, data_size: int) -> None:
    if not isinstance(tensor, Mapping):
        raise HeaderError("a tensor is not described by an object")
    dtype, shape, offsets = tensor.get("dtype"), tensor.get("shape"), tensor.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise HeaderError("a tensor has an unknown dtype")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise HeaderError("a tensor's shape is not a list of sizes")
    if not _are_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= data_size:  # noqa: PLR2004 (begin, end)
        raise HeaderError("a tensor lies outside the file")
    if math.prod(shape) * _BITS[dtype] != (offsets[1] - offsets[0]) * 8:
        raise HeaderError("a tensor's shape does not fit its bytes")


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**63 for item in value
    )


def parameter_counts(header: Mapping[str, Any]) -> dict[str, int]:
    """Returns dtype -> number of elements over all tensors of a checked header."""
    counts: dict[str, int] = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + math.prod(tensor["shape"])
    return counts
