"""Downloads over real HTTP, with Python's client and with curl."""

from __future__ import annotations

import email
import hashlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from registry.storage import links

DATA = os.urandom(3 * 1024 * 1024 + 17)
Upload = Callable[[bytes], str]


@pytest.fixture
def url(upload: Upload) -> str:
    return links.object_link(sha256=upload(DATA), filename="model weights.bin")


def _curl(*arguments: str) -> bytes:
    return subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True).stdout


def test_the_whole_object_comes_with_every_header(plane: Any, upload: Upload) -> None:
    sha256 = upload(DATA)
    url = links.object_link(sha256=sha256, filename="a b.bin", content_type="text/html", disposition="attachment")
    answer = plane.request("GET", url)
    assert answer.status == 200
    assert answer.body == DATA
    expected = {
        "ETag": f'"{sha256}"',
        "Content-Length": str(len(DATA)),
        "Content-Type": "text/html",
        "Accept-Ranges": "bytes",
        "Content-Disposition": "attachment; filename*=UTF-8''a%20b.bin; filename=\"a b.bin\"",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Referrer-Policy": "no-referrer",
        "Server": "Weighbridge",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["Cache-Control"].startswith("private, max-age=3")
    assert answer.headers["Cache-Control"].endswith("immutable")


def test_head_has_the_headers_of_get_and_no_body(plane: Any, url: str) -> None:
    get, head = plane.request("GET", url), plane.request("HEAD", url)
    assert head.status == 200
    assert head.body == b""
    changing = {"Date", "X-Request-Id", "Cache-Control"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }


@pytest.mark.parametrize(
    ("asked", "part", "says"),
    [
        ("0-0", slice(0, 1), "0-0"),
        ("100-199", slice(100, 200), "100-199"),
        ("3145700-", slice(3145700, None), f"3145700-{len(DATA) - 1}"),
        ("-5", slice(-5, None), f"{len(DATA) - 5}-{len(DATA) - 1}"),
        ("1000-99999999", slice(1000, None), f"1000-{len(DATA) - 1}"),
    ],
)
def test_a_range_is_a_206_with_just_its_bytes(plane: Any, url: str, asked: str, part: slice, says: str) -> None:
    answer = plane.request("GET", url, headers={"Range": f"bytes={asked}"})
    assert answer.status == 206
    assert answer.body == DATA[part]
    assert answer.headers["Content-Range"] == f"bytes {says}/{len(DATA)}"
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_several_ranges_come_as_multipart(plane: Any, url: str) -> None:
    answer = plane.request("GET", url, headers={"Range": "bytes=0-9,100000-200000,-7"})
    assert answer.status == 206
    assert "Content-Range" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(answer.body))
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + answer.body).get_payload()
    expected = ["0-9", "100000-200000", f"{len(DATA) - 7}-{len(DATA) - 1}"]
    assert [part["Content-Range"] for part in parts] == [f"bytes {says}/{len(DATA)}" for says in expected]
    for part in (DATA[:10], DATA[100_000:200_001], DATA[-7:]):  # the parser above is for text: look for the bytes
        assert b"\r\n\r\n" + part + b"\r\n--" in answer.body


def test_a_range_beyond_the_end_is_a_416_that_says_the_size(plane: Any, url: str) -> None:
    answer = plane.request("GET", url, headers={"Range": f"bytes={len(DATA)}-"})
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert str(len(DATA)) in answer.json()["error"]


def test_a_known_object_is_not_sent_again(plane: Any, url: str) -> None:
    etag = plane.request("HEAD", url).headers["ETag"]
    answer = plane.request("GET", url, headers={"If-None-Match": etag})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)


def test_a_failed_precondition_is_a_412(plane: Any, url: str) -> None:
    assert plane.request("GET", url, headers={"If-Match": '"other"'}).status == 412


