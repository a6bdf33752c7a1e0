"""Writes of the object store: bytes first, durable and verified; the row that names them last.

The order holds at every crash: a row without bytes cannot exist, bytes without a row can and are collected.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.db.utils import IntegrityError

from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import ObjectVanishedError
from registry.storage.incoming import IncomingFile
from registry.storage.models import LargeObject
from registry.storage.multipart import uploads_remove_older
from registry.storage.stores import get_store

_SWEEP_BATCH = 500


def object_store_bytes(*, data: bytes) -> LargeObject:
    """Stores bytes and returns the row that names them; storing the same again returns the same row."""
    return object_store_stream(chunks=[data])


def object_store_stream(
    *, chunks: Iterable[bytes], expected_sha256: str | None = None, expected_size: int | None = None
) -> LargeObject:
    """Stores a stream of bytes, hashed while it arrives, and returns the row that names them.

    Raises:
        DigestInvalidError: `expected_sha256` is no digest.
        DigestMismatchError, SizeMismatchError: the bytes are not what was announced; nothing is kept.
        StorageFullError: there is no room.
    """
    expected = None if expected_sha256 is None else parse_sha256(expected_sha256)
    with IncomingFile(settings.UPLOAD_DIR) as incoming:
        for chunk in chunks:
            incoming.write([chunk])
        sha256 = incoming.finish(expected_sha256=expected, expected_size=expected_size)
        object_put(sha256=sha256, path=incoming.path)
        return object_record(sha256=sha256, size=incoming.size)


def object_put(*, sha256: Sha256, path: Path) -> None:
    """Moves a complete, verified and fsynced file into the store. Keep it out of transactions: it may take long."""
    get_store().put_file(sha256, path)


def object_record(*, sha256: Sha256, size: int) -> LargeObject:
    """Writes the row that names stored bytes, under the lock that keeps the collector away from them.

    Raises:
        ObjectVanishedError: the collector was quicker.
    """
    with transaction.atomic():
        _lock(sha256)
        if not get_store().exists(sha256):
            raise ObjectVanishedError(f"object `{sha256}` was removed while it was recorded: send it again")
        large_object, _ = LargeObject.objects.get_or_create(sha256=sha256, defaults={"size": size})
    return large_object


def object_delete(*, sha256: str) -> bool:
    """Deletes an object that nothing refers to: the row now, the bytes once the transaction has committed.

    Returns:
        False if some row still refers to it; then nothing happens.
    """
    digest = parse_sha256(sha256)
    try:
        with transaction.atomic():
            _lock(digest)
            LargeObject.objects.filter(sha256=digest).delete()
    except (ProtectedError, IntegrityError):
        return False
    transaction.on_commit(partial(_bytes_delete, digest))
    return True


def uploads_sweep(older_than: datetime) -> int:
    """Removes temporary files of abandoned uploads, untouched since `older_than`; returns how many."""
    return uploads_remove_older(settings.UPLOAD_DIR, older_than)


def orphans_sweep(older_than: datetime) -> int:
    """Deletes stored bytes that no row names and that were stored before `older_than`; returns how many.

    Such bytes remain where a process died between storing and naming, or between a row's deletion and its bytes'.
    """
    old = (sha256 for sha256, moment in get_store().stored() if moment < older_than)
    count = 0
    while batch := list(islice(old, _SWEEP_BATCH)):
        named = set(LargeObject.objects.filter(sha256__in=batch).values_list("sha256", flat=True))
        orphans = [sha256 for sha256 in batch if sha256 not in named]
        for sha256 in orphans:
            _bytes_delete(sha256)
        count += len(orphans)
    return count


def _bytes_delete(sha256: Sha256) -> None:
    """Deletes bytes unless a row names them, under the lock that `object_record` takes.

    Without it, an upload of the same bytes could find them present and name them just before they go.
    """
    with transaction.atomic():
        _lock(sha256)
        if not LargeObject.objects.filter(sha256=sha256).exists():
            get_store().delete(sha256)


def _lock(sha256: Sha256) -> None:
    """Holds the object's name until the transaction ends.

    SQLite has one writer anyway (transactions are IMMEDIATE); PostgreSQL has advisory locks, keyed by 64 of the bits.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(sha256[:16], 16) - (1 << 63)])
