"""Safetensors headers: believed only if they fit the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalogue.safetensors import HeaderError, parameter_counts, safetensors_header
from tests.catalogue.conftest import safetensors_bytes  # type: ignore[import-not-found]


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: data[start : start + length]


def counts(data: bytes) -> dict[str, int]:
    return parameter_counts(safetensors_header(reader(data), len(data)))


def with_header(header: Any, data: int = 0, raw: bytes | None = None) -> bytes:
    text = json.dumps(header).encode() if raw is None else raw
    return len(text).to_bytes(8, "little") + text + bytes(data)


def tensor(**facts: Any) -> dict[str, Any]:
    return {"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **facts}}


def test_elements_are_counted_by_dtype() -> None:
    data = safetensors_bytes(a=("F32", [3, 4]), b=("F32", []), c=("I64", [2]), d=("F16", [0, 9]))
    assert counts(data) == {"F32": 13, "I64": 2, "F16": 0}


def test_a_file_of_the_reference_library_is_read(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    library = pytest.importorskip("safetensors.numpy")
    library.save_file({"w": numpy.zeros((5, 7), numpy.float16)}, tmp_path / "x.safetensors")
    assert counts((tmp_path / "x.safetensors").read_bytes()) == {"F16": 35}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"1234567", b"\xff" * 8, (10).to_bytes(8, "little") + b"{}", with_header([]), with_header({}, raw=b"{"),
        with_header({}, raw=b"[" * 100_000), with_header({"t": 1}), with_header(tensor(dtype="F99"), 8),
        with_header(tensor(dtype=3), 8), with_header(tensor(shape="x"), 8), with_header(tensor(shape=[-2]), 8),
        with_header(tensor(shape=[2.0]), 8), with_header(tensor(shape=[True]), 4),
        with_header(tensor(shape=[10**18, 10**18]), 8),
        with_header(tensor(shape=[2] * 40), 8), with_header(tensor(data_offsets=[0, 9]), 8),
        with_header(tensor(data_offsets=[8, 0]), 8), with_header(tensor(data_offsets=[0]), 8), with_header(tensor(), 4),
        with_header(tensor(shape=[3]), 8), with_header(tensor(data_offsets=None), 8),
    ],
)  # fmt: skip
def test_a_hostile_header_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        counts(data)


def test_a_huge_header_is_refused_before_it_is_read() -> None:
    asked: list[int] = []

    def read(_: int, length: int) -> bytes:
        asked.append(length)
        return (2**40).to_bytes(8, "little")

    with pytest.raises(HeaderError):
        safetensors_header(read, 2**50)
    assert asked == [8]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for candidate in (data, with_header({}, raw=data)):
        try:
            counts(candidate)
        except HeaderError:
            continue
