"""Facts of large objects, read once from their own headers and kept: weights are immutable, and stores may be far."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from typing import Any

from registry.catalogue.models import ObjectFacts
from registry.catalogue.safetensors import HeaderError, parameter_counts, safetensors_header
from registry.errors import DomainError
from registry.repositories.objects import batches, blob_bytes
from registry.repositories.trees import Entry
from registry.storage.digests import parse_sha256
from registry.storage.models import LargeObject
from registry.storage.stores import get_store

logger = logging.getLogger(__name__)


def stored_header(sha256: str, size: int) -> dict[str, Any]:
    """Reads the safetensors header of a stored object.

    Raises:
        HeaderError: it has none that is to be believed.
    """

    def read_range(start: int, length: int) -> bytes:
        with get_store().open(parse_sha256(sha256), start) as stream:
            return stream.read(length)

    return safetensors_header(read_range, size)


def entry_header(entry: Entry) -> dict[str, Any]:
    """Reads the safetensors header of a file, wherever its bytes lie.

    Raises:
        HeaderError: it has none that is to be believed.
    """
    if entry.stored_sha256 is not None:
        return stored_header(entry.stored_sha256, entry.size)
    stream = io.BytesIO(blob_bytes(entry.oid))

    def read_range(start: int, length: int) -> bytes:
        stream.seek(start)
        return stream.read(length)

    return safetensors_header(read_range, entry.size)


def _counts(sha256: str, size: int) -> dict[str, int] | None:
    try:
        return parameter_counts(stored_header(sha256, size))
    except (HeaderError, DomainError, OSError) as error:
        logger.info("no safetensors header in %s: %s", sha256, error)
        return None


def stored_parameters(digests: Iterable[str]) -> dict[str, dict[str, int] | None]:
    """Returns parameter counts by digest; None where the header is not to be believed. New ones are read and kept."""
    wanted = sorted(set(digests))
    found: dict[str, dict[str, int] | None] = {}
    for batch in batches(wanted):
        found.update(ObjectFacts.objects.filter(pk__in=batch).values_list("pk", "parameters"))
        missing = [sha256 for sha256 in batch if sha256 not in found]
        for sha256, size in LargeObject.objects.filter(pk__in=missing).values_list("sha256", "size"):
            found[sha256] = _counts(sha256, size)
        ObjectFacts.objects.bulk_create(
            [ObjectFacts(large_object_id=key, parameters=found[key]) for key in missing if key in found],
            ignore_conflicts=True,
        )
    return found


def parameters_of(entries: Iterable[Entry]) -> dict[str, Any] | None:
    """Returns `{"parameters": {dtype: count}, "total": count}` over all files; None if one cannot be believed."""
    listed = list(entries)
    stored = stored_parameters(entry.stored_sha256 for entry in listed if entry.stored_sha256 is not None)
    totals: dict[str, int] = {}
    for entry in listed:
        counts = stored.get(entry.stored_sha256) if entry.stored_sha256 is not None else _inline_counts(entry)
        if counts is None:
            return None
        for dtype, count in counts.items():
            totals[dtype] = totals.get(dtype, 0) + count
    total = sum(totals.values())
    return {"parameters": totals, "total": total} if 0 < total < 2**63 else None


def _inline_counts(entry: Entry) -> dict[str, int] | None:
    try:
        return parameter_counts(entry_header(entry))
    except HeaderError:
        return None
