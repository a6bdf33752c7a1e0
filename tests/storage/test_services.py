"""Storing objects: verified, named last, collected when nothing names them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from registry.storage import services
from registry.storage.digests import parse_sha256
from registry.storage.errors import (
    DigestInvalidError,
    DigestMismatchError,
    ObjectVanishedError,
    SizeMismatchError,
    StorageFullError,
)
from registry.storage.incoming import IncomingFile, disk_full_translated, write_all
from registry.storage.models import LargeObject
from registry.storage.stores import get_store

pytestmark = pytest.mark.django_db
HELLO = sha256(b"hello").hexdigest()
FAR_FUTURE = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_store(settings: Any, tmp_path: Path) -> None:
    settings.OBJECT_STORE_URL = f"file://{tmp_path}/objects"
    settings.UPLOAD_DIR = tmp_path / "uploads"


def _left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_bytes_are_stored_and_named() -> None:
    row = services.object_store_bytes(data=b"hello")
    assert (row.sha256, row.size) == (HELLO, 5)
    with get_store().open(parse_sha256(row.sha256)) as file:
        assert file.read() == b"hello"


def test_storing_twice_gives_the_same_row() -> None:
    assert services.object_store_bytes(data=b"hello") == services.object_store_bytes(data=b"hello")
    assert LargeObject.objects.count() == 1


def test_a_stream_is_checked_against_what_was_announced(settings: Any) -> None:
    row = services.object_store_stream(chunks=[b"he", b"", b"llo"], expected_sha256=HELLO, expected_size=5)
    assert row.sha256 == HELLO
    assert _left_over(settings.UPLOAD_DIR) == []


@pytest.mark.parametrize(
    ("announced", "error"),
    [
        ({"expected_sha256": "0" * 64}, DigestMismatchError),
        ({"expected_size": 4}, SizeMismatchError),
        ({"expected_size": 6, "expected_sha256": HELLO}, SizeMismatchError),
        ({"expected_sha256": HELLO.upper()}, DigestInvalidError),
    ],
)
def test_a_mismatch_keeps_nothing(settings: Any, announced: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        services.object_store_stream(chunks=[b"hello"], **announced)
    assert not LargeObject.objects.exists()
    assert _left_over(settings.UPLOAD_DIR) == []
    assert list(get_store().stored()) == []


def test_a_broken_stream_keeps_nothing(settings: Any) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"he"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        services.object_store_stream(chunks=chunks())
    assert _left_over(settings.UPLOAD_DIR) == []


def test_a_row_is_never_written_for_bytes_that_are_gone() -> None:
    with pytest.raises(ObjectVanishedError, match="send it again"):
        services.object_record(sha256=parse_sha256(HELLO), size=5)
    assert not LargeObject.objects.exists()


def test_deleting_takes_the_row_and_after_the_commit_the_bytes(django_capture_on_commit_callbacks: Any) -> None:
    row = services.object_store_bytes(data=b"hello")
    with django_capture_on_commit_callbacks() as callbacks:
        assert services.object_delete(sha256=row.sha256)
    assert not LargeObject.objects.exists()
    assert get_store().exists(parse_sha256(HELLO))
    for callback in callbacks:
        callback()
    assert not get_store().exists(parse_sha256(HELLO))


def test_bytes_stored_again_before_the_collector_comes_stay(django_capture_on_commit_callbacks: Any) -> None:
    row = services.object_store_bytes(data=b"hello")
    with django_capture_on_commit_callbacks() as callbacks:
        services.object_delete(sha256=row.sha256)
    services.object_store_bytes(data=b"hello")
    for callback in callbacks:
        callback()
    assert get_store().exists(parse_sha256(HELLO))


def test_an_object_that_a_repository_holds_is_not_deleted(alice: Any, make_repository: Any) -> None:
    row = services.object_store_bytes(data=b"hello")
    make_repository(alice).objects_held.create(large_object=row)
    assert not services.object_delete(sha256=row.sha256)
    assert LargeObject.objects.filter(pk=row.pk).exists()


def test_the_sweep_deletes_bytes_without_a_row_once_they_are_old(tmp_path: Path) -> None:
    kept = services.object_store_bytes(data=b"named")
    (tmp_path / "x").write_bytes(b"hello")
    get_store().put_file(parse_sha256(HELLO), tmp_path / "x")
    assert services.orphans_sweep(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert services.orphans_sweep(FAR_FUTURE) == 1
    assert [digest for digest, _ in get_store().stored()] == [kept.sha256]


def test_the_sweep_removes_abandoned_temporary_files_only(settings: Any) -> None:
    old, fresh = IncomingFile(settings.UPLOAD_DIR), IncomingFile(settings.UPLOAD_DIR)
    os.utime(old.path, (0, 0))
    assert services.uploads_sweep(datetime.now(UTC) - timedelta(hours=1)) == 1
    assert _left_over(settings.UPLOAD_DIR) == [fresh.path.name]
    old.discard()
    fresh.discard()


def test_the_sweep_works_before_anything_was_uploaded() -> None:
    assert services.uploads_sweep(FAR_FUTURE) == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_a_name(code: int) -> None:
    with pytest.raises(StorageFullError, match="no room"), disk_full_translated():
        raise OSError(code, "full")


def test_other_trouble_with_the_disk_is_not_hidden() -> None:
    with pytest.raises(OSError, match="broken"), disk_full_translated():
        raise OSError(errno.EIO, "broken")


def test_partial_writes_are_continued() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, b"")
    os.set_blocking(writer, True)
    chunks = [b"a" * 10, b"", b"b" * 3000, b"c"] + [b"d"] * 2000
    assert write_all(writer, chunks) == 5011
    assert os.read(reader, 10_000) == b"".join(chunks)
    os.close(reader)
    os.close(writer)
