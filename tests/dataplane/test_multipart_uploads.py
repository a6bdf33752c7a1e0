"""Multipart uploads over real HTTP, as huggingface_hub and git-lfs send them (hub-api 3.2)."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from registry.storage import links

CHUNK = 300_000
Digest = Callable[[bytes], str]


class Upload:
    """A client of one multipart upload."""

    def __init__(self, plane: Any, data: bytes, digest: Digest) -> None:
        self.plane, self.data, self.oid = plane, data, digest(data)
        self.url, self.parts = links.multipart_links(
            sha256=self.oid, size=len(data), repository_id=None, user_id=0, chunk_size=CHUNK
        )
        self.etags: dict[str, str] = {}

    def piece(self, number: str) -> bytes:
        return self.data[(int(number) - 1) * CHUNK :][:CHUNK]

    def send(self, number: str, body: bytes | None = None) -> Any:
        answer = self.plane.request("PUT", self.parts[number], self.piece(number) if body is None else body)
        if answer.status == 200:
            self.etags[number] = answer.headers["ETag"]
        return answer

    def complete(self, **changes: Any) -> Any:
        parts = [{"partNumber": int(number), "etag": etag} for number, etag in self.etags.items()]
        body = json.dumps({"oid": self.oid, "parts": parts} | changes)
        headers = {"Content-Type": "application/vnd.git-lfs+json", "Accept": "application/vnd.git-lfs+json"}
        return self.plane.request("POST", self.url, body, headers)


@pytest.fixture
def upload(plane: Any, digest: Digest) -> Upload:
    return Upload(plane, os.urandom(5 * CHUNK + 123), digest)


def test_completing_an_object_that_exists_still_takes_all_parts(upload: Upload) -> None:
    link = links.upload_link(sha256=upload.oid, size=len(upload.data), repository_id=None, user_id=0)
    assert upload.plane.request("PUT", link, upload.data).status == 200
    assert upload.complete().status == 400
    for number in list(upload.parts)[:-1]:
        upload.send(number)
    assert upload.complete().status == 400
    upload.send(list(upload.parts)[-1], b"x" * 123)
    refused = upload.complete()
    assert (refused.status, refused.json()["code"]) == (400, "digest_mismatch")


def test_parts_in_any_order_and_at_once_make_the_object(upload: Upload) -> None:
    numbers = list(upload.parts)
    random.Random(4).shuffle(numbers)  # noqa: S311 (an order, no secret)
    with ThreadPoolExecutor(4) as pool:
        assert [answer.status for answer in pool.map(upload.send, numbers)] == [200] * 6
    answer = upload.complete()
    assert (answer.status, answer.json()) == (200, {"oid": upload.oid, "size": len(upload.data)})
    assert upload.plane.objects[upload.oid] == upload.data


def test_a_part_sent_twice_counts_once(upload: Upload) -> None:
    for number in [*upload.parts, "2", "6"]:
        upload.send(number)
    assert upload.complete().status == 200
    assert upload.plane.objects[upload.oid] == upload.data


def test_asking_for_completion_again_succeeds(upload: Upload) -> None:
    for number in upload.parts:
        upload.send(number)
    assert [upload.complete().status for _ in range(3)] == [200, 200, 200]


def test_a_missing_part_is_named_and_may_follow(upload: Upload) -> None:
    for number in list(upload.parts)[:-1]:
        upload.send(number)
    upload.etags["6"] = '"guessed"'
    answer = upload.complete()
    assert (answer.status, answer.json()["code"]) == (400, "part_invalid")
    assert "part 6 of 6 has not arrived" in answer.json()["message"]
    upload.send("6")
    assert upload.complete().status == 200


@pytest.mark.parametrize("body", [b"", b"short", b"x" * (CHUNK + 1)])
def test_a_part_of_the_wrong_size_is_refused(upload: Upload, body: bytes) -> None:
    answer = upload.send("1", body)
    assert answer.status == (413 if len(body) > CHUNK else 400)
    assert "ETag" not in answer.headers


def test_parts_that_are_not_the_object_are_refused_and_dropped(upload: Upload) -> None:
    for number in upload.parts:
        upload.send(number)
    upload.send("3", os.urandom(CHUNK))
    answer = upload.complete()
    assert (answer.status, answer.json()["code"]) == (400, "digest_mismatch")
    assert upload.oid not in upload.plane.objects
    assert upload.complete().status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": None}, {"parts": "x"}, {"parts": [1]}, {"parts": [{"partNumber": "1", "etag": "x"}]},
        {"parts": [{"partNumber": 1}]}, {"parts": [{"partNumber": True, "etag": "x"}]}, {"oid": "0" * 64},
        {"parts": [{"partNumber": 1, "etag": "x"}, {"partNumber": 1, "etag": "x"}]}, {"parts": []},
        {"parts": [{"partNumber": 7, "etag": "x"}]}, {"parts": [{"partNumber": -1, "etag": "x"}]},
    ],
)  # fmt: skip
def test_a_list_that_makes_no_sense_is_refused(upload: Upload, changes: dict[str, Any]) -> None:
    answer = upload.complete(**changes)
    assert (answer.status, answer.json()["code"]) == (400, "part_invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_json_is_refused(upload: Upload, body: bytes) -> None:
    assert upload.plane.request("POST", upload.url, body).status == 400


def test_a_list_that_is_too_long_is_refused(upload: Upload) -> None:
    assert upload.plane.request("POST", upload.url, b" " * (17 << 20)).status == 413


@pytest.mark.parametrize("number", ["0", "7", "999999999"])
def test_a_part_that_does_not_exist_is_refused(upload: Upload, number: str) -> None:
    answer = upload.plane.request("PUT", f"{upload.url}/{number}", b"x")
    assert (answer.status, answer.json()["code"]) == (400, "part_invalid")


def test_zero_padded_part_numbers_are_numbers(upload: Upload) -> None:
    assert upload.plane.request("PUT", f"{upload.url}/00001", upload.piece("1")).status == 200


def test_a_link_for_parts_does_not_take_the_whole(upload: Upload) -> None:
    assert upload.plane.request("PUT", upload.url, upload.data).status == 403
