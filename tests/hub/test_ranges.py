"""Ranges and validators of small files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RangeError
from registry.hub.ranges import etag_matches, parse_range, range_applies


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=a-b", None),
        ("lines=0-5", None),
        ("bytes=0-1,5-6", None),
    ],
)
def test_which_bytes_are_sent(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=0-", 0), ("bytes=-0", 100), ("bytes=-5", 0)])
def test_a_start_beyond_the_end_is_not_satisfiable(header: str, size: int) -> None:
    with pytest.raises(RangeError) as raised:
        parse_range(header, size)
    assert raised.value.details["headers"] == {"Content-Range": f"bytes */{size}"}


@given(st.integers(0, 50), st.integers(0, 80), st.integers(1, 60))
def test_a_range_lies_within_the_file(first: int, last: int, size: int) -> None:
    try:
        span = parse_range(f"bytes={first}-{last}", size)
    except RangeError:
        assert first >= size
        return
    if span is not None:
        assert 0 <= span[0] < span[1] <= size


@pytest.mark.parametrize(
    ("header", "matches"),
    [(None, False), ("", False), ('"abc"', True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True), ('"x"', False)],
)
def test_if_none_match(header: str | None, matches: bool) -> None:
    assert etag_matches(header, "abc") is matches


@pytest.mark.parametrize(("header", "applies"), [(None, True), ('"abc"', True), ('W/"abc"', False), ('"x"', False)])
def test_if_range_wants_the_same_strong_tag(header: str | None, applies: bool) -> None:
    assert range_applies(header, "abc") is applies
