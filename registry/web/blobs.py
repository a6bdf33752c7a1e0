"""What of a file a page can show: text, a picture, a rendered document, a safetensors header, or only its size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from registry.repositories.trees import Entry, blob_bytes
from registry.storage.digests import parse_sha256
from registry.storage.stores import get_store

MAX_SHOWN: Final = 512 * 1024  # bytes of text on a page
_MAX_HEADER: Final = 4 * 1024 * 1024  # a header of 10,000 tensors takes about 1 MB
_MAX_TENSORS: Final = 2_000
_MAX_COUNT: Final = 2**63  # elements of one tensor
_MAX_DIMENSIONS: Final = 64
_IMAGES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
_DOCUMENTS: Final = (".md", ".markdown")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a safetensors file."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        total = 1
        for extent in self.shape:
            total *= extent
        return total


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as its page shows it; `kind` is `text`, `document`, `image`, `tensors`, `binary` or `large`."""

    kind: str
    text: str = ""
    tensors: tuple[Tensor, ...] = ()
    more_tensors: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def shown(entry: Entry, *, plain: bool = False) -> Shown:
    """Reads as much of a file as its page needs.

    Args:
        entry: the file.
        plain: show the source of a document instead of rendering it.
    """
    name = entry.name.lower()
    if name.endswith(".safetensors"):
        return _tensors(entry)
    if name.endswith(_IMAGES):
        return Shown("image")
    if entry.size > MAX_SHOWN:
        return Shown("large")
    text = _text(_content(entry, entry.size))
    if text is None:
        return Shown("binary")
    return Shown("document" if name.endswith(_DOCUMENTS) and not plain else "text", text)


def _content(entry: Entry, length: int) -> bytes:
    """Returns the first bytes of a file, from the database or the object store."""
    if entry.stored_sha256 is None:
        return blob_bytes(entry.oid)[:length]
    with get_store().open(parse_sha256(entry.stored_sha256)) as stream:
        return stream.read(length)


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _tensors(entry: Entry) -> Shown:
    """Reads the header: a little-endian length of 8 bytes, then JSON (safetensors format, section Format)."""
    size = int.from_bytes(_content(entry, 8), "little")
    if not 2 <= size <= min(_MAX_HEADER, max(0, entry.size - 8)):  # noqa: PLR2004 (an empty JSON object)
        return Shown("binary", problem="its header has no plausible length, so it is not a whole safetensors file")
    try:
        header = json.loads(_content(entry, 8 + size)[8:])
        metadata = header.pop("__metadata__", {})
        rows = [_tensor(name, item) for name, item in header.items()]
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError, RecursionError):
        return Shown("binary", problem="its header cannot be read, so it is not a whole safetensors file")
    shown_rows = tuple(rows[:_MAX_TENSORS])
    return Shown("tensors", tensors=shown_rows, more_tensors=len(rows) - len(shown_rows), metadata=_flat(metadata))


def _tensor(name: str, item: Mapping[str, Any]) -> Tensor:
    tensor = Tensor(str(name), str(item["dtype"]), tuple(int(extent) for extent in item["shape"]))
    if len(tensor.shape) > _MAX_DIMENSIONS or tensor.count > _MAX_COUNT or min(tensor.shape, default=0) < 0:
        raise ValueError(f"`{name}` has an impossible shape")
    return tensor


def _flat(metadata: Any) -> dict[str, str]:
    return {str(key): str(value)[:200] for key, value in metadata.items()} if isinstance(metadata, dict) else {}
