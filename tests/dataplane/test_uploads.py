"""Uploads over real HTTP: what is acknowledged is there, what is not left nothing."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from registry.storage import links

Digest = Callable[[bytes], str]


def _link(data: bytes, digest: Digest, **changes: Any) -> str:
    grant = {"sha256": digest(data), "size": len(data), "repository_id": None, "user_id": 0}
    return links.upload_link(**(grant | changes))


def _raw(url: str, head: str, body: bytes) -> socket.socket:
    """Sends a request by hand, so that it may be broken; the caller closes."""
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname, parts.port), timeout=60)
    client.sendall(f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
    return client


def _read_all(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(65_536), b""))


def _row(plane: Any, sha256: str) -> Any:
    return plane.run(
        "from registry.storage.models import LargeObject\n"
        f"result = list(LargeObject.objects.filter(pk={sha256!r}).values_list('size', flat=True))"
    )


def _own_repository(plane: Any, name: str) -> list[int]:
    """Makes a repository and returns its number and its owner's."""
    numbers: list[int] = plane.run(
        "from registry.accounts.selectors import principal_for_user\n"
        "from registry.accounts.services import user_create\n"
        "from registry.repositories.services import repository_create\n"
        f"user = user_create(username={name!r}, password='correct horse battery staple')\n"
        "repository = repository_create("
        "principal=principal_for_user(user), type='model', namespace=None, name='m', private=False)\n"
        "result = [repository.pk, user.pk]"
    )
    return numbers


def _running_job(plane: Any, name: str, state: str = "running") -> list[Any]:
    """Makes a job and returns its id and its requester's number."""
    made: list[Any] = plane.run(
        "from registry.accounts.services import user_create\n"
        "from registry.jobs.models import Job\n"
        f"user = user_create(username={name!r}, password='correct horse battery staple')\n"
        "job = Job.objects.create(kind='finetune', task='text-classification', spec={}, spec_digest='0' * 64,"
        f" requested_by=user, purpose='internal', state={state!r})\n"
        "result = [job.pk, user.pk]"
    )
    return made


def _holders(plane: Any, sha256: str) -> Any:
    """Returns which repositories and jobs hold an object."""
    return plane.run(
        "from registry.jobs.models import JobObject\n"
        "from registry.repositories.models import RepositoryObject\n"
        f"of = {{'large_object': {sha256!r}}}\n"
        "result = [*RepositoryObject.objects.filter(**of).values_list('repository', flat=True),"
        " *JobObject.objects.filter(**of).values_list('job', flat=True)]"
    )


def test_an_upload_is_stored_named_and_acknowledged(plane: Any, digest: Digest) -> None:
    data = os.urandom(2_500_000)
    answer = plane.request("PUT", _link(data, digest), data)
    assert answer.status == 200
    assert answer.json() == {"oid": digest(data), "size": len(data)}
    assert answer.headers["ETag"] == f'"{digest(data)}"'
    assert plane.objects[digest(data)] == data
    assert _row(plane, digest(data)) == [len(data)]
    assert plane.temporary_files == []


def test_an_upload_for_a_repository_is_attached_to_it(plane: Any, digest: Digest) -> None:
    data = os.urandom(1000)
    repository, user = _own_repository(plane, "alice")
    answer = plane.request("PUT", _link(data, digest, repository_id=repository, user_id=user), data)
    assert answer.status == 200
    held = plane.run(
        "from registry.repositories.models import RepositoryObject\n"
        "result = list(RepositoryObject.objects.values_list('repository', 'large_object', 'uploaded_by'))"
    )
    assert [repository, digest(data), user] in held


def test_an_upload_for_a_deleted_repository_is_refused(plane: Any, digest: Digest) -> None:
    data = os.urandom(1000)
    answer = plane.request("PUT", _link(data, digest, repository_id=999_999), data)
    assert answer.status == 404
    assert answer.json()["code"] == "repository_not_found"
    assert _row(plane, digest(data)) == []


def test_the_same_upload_again_succeeds(plane: Any, digest: Digest) -> None:
    data = os.urandom(5000)
    assert [plane.request("PUT", _link(data, digest), data).status for _ in range(2)] == [200, 200]


def test_knowing_a_hash_is_not_having_the_bytes(plane: Any, digest: Digest) -> None:
    data = os.urandom(5000)
    plane.request("PUT", _link(data, digest), data)
    answer = plane.request("PUT", _link(data, digest), b"x" * 5000)
    assert (answer.status, answer.json()["code"]) == (400, "digest_mismatch")


def test_only_who_sends_all_bytes_of_an_existing_object_comes_to_hold_it(plane: Any, digest: Digest) -> None:
    data = os.urandom(5000)
    plane.request("PUT", _link(data, digest), data)
    repository, user = _own_repository(plane, "holder")
    job, _ = _running_job(plane, "requester")
    holders = [{"repository_id": repository, "user_id": user}, {"job_id": job}]
    for body in (b"x" * 5000, b"", data[:-1], data + b"x"):
        for holder in holders:
            whole = plane.request("PUT", _link(data, digest, **holder), body)
            chunked = plane.request("PUT", _link(data, digest, **holder), iter([body]))
            assert {whole.status, chunked.status} <= {400, 413}
    assert _holders(plane, digest(data)) == []
    for holder in holders:
        assert plane.request("PUT", _link(data, digest, **holder), data).status == 200
    assert _holders(plane, digest(data)) == [repository, job]


