"""Bodies: JSON and forms with limits; what is cut off or too long is noticed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from registry.errors import BadRequestError, InvalidError, TooLargeError
from registry.hub import bodies


def post(data: bytes, content_type: str = "application/json", **headers: Any) -> HttpRequest:
    return RequestFactory().generic("POST", "/", data, content_type, **headers)


class Breaking:
    def read(self, size: int, /) -> bytes:
        assert size
        raise OSError("connection reset")


def test_a_json_object_is_read() -> None:
    assert bodies.json_object(post(b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize("data", [b"", b"  ", b"null"])
def test_no_body_is_an_empty_object(data: bytes) -> None:
    assert bodies.json_object(post(data)) == {}


@pytest.mark.parametrize("data", [b"{", b"[]", b"3", b"\xff", b"[" * 200_000])
def test_what_is_no_json_object_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        bodies.json_object(post(data))


def test_an_announced_length_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(TooLargeError):
        bodies.BodyStream(post(b"x" * 11), 10)


def test_a_chunked_body_is_read_from_the_server_and_limited() -> None:
    request = post(b"")
    request.META.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True})
    request.META["wsgi.input"] = io.BytesIO(b"x" * 11)
    assert bodies.BodyStream(request, 11).read_all() == b"x" * 11
    request.META["wsgi.input"] = io.BytesIO(b"x" * 12)
    with pytest.raises(TooLargeError):
        bodies.BodyStream(request, 11).read_all()


def test_a_body_that_ends_before_its_announced_length_is_noticed() -> None:
    request = post(b"x" * 5)
    request.META["CONTENT_LENGTH"] = "9"
    with pytest.raises(BadRequestError, match="5 of 9"):
        bodies.BodyStream(request, 10).read_all()


def test_a_connection_that_breaks_is_a_bad_request() -> None:
    request = post(b"")
    request.META.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": Breaking()})
    with pytest.raises(BadRequestError, match="ended early"):
        bodies.BodyStream(request, 10).read()


def test_a_form_of_thousands_of_fields_is_read() -> None:
    data = "&".join(f"paths=d/{n}" for n in range(3000)) + "&expand=true&tags[]=a"
    form = bodies.form_or_json(post(data.encode(), "application/x-www-form-urlencoded"))
    assert len(form["paths"]) == 3000
    assert form["expand"] == ["true"]
    assert form["tags"] == ["a"]


@pytest.mark.parametrize("data", [b"paths=\xff", b"paths=%ff"])
def test_a_form_that_is_not_utf8_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        bodies.form_or_json(post(data, "application/x-www-form-urlencoded"))


@pytest.mark.parametrize("value", [5, [], {}, "x" * 11, "a\0b"])
def test_a_text_of_the_wrong_kind_is_invalid(value: Any) -> None:
    with pytest.raises(InvalidError):
        bodies.text_field({"name": value}, "name", limit=10)


def test_a_missing_text_is_named() -> None:
    with pytest.raises(InvalidError, match="`name` is required"):
        bodies.text_field({}, "name")


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("True", True), (1, True), ("on", True), (False, False), ("0", False)]
)
def test_truth_values_are_read_as_clients_spell_them(value: Any, expected: bool) -> None:
    assert bodies.bool_value(value, "flag") is expected


@pytest.mark.parametrize("value", ["maybe", [], 7])
def test_other_values_are_no_truth_values(value: Any) -> None:
    with pytest.raises(InvalidError):
        bodies.bool_value(value, "flag")
