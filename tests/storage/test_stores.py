"""What every object store must do: one suite against memory, files and S3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from django.core.exceptions import ImproperlyConfigured

from registry.storage.digests import Sha256
from registry.storage.errors import ObjectMissingError
from registry.storage.stores import FileStore, MemoryStore, ObjectStore, get_store, store_from_url

Put = Callable[[bytes], Sha256]
Digest = Callable[[bytes], Sha256]


def test_an_object_reads_back_as_it_was_put(store: ObjectStore, put: Put) -> None:
    sha256 = put(b"weights" * 1000)
    with store.open(sha256) as file:
        assert file.read() == b"weights" * 1000
    assert store.exists(sha256)
    assert store.size(sha256) == 7000


@pytest.mark.parametrize("start", [0, 1, 6, 7, 100])
def test_reading_starts_where_asked(store: ObjectStore, put: Put, start: int) -> None:
    with store.open(put(b"0123456"), start) as file:
        assert file.read() == b"0123456"[start:]


def test_reading_in_pieces_gives_the_whole(store: ObjectStore, put: Put) -> None:
    data = bytes(range(256)) * 9000
    with store.open(put(data), 5) as file:
        pieces = list(iter(lambda: file.read(100_000), b""))
    assert b"".join(pieces) == data[5:]


def test_the_empty_object_is_an_object(store: ObjectStore, put: Put) -> None:
    sha256 = put(b"")
    assert store.size(sha256) == 0
    with store.open(sha256) as file:
        assert file.read() == b""


def test_a_missing_object_says_so(store: ObjectStore, digest: Digest) -> None:
    missing = digest(b"never stored")
    assert not store.exists(missing)
    with pytest.raises(ObjectMissingError, match=missing):
        store.size(missing)
    with pytest.raises(ObjectMissingError, match=missing):
        store.open(missing)


def test_putting_takes_the_file_over(store: ObjectStore, put: Put, tmp_path: Path) -> None:
    put(b"moved")
    assert not (tmp_path / "arriving").exists()


def test_putting_twice_is_putting_once(store: ObjectStore, put: Put) -> None:
    assert put(b"same") == put(b"same")
    assert [sha256 for sha256, _ in store.stored()] == [put(b"same")]


def test_deleting_removes_and_deleting_nothing_is_fine(store: ObjectStore, put: Put) -> None:
    sha256 = put(b"gone soon")
    store.delete(sha256)
    store.delete(sha256)
    assert not store.exists(sha256)


def test_the_store_lists_what_it_holds_with_times(store: ObjectStore, put: Put) -> None:
    expected = {put(b"one"), put(b"two")}
    stored = dict(store.stored())
    assert set(stored) == expected
    assert all(abs(datetime.now(UTC) - moment) < timedelta(minutes=5) for moment in stored.values())


def test_a_local_path_holds_exactly_the_bytes(store: ObjectStore, put: Put) -> None:
    path = store.local_path(put(b"bytes"))
    assert path is None or path.read_bytes() == b"bytes"


# --- files ----------------------------------------------------------------------------------------------------
def test_files_lie_two_folders_deep_and_nothing_else_is_there(tmp_path: Path, digest: Digest) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"x")
    sha256 = digest(b"x")
    FileStore(tmp_path / "objects").put_file(sha256, data)
    files = [path.relative_to(tmp_path / "objects") for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert files == [Path(sha256[:2], sha256[2:4], sha256)]


def test_a_file_from_another_file_system_arrives_whole(tmp_path: Path, digest: Digest) -> None:
    shared_memory = Path("/dev/shm")  # noqa: S108 (the one other file system that Linux machines have)
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("not for a machine with one file system")
    source = shared_memory / f"weighbridge-test-{tmp_path.name}"
    source.write_bytes(b"far away")
    store = FileStore(tmp_path / "objects")
    store.put_file(digest(b"far away"), source)
    assert not source.exists()
    assert [path.read_bytes() for path in (tmp_path / "objects").rglob("*") if path.is_file()] == [b"far away"]


def test_a_failed_move_between_file_systems_leaves_nothing(tmp_path: Path, digest: Digest) -> None:
    store = FileStore(tmp_path / "objects")
    with pytest.raises(FileNotFoundError):
        store.put_file(digest(b"x"), tmp_path / "missing")
    assert not [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


# --- S3 -------------------------------------------------------------------------------------------------------
def test_a_presigned_url_serves_the_bytes_under_their_name(
    s3_bucket: str, s3_endpoint: str, tmp_path: Path, digest: Digest
) -> None:
    store = store_from_url(f"s3://{s3_bucket}?endpoint={s3_endpoint}")
    (tmp_path / "x").write_bytes(b"presigned")
    store.put_file(digest(b"presigned"), tmp_path / "x")
    url = store.presigned_url(
        digest(b"presigned"), filename="mödel.bin", content_type="text/plain", disposition="attachment", expires_in=60
    )
    assert url is not None
    with urlopen(url) as answer:  # noqa: S310 (our own address)
        assert answer.read() == b"presigned"
        assert answer.headers["Content-Type"] == "text/plain"
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-disposition"] == [
        "attachment; filename*=UTF-8''m%C3%B6del.bin; filename=\"m_del.bin\""
    ]
    assert query["X-Amz-Expires"] == ["60"]


def test_presigned_urls_name_the_address_that_clients_reach(s3_bucket: str, s3_endpoint: str, digest: Digest) -> None:
    store = store_from_url(f"s3://{s3_bucket}?endpoint={s3_endpoint}&public_endpoint=https://objects.example.org")
    url = store.presigned_url(digest(b""), filename="x", content_type="a/b", disposition="inline", expires_in=60)
    assert url is not None
    assert url.startswith(f"https://objects.example.org/{s3_bucket}/")


def test_without_presigning_the_data_plane_serves(s3_bucket: str, s3_endpoint: str, digest: Digest) -> None:
    store = store_from_url(f"s3://{s3_bucket}?endpoint={s3_endpoint}&presign=false")
    assert store.presigned_url(digest(b""), filename="x", content_type="", disposition="inline", expires_in=1) is None


def test_foreign_keys_in_a_shared_bucket_are_left_alone(s3_bucket: str, s3_endpoint: str) -> None:
    store = store_from_url(f"s3://{s3_bucket}?endpoint={s3_endpoint}")
    store._client.put_object(Bucket=s3_bucket, Key="readme.txt", Body=b"not ours")  # type: ignore[attr-defined]
    assert list(store.stored()) == []


# --- choosing -------------------------------------------------------------------------------------------------
def test_settings_choose_the_store(settings: object, tmp_path: Path) -> None:
    settings.OBJECT_STORE_URL = f"file://{tmp_path}/a%20b"  # type: ignore[attr-defined]
    assert isinstance(get_store(), FileStore)
    assert get_store() is get_store()
    settings.OBJECT_STORE_URL = "memory://test"  # type: ignore[attr-defined]
    assert isinstance(get_store(), MemoryStore)


@pytest.mark.parametrize(
    "url", ["", "/folder", "file://folder", "ftp://x/y", "s3://", "s3://bucket?endpiont=x", "s3://bucket?presign=maybe"]
)
def test_an_address_that_is_not_understood_stops_the_start(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="WEIGHBRIDGE_OBJECT_STORE_URL"):
        store_from_url(url)
