"""The process: health, CORS, errors, what it logs, how it stops."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from registry.storage import links

PUBLIC = "http://hub.example.org"


def test_it_says_that_it_is_well(plane: Any) -> None:
    answer = plane.request("GET", "/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_every_answer_has_a_request_id(plane: Any) -> None:
    assert plane.request("GET", "/health").headers["X-Request-Id"]
    assert plane.request("GET", "/health", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert plane.request("GET", "/nothing", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"


def test_the_sites_pages_may_read_answers_and_others_may_not(plane: Any) -> None:
    ours = plane.request("GET", "/health", headers={"Origin": PUBLIC})
    assert ours.headers["Access-Control-Allow-Origin"] == PUBLIC
    assert "ETag" in ours.headers["Access-Control-Expose-Headers"]
    assert ours.headers["Vary"] == "Origin"
    for origin in ("https://evil.example", "http://hub.example.org.evil.example", "null", f"{PUBLIC}:8080"):
        other = plane.request("GET", "/health", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in other.headers


def test_preflights_are_answered_for_the_site_alone(plane: Any) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    ours = plane.request("OPTIONS", "/uploads/x", headers={"Origin": PUBLIC, **asked})
    assert ours.status == 204
    assert ours.headers["Access-Control-Allow-Origin"] == PUBLIC
    assert "PUT" in ours.headers["Access-Control-Allow-Methods"]
    assert "Last-Event-ID" in ours.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in ours.headers
    assert plane.request("OPTIONS", "/uploads/x", headers={"Origin": "http://evil", **asked}).status == 403


def test_errors_carry_cors_headers_too(plane: Any) -> None:
    answer = plane.request("GET", "/events/jobs/x?token=", headers={"Origin": PUBLIC})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, PUBLIC)


def test_an_unknown_address_is_a_404_in_json(plane: Any) -> None:
    answer = plane.request("GET", "/api/models")
    assert (answer.status, answer.json()["error"]) == (404, "there is nothing at this address")


def test_a_wrong_method_is_a_405_that_says_what_is_right(plane: Any) -> None:
    answer = plane.request("POST", "/health")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_the_middle_of_everything(
    own_plane: Callable[..., Any], settings: Any, how: signal.Signals
) -> None:
    plane = own_plane()
    settings.OBJECT_URL = plane.url
    data = b"x" * 50_000_000
    name = sha256(data).hexdigest()
    upload = links.upload_link(sha256=name, size=len(data), repository_id=None, user_id=0)
    assert plane.request("PUT", upload, data).status == 200
    download = urlsplit(links.object_link(sha256=name, filename="x"))
    with (
        socket.create_connection((download.hostname, download.port)) as reader,
        socket.create_connection((download.hostname, download.port)) as writer,
    ):
        reader.sendall(f"GET {download.path}?{download.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert reader.recv(12) == b"HTTP/1.1 200"
        path = urlsplit(upload).path
        writer.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:1000])
        assert plane.stop(how) == 0
    assert "Traceback" not in (plane.folder / "log").read_text()


def test_the_log_has_no_signatures(own_plane: Callable[..., Any], settings: Any) -> None:
    plane = own_plane(WEIGHBRIDGE_LOG_LEVEL="DEBUG")
    settings.OBJECT_URL = plane.url
    name = sha256(b"hello").hexdigest()
    upload = links.upload_link(sha256=name, size=5, repository_id=None, user_id=0)
    download = links.object_link(sha256=name, filename="x")
    assert plane.request("PUT", upload, b"hello").status == 200
    assert plane.request("GET", download).status == 200
    shutil.rmtree(plane.folder / "objects")
    (plane.folder / "objects").write_text("a file where a folder should be")
    upload_again = links.upload_link(sha256=name, size=5, repository_id=None, user_id=0)
    answer = plane.request("PUT", upload_again, b"hello")
    plane.stop()
    log = (plane.folder / "log").read_text()
    assert answer.status == 500
    assert answer.json()["error"] == "something went wrong on our side; the log has it"
    assert "unexpected error in the data plane: PUT /uploads/{token}" in log
    for url in (upload, upload_again, download):
        assert url.rsplit("=", 1)[-1].rsplit("/", 1)[-1] not in log


def test_a_port_that_is_taken_is_said(plane: Any) -> None:
    port = str(urlsplit(plane.url).port)
    answer = subprocess.run(
        [sys.executable, "-m", "registry.dataplane", "--port", port],
        env=plane.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in answer.stderr