def test_if_range_sends_the_whole_when_the_object_is_another(plane: Any, url: str) -> None:
    etag = plane.request("HEAD", url).headers["ETag"]
    same = plane.request("GET", url, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = plane.request("GET", url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status, same.body) == (206, DATA[:10])
    assert (other.status, other.body) == (200, DATA)


def test_a_connection_serves_many_requests(plane: Any, url: str, tmp_path: Path) -> None:
    for number in range(5):  # one curl, one connection
        (tmp_path / f"config{number}").write_text("")
    output = _curl("-w", "%{num_connects}\n", "-r", "0-9", "-o", os.devnull, url, "-o", os.devnull, url)
    assert output.split() == [b"1", b"0"]


def test_curl_gets_a_range(url: str) -> None:
    assert _curl("-r", "5-14", url) == DATA[5:15]


def test_curl_resumes_where_it_was_cut(url: str, tmp_path: Path) -> None:
    target = tmp_path / "download"
    target.write_bytes(DATA[:1_234_567])
    _curl("-C", "-", "-o", str(target), url)
    assert target.read_bytes() == DATA


def test_curl_takes_the_file_name_from_the_address(url: str, tmp_path: Path) -> None:
    subprocess.run(["curl", "-sSOJ", url], cwd=tmp_path, check=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [DATA]


def test_the_empty_object_downloads(plane: Any, upload: Upload) -> None:
    answer = plane.request("GET", links.object_link(sha256=upload(b""), filename="empty"))
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_missing_object_is_a_404(plane: Any) -> None:
    answer = plane.request("GET", links.object_link(sha256="0" * 64, filename="x"))
    assert answer.status == 404
    assert answer.json()["code"] == "object_missing"


def test_a_forged_link_is_refused_in_words(plane: Any, url: str) -> None:
    answer = plane.request("GET", url[:-3] + "AAA")
    assert answer.status == 403
    assert answer.json()["error"] == "this link is incomplete or was changed: ask for a new one where you got it"
    assert answer.headers["X-Error-Message"] == answer.json()["error"]


def test_an_expired_link_is_refused_in_words(plane: Any, upload: Upload) -> None:
    answer = plane.request("HEAD", links.object_link(sha256=upload(DATA), filename="x", expires_in=-1))
    assert answer.status == 403
    assert answer.headers["X-Error-Message"] == "this link has expired: ask for a new one where you got it"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_a_link_for_reading_does_nothing_else(plane: Any, url: str, method: str) -> None:
    answer = plane.request(method, url)
    assert answer.status == 403
    assert "for downloading" in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/objects/../../../../etc/passwd", "/objects/..%2f..%2f..%2fetc%2fpasswd/x", "/objects/%2e%2e/%2e%2e",
        f"/objects/{'0' * 64}/..%2f..%2fsecrets", f"/objects/{'0' * 64}/", "/objects/", "/", "/etc/passwd",
        f"/objects/{'0' * 64}/%00",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_store(plane: Any, path: str) -> None:
    answer = plane.request("GET", path)
    assert answer.status in {403, 404}
    assert "error" in answer.json()


def test_a_strange_media_type_becomes_octets(plane: Any, upload: Upload) -> None:
    url = links.object_link(sha256=upload(DATA), filename="x", content_type="text/html\r\nSet-Cookie: a=b")
    answer = plane.request("HEAD", url)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "Set-Cookie" not in answer.headers


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(plane: Any, url: str) -> None:
    parts = urlsplit(url)
    for _ in range(5):
        with socket.create_connection((parts.hostname, parts.port)) as client:
            client.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert plane.request("GET", url).body == DATA


@pytest.fixture(params=["memory", "s3"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Stores whose bytes are no files of the plane's machine; S3 is moto's server, out of the clients' reach."""
    if request.param == "memory":
        yield "memory://plane"
        return
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="objects")
    yield f"s3://objects?endpoint={endpoint}&presign=false"
    server.stop()


def test_a_store_without_files_is_streamed_with_ranges(
    own_plane: Callable[..., Any], settings: Any, store_url: str
) -> None:
    plane = own_plane(WEIGHBRIDGE_OBJECT_STORE_URL=store_url, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
    settings.OBJECT_URL = plane.url
    sha256 = hashlib.sha256(DATA).hexdigest()
    upload = links.upload_link(sha256=sha256, size=len(DATA), repository_id=None, user_id=0)
    assert plane.request("PUT", upload, DATA).status == 200
    assert plane.temporary_files == []
    url = links.object_link(sha256=sha256, filename="x")
    assert plane.request("GET", url).body == DATA
    assert plane.request("GET", url, headers={"Range": "bytes=1048570-2097160"}).body == DATA[1048570:2097161]
    assert plane.request("GET", url, headers={"Range": "bytes=0-1,-2"}).status == 206
    assert plane.request("HEAD", url).headers["Content-Length"] == str(len(DATA))
    assert plane.request("GET", links.object_link(sha256="0" * 64, filename="x")).status == 404
