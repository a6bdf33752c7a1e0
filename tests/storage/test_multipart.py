"""Uploads in parts: any order, in parallel, sent again, and only what was verified is handed on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.storage import multipart
from registry.storage.digests import parse_sha256
from registry.storage.errors import DigestMismatchError, PartInvalidError, SizeMismatchError, UploadChangedError
from registry.storage.links import UploadGrant

DATA = b"first part|second part|tail"


def _grant(data: bytes = DATA, chunk_size: int = 11, name: str = "upl_1") -> UploadGrant:
    return UploadGrant(
        id=name,
        sha256=parse_sha256(sha256(data).hexdigest()),
        size=len(data),
        repository_id=1,
        user_id=1,
        chunk_size=chunk_size,
    )


def _piece(grant: UploadGrant, number: int, data: bytes = DATA) -> bytes:
    assert grant.chunk_size is not None
    return data[(number - 1) * grant.chunk_size :][: grant.part_size(number)]


def _send(folder: Path, grant: UploadGrant, number: int, body: bytes) -> str:
    with multipart.IncomingPart(folder, grant, number) as part:
        part.write([body])
        return part.finish()


def _send_all(folder: Path, grant: UploadGrant, order: Sequence[int], data: bytes = DATA) -> dict[int, str]:
    return {number: _send(folder, grant, number, _piece(grant, number, data)) for number in order}


def test_parts_in_any_order_make_the_whole(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [3, 1, 2])
    assert multipart.upload_assemble(tmp_path, grant, etags).read_bytes() == DATA


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(1, 90), st.randoms(use_true_random=False))
def test_any_size_any_chunk_any_order(tmp_path: Path, data: bytes, chunk_size: int, random: object) -> None:
    grant = _grant(data, chunk_size, name=os.urandom(8).hex())
    order = list(range(1, grant.part_count + 1))
    random.shuffle(order)  # type: ignore[attr-defined]
    etags = _send_all(tmp_path, grant, order, data)
    assert multipart.upload_assemble(tmp_path, grant, etags).read_bytes() == data


def test_parts_may_arrive_at_the_same_time(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    grant = _grant(data, 1 << 16)
    with ThreadPoolExecutor(8) as pool:
        numbers = range(1, grant.part_count + 1)
        etags = dict(
            zip(numbers, pool.map(lambda n: _send(tmp_path, grant, n, _piece(grant, n, data)), numbers), strict=True)
        )
    assert multipart.upload_assemble(tmp_path, grant, etags).read_bytes() == data


def test_the_same_part_has_the_same_etag_and_may_be_sent_again(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2, 3])
    assert _send(tmp_path, grant, 2, _piece(grant, 2)) == etags[2]
    quoted = {number: f'"{etag}"' for number, etag in etags.items()}
    assert multipart.upload_assemble(tmp_path, grant, quoted).read_bytes() == DATA


def test_a_broken_second_try_takes_the_etag_of_the_first(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2, 3])
    with pytest.raises(SizeMismatchError):
        _send(tmp_path, grant, 2, b"half")
    with pytest.raises(PartInvalidError, match="part 2 of 3 has not arrived"):
        multipart.upload_assemble(tmp_path, grant, etags)
    etags[2] = _send(tmp_path, grant, 2, _piece(grant, 2))
    assert multipart.upload_assemble(tmp_path, grant, etags).read_bytes() == DATA


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({2: None}, "part 2 of 3 is not in the list"),
        ({4: "x"}, "part 4 is none of this upload's 3 parts"),
        ({0: "x"}, "part 0 is none"),
        ({1: "wrong"}, "part 1 has ETag"),
    ],
)
def test_a_wrong_list_is_refused_and_can_be_corrected(
    tmp_path: Path, change: dict[int, str | None], message: str
) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2, 3])
    wrong = {number: etag for number, etag in (etags | change).items() if etag is not None}
    with pytest.raises(PartInvalidError, match=message):
        multipart.upload_assemble(tmp_path, grant, wrong)
    assert multipart.upload_assemble(tmp_path, grant, etags).exists()


@pytest.mark.parametrize("number", [0, 4, 10**9])
def test_a_part_that_the_upload_does_not_have_is_refused(tmp_path: Path, number: int) -> None:
    with pytest.raises(PartInvalidError, match="none of this upload's 3 parts"):
        multipart.IncomingPart(tmp_path, _grant(), number)
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_than_announced_are_dropped(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2])
    etags[3] = _send(tmp_path, grant, 3, b"liat|")
    with pytest.raises(DigestMismatchError, match="send it again"):
        multipart.upload_assemble(tmp_path, grant, etags)
    assert list(tmp_path.iterdir()) == []


def test_completion_waits_for_a_part_that_still_arrives(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2, 3])
    with multipart.IncomingPart(tmp_path, grant, 3) as part:
        part.write([b"|t"])
        _send(tmp_path, grant, 3, b"|tail")  # a parallel try of the same part is quicker
        with pytest.raises(UploadChangedError, match="still arriving"):
            multipart.upload_assemble(tmp_path, grant, etags)
        part.write([b"ail"])
        part.finish()
    assert multipart.upload_assemble(tmp_path, grant, etags).read_bytes() == DATA


def test_a_try_that_breaks_off_last_takes_the_etag_of_a_quicker_one(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2])
    with multipart.IncomingPart(tmp_path, grant, 3) as part:
        part.write([b"|t"])
        etags[3] = _send(tmp_path, grant, 3, b"|tail")
        part.write([b"?"])
    with pytest.raises(PartInvalidError, match="part 3 of 3 has not arrived"):
        multipart.upload_assemble(tmp_path, grant, etags)


def test_a_part_that_comes_after_completion_cannot_change_the_object(tmp_path: Path) -> None:
    grant = _grant()
    whole = multipart.upload_assemble(tmp_path, grant, _send_all(tmp_path, grant, [1, 2, 3]))
    _send(tmp_path, grant, 1, b"evil bytes!")
    assert whole.read_bytes() == DATA


def test_only_one_of_two_completions_gets_the_file(tmp_path: Path) -> None:
    grant = _grant()
    etags = _send_all(tmp_path, grant, [1, 2, 3])

    def attempt(_: int) -> str:
        try:
            return multipart.upload_assemble(tmp_path, grant, etags).read_bytes().decode()
        except (UploadChangedError, PartInvalidError):
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))
    assert outcomes == [DATA.decode(), "refused", "refused", "refused"]


def test_completion_is_remembered(tmp_path: Path) -> None:
    assert not multipart.upload_is_complete(tmp_path, _grant())
    multipart.upload_mark_complete(tmp_path, _grant())
    assert multipart.upload_is_complete(tmp_path, _grant())


def test_the_sweep_takes_uploads_whose_newest_part_is_old(tmp_path: Path) -> None:
    old, fresh = _grant(name="upl_old"), _grant(name="upl_fresh")
    _send_all(tmp_path, old, [1])
    _send_all(tmp_path, fresh, [1])
    for path in (tmp_path / "upl_fresh", tmp_path / "upl_old", *(tmp_path / "upl_old").iterdir()):
        os.utime(path, (0, 0))
    assert multipart.uploads_remove_older(tmp_path, datetime.now(UTC) - timedelta(hours=1)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["upl_fresh"]
