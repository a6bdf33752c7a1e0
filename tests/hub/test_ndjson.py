"""The commit body: line by line, in any block size, and every way it can be wrong."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import BadRequestError, DomainError, InvalidError, TooLargeError
from registry.hub import ndjson
from registry.hub.ndjson import Deletion, File, Header, LfsFile, parse_commit, read_lines

LIMIT = 1000


def body(*entries: tuple[str, Any]) -> bytes:
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in entries)


HEADER = ("header", {"summary": "Add", "description": ""})


def parse(data: bytes, max_file_size: int = LIMIT) -> list[ndjson.Line]:
    return list(parse_commit(io.BytesIO(data).read, max_file_size=max_file_size))


def in_blocks(data: bytes, size: int) -> Callable[[int], bytes]:
    stream = io.BytesIO(data)
    return lambda wanted: stream.read(min(size, wanted))


def test_every_operation_is_read() -> None:
    content = base64.b64encode(b"\x00\xff").decode()
    data = body(
        ("header", {"summary": "S", "description": "D", "parentCommit": "a" * 40}),
        ("file", {"path": "a.bin", "content": content, "encoding": "base64"}),
        ("file", {"path": "b.txt", "content": "grüße", "encoding": "utf-8"}),
        ("lfsFile", {"path": "c.bin", "algo": "sha256", "oid": "b" * 64, "size": 7}),
        ("lfsFile", {"path": "d.bin", "algo": "sha256", "oid": "b" * 64}),
        ("deletedFile", {"path": "e"}),
        ("deletedFolder", {"path": "f/"}),
    )
    assert parse(data + b"\n") == [
        Header("S", "D", "a" * 40),
        File("a.bin", b"\x00\xff"),
        File("b.txt", "grüße".encode()),
        LfsFile("c.bin", "b" * 64, 7),
        LfsFile("d.bin", "b" * 64, None),
        Deletion("e", folder=False),
        Deletion("f/", folder=True),
    ]


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.integers(1, 50))
def test_lines_do_not_depend_on_how_the_bytes_arrive(lines: list[bytes], size: int) -> None:
    data = b"\n".join(lines)
    expected = [line.strip() for line in lines if line.strip()]
    assert list(read_lines(in_blocks(data, size), limit=1000)) == expected


def test_a_line_longer_than_the_limit_is_refused_before_it_is_whole() -> None:
    read: list[int] = []

    def endless(size: int) -> bytes:
        read.append(size)
        return b"x" * size

    with pytest.raises(TooLargeError):
        list(read_lines(endless, limit=1_000_000))
    assert sum(read) < 2_000_000


def test_a_file_of_exactly_the_limit_fits() -> None:
    content = base64.b64encode(b"x" * LIMIT).decode()
    assert parse(body(HEADER, ("file", {"path": "a", "content": content, "encoding": "base64"})))[1] == File(
        "a", b"x" * LIMIT
    )


def test_a_file_over_the_limit_is_sent_to_lfs() -> None:
    content = base64.b64encode(b"x" * (LIMIT + 1)).decode()
    with pytest.raises(TooLargeError, match="LFS"):
        parse(body(HEADER, ("file", {"path": "a", "content": content, "encoding": "base64"})))


def test_too_many_operations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "MAX_OPERATIONS", 3)
    with pytest.raises(TooLargeError):
        parse(body(HEADER, *[("deletedFile", {"path": str(n)}) for n in range(3)]))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", BadRequestError),
        (b"not json", BadRequestError),
        (b"[1]", BadRequestError),
        (b"[" * 50_000, BadRequestError),
        (b'{"key": "header"}', BadRequestError),
        (body(("deletedFile", {"path": "a"})), BadRequestError),
        (body(HEADER, HEADER), BadRequestError),
        (body(HEADER, ("renamedFile", {"path": "a"})), BadRequestError),
        (body(("header", {"summary": "  "})), InvalidError),
        (body(("header", {})), InvalidError),
        (body(("header", {"summary": 1})), InvalidError),
        (body(("header", {"summary": "S", "description": 1})), InvalidError),
        (body(("header", {"summary": "S", "parentCommit": 1})), InvalidError),
        (body(HEADER, ("file", {"path": "a"})), InvalidError),
        (body(HEADER, ("file", {"path": "", "content": ""})), InvalidError),
        (body(HEADER, ("file", {"path": "a", "content": "!!", "encoding": "base64"})), InvalidError),
        (body(HEADER, ("file", {"path": "a", "content": "é", "encoding": "base64"})), InvalidError),
        (body(HEADER, ("file", {"path": "a", "content": "", "encoding": "latin"})), InvalidError),
        (body(HEADER, ("lfsFile", {"path": "a", "algo": "md5", "oid": "x"})), InvalidError),
        (body(HEADER, ("lfsFile", {"path": "a", "oid": "x", "size": -1})), InvalidError),
        (body(HEADER, ("lfsFile", {"path": "a", "oid": "x", "size": True})), InvalidError),
        (body(HEADER, ("lfsFile", {"path": "a", "oid": 5})), InvalidError),
        (body(HEADER, ("deletedFile", {})), InvalidError),
    ],
)
def test_what_is_wrong_is_refused(data: bytes, error: type[DomainError]) -> None:
    with pytest.raises(error):
        parse(data)
