"""Ranges and conditions by RFC 9110: examples of the text, and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.dataplane.ranges import ByteRange, Outcome, parse_ranges, plan_response
from registry.errors import RangeError

ETAG = "ab" * 32


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=500-", [(500, 1000)]),
        ("bytes=-500", [(500, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("bytes=900-5000", [(900, 1000)]),
        ("BYTES = 0-1", [(0, 2)]),
        ("bytes=0-0,-1", [(0, 1), (999, 1000)]),
        ("bytes= 0-1 , 5-6,,", [(0, 2), (5, 7)]),
        ("bytes=0-1,2000-3000", [(0, 2)]),
    ],
)
def test_satisfiable_ranges_are_clipped_and_kept_in_order(header: str, expected: list[tuple[int, int]]) -> None:
    assert parse_ranges(header, 1000) == tuple(ByteRange(*pair) for pair in expected)


@pytest.mark.parametrize(
    "header",
    [
        "", "bytes", "bytes=", "bytes=,", "items=0-1", "bytes=a-b", "bytes=5-4", "bytes=-", "bytes=1", "bytes=0x1-2",
        "bytes=0-1;2-3", "bytes=٣-٤", "bytes=0-1,x", "bytes=" + "9" * 40 + "-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2)), "bytes=0-,0-,0-",
    ],
)  # fmt: skip
def test_what_is_not_understood_or_not_fair_is_ignored(header: str) -> None:
    assert parse_ranges(header, 1000) == ()


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=1000-,5000-"])
def test_a_start_beyond_the_end_is_an_error_that_knows_the_size(header: str) -> None:
    with pytest.raises(RangeError, match="1000 bytes") as caught:
        parse_ranges(header, 1000)
    assert caught.value.details["size"] == 1000


def test_nothing_of_an_empty_object_can_be_asked_for() -> None:
    with pytest.raises(RangeError):
        parse_ranges("bytes=0-", 0)


@given(st.integers(0, 1000), st.integers(0, 1200), st.integers(0, 1200))
def test_a_range_is_the_slice_it_says(size: int, first: int, last: int) -> None:
    data = bytes(index % 251 for index in range(size))
    header = f"bytes={first}-{last}"
    if first > last:
        assert parse_ranges(header, size) == ()
    elif first >= size:
        with pytest.raises(RangeError):
            parse_ranges(header, size)
    else:
        (part,) = parse_ranges(header, size)
        assert data[part.start : part.stop] == data[first : last + 1]
        assert part.content_range(size) == f"bytes {first}-{min(last, size - 1)}/{size}"


@given(st.text() | st.from_regex(r"bytes=[0-9,\- ]*", fullmatch=True), st.integers(0, 10**6))
def test_any_header_gives_ranges_inside_or_a_416(header: str, size: int) -> None:
    try:
        ranges = parse_ranges(header, size)
    except RangeError:
        return
    assert all(0 <= part.start < part.stop <= size for part in ranges)
    assert sum(part.length for part in ranges) <= size


@pytest.mark.parametrize(
    ("method", "headers", "outcome"),
    [
        ("GET", {}, Outcome.WHOLE),
        ("GET", {"Range": "bytes=0-0"}, Outcome.PARTIAL),
        ("HEAD", {"Range": "bytes=0-0"}, Outcome.WHOLE),
        ("GET", {"If-None-Match": f'"{ETAG}"'}, Outcome.NOT_MODIFIED),
        ("GET", {"If-None-Match": f'W/"{ETAG}"'}, Outcome.NOT_MODIFIED),
        ("GET", {"If-None-Match": f'"x", "{ETAG}"'}, Outcome.NOT_MODIFIED),
        ("HEAD", {"If-None-Match": "*"}, Outcome.NOT_MODIFIED),
        ("GET", {"If-None-Match": '"x"'}, Outcome.WHOLE),
        ("GET", {"If-None-Match": f'"{ETAG}"', "Range": "bytes=0-0"}, Outcome.NOT_MODIFIED),
        ("GET", {"If-Match": '"x"', "Range": "bytes=0-0"}, Outcome.PRECONDITION_FAILED),
        ("GET", {"If-Match": f'W/"{ETAG}"'}, Outcome.PRECONDITION_FAILED),
        ("GET", {"If-Match": f'"{ETAG}"', "Range": "bytes=0-0"}, Outcome.PARTIAL),
        ("GET", {"If-Range": f'"{ETAG}"', "Range": "bytes=0-0"}, Outcome.PARTIAL),
        ("GET", {"If-Range": '"x"', "Range": "bytes=0-0"}, Outcome.WHOLE),
        ("GET", {"If-Range": f'W/"{ETAG}"', "Range": "bytes=0-0"}, Outcome.WHOLE),
        ("GET", {"If-Range": "Sat, 29 Oct 1994 19:43:31 GMT", "Range": "bytes=0-0"}, Outcome.WHOLE),
        ("GET", {"If-Range": '"x"', "Range": "bytes=9999-"}, Outcome.WHOLE),
    ],
)
def test_conditions_come_in_the_order_of_the_rfc(method: str, headers: dict[str, str], outcome: Outcome) -> None:
    assert plan_response(method, headers, etag=ETAG, size=1000).outcome is outcome