def test_a_job_that_has_ended_or_is_gone_takes_no_bytes(plane: Any, digest: Digest) -> None:
    data = os.urandom(1000)
    ended, _ = _running_job(plane, "ended-job", "failed")
    late = plane.request("PUT", _link(data, digest, job_id=ended), data)
    assert (late.status, late.json()["code"]) == (412, "stale_attempt")
    gone = plane.request("PUT", _link(data, digest, job_id="job_gone"), data)
    assert (gone.status, gone.json()["code"]) == (404, "job_not_found")
    assert _row(plane, digest(data)) == []


def test_a_chunked_body_is_accepted(plane: Any, digest: Digest) -> None:
    data = os.urandom(300_000)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), 7_777):
            yield data[start : start + 7_777]

    answer = plane.request("PUT", _link(data, digest), chunks())
    assert answer.status == 200
    assert plane.objects[digest(data)] == data


def test_a_compressed_body_is_the_bytes_that_it_decodes_to(plane: Any, digest: Digest) -> None:
    data = b"weights " * 10_000
    answer = plane.request("PUT", _link(data, digest), gzip.compress(data), {"Content-Encoding": "gzip"})
    assert answer.status == 400  # its Content-Length is not the object's
    answer = plane.request("PUT", _link(data, digest), iter([gzip.compress(data)]), {"Content-Encoding": "gzip"})
    assert answer.status == 200


def test_curl_uploads_a_file_from_disk_and_from_a_pipe(plane: Any, digest: Digest, tmp_path: Path) -> None:
    data = os.urandom(1_500_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    subprocess.run(["curl", "-sSf", "-T", str(path), _link(data, digest)], check=True, capture_output=True)
    data += b"more"
    subprocess.run(["curl", "-sSf", "-T", "-", _link(data, digest)], check=True, capture_output=True, input=data)
    assert plane.objects[digest(data)] == data


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"12345", 400, "digest_mismatch"), (b"1234", 400, "size_mismatch"), (b"", 400, "size_mismatch"),
     (b"123456", 413, "too_large"), (b"x" * 3_000_000, 413, "too_large")],
)  # fmt: skip
@pytest.mark.parametrize("chunked", [False, True])
def test_other_bytes_than_announced_are_refused_and_leave_nothing(
    plane: Any, digest: Digest, body: bytes, status: int, code: str, chunked: bool
) -> None:
    before = plane.objects.keys()
    answer = plane.request("PUT", _link(b"hello", digest), iter([body]) if chunked else body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert plane.temporary_files == []
    assert plane.objects.keys() == before


def test_a_body_that_is_too_long_is_refused_before_it_was_sent(plane: Any, digest: Digest) -> None:
    client = _raw(_link(b"hello", digest), "Content-Length: 1000000000000", b"")
    with client:
        assert client.recv(20).startswith(b"HTTP/1.1 413")
    assert plane.temporary_files == []


@pytest.mark.parametrize("head", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_body_that_breaks_off_leaves_nothing(plane: Any, digest: Digest, head: str) -> None:
    data = os.urandom(1_000_000)
    body = data[:500_000] if "Length" in head else b"7A120\r\n" + data[:500_000]
    client = _raw(_link(data, digest), head, body)
    client.shutdown(socket.SHUT_WR)
    _read_all(client)
    assert plane.request("PUT", _link(data, digest), data).status == 200
    assert plane.temporary_files == []


def test_broken_framing_is_a_400(plane: Any, digest: Digest) -> None:
    client = _raw(_link(b"hello", digest), "Transfer-Encoding: chunked", b"not a chunk size\r\n")
    with client:
        assert b" 400 " in client.recv(20)
    assert plane.temporary_files == []


def test_many_send_the_same_object_at_once(plane: Any, digest: Digest) -> None:
    data = os.urandom(1_000_000)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: plane.request("PUT", _link(data, digest), data).status, range(16)))
    assert answers == [200] * 16
    assert plane.objects[digest(data)] == data
    assert plane.temporary_files == []


def test_the_empty_object_uploads(plane: Any, digest: Digest) -> None:
    assert plane.request("PUT", _link(b"", digest), b"").status == 200
    assert plane.objects[digest(b"")] == b""


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_a_link_for_uploading_does_nothing_else(plane: Any, digest: Digest, method: str) -> None:
    answer = plane.request(method, _link(b"hello", digest))
    assert answer.status == 403
    assert "for uploading" in answer.json()["error"]


def test_a_link_for_the_whole_takes_no_parts(plane: Any, digest: Digest) -> None:
    url = _link(b"hello", digest)
    assert plane.request("PUT", f"{url}/1", b"hello").status == 400
    assert plane.request("POST", url, b'{"parts": []}').status == 403


@pytest.mark.parametrize(
    "change", [lambda url: url[:-2], lambda url: url + "x", lambda url: "x".join(url.rsplit(".", 1))]
)
def test_a_forged_upload_link_is_refused(plane: Any, digest: Digest, change: Callable[[str], str]) -> None:
    answer = plane.request("PUT", change(_link(b"hello", digest)), b"hello")
    assert (answer.status, answer.json()["code"]) == (403, "link_invalid")


def test_a_download_link_does_not_upload(plane: Any, digest: Digest) -> None:
    token = links.object_link(sha256=digest(b"hello"), filename="x").rsplit("signature=", 1)[-1]
    assert plane.request("PUT", f"/uploads/{token}", b"hello").status == 403


def test_an_expired_upload_link_is_refused(plane: Any, digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "UPLOAD_LIFETIME_SECONDS", -1)
    answer = plane.request("PUT", _link(b"hello", digest), b"hello")
    assert (answer.status, answer.json()["code"]) == (403, "link_expired")
