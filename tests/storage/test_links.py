"""Signed links: what is signed comes back, what is changed does not."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.storage import links, signatures
from registry.storage.content_disposition import content_disposition
from registry.storage.errors import DigestInvalidError, LinkExpiredError, LinkInvalidError

SHA = "ab" * 32
KEYS = ["a key", "an older key"]
_texts = st.lists(st.text(), max_size=5)


def _read(url: str, **changes: str | None) -> links.ObjectLink:
    parts = urlsplit(url)
    _, _, sha256, filename = parts.path.split("/")
    values: dict[str, str | None] = {"sha256": sha256, "filename": unquote(filename), **dict(parse_qsl(parts.query))}
    values |= changes
    query = {key: value for key, value in values.items() if value is not None}
    return links.object_link_read(query.pop("sha256"), query.pop("filename"), query)


def test_an_object_link_says_what_it_was_made_for(settings: Any) -> None:
    settings.OBJECT_URL = "https://bytes.example.org"
    url = links.object_link(
        sha256=SHA, filename="a b/mödel #1.bin", content_type="text/plain; charset=utf-8", disposition="attachment"
    )
    assert url.startswith(f"https://bytes.example.org/objects/{SHA}/m%C3%B6del%20%231.bin?")
    link = _read(url)
    assert (link.sha256, link.filename, link.content_type, link.disposition) == (
        SHA, "mödel #1.bin", "text/plain; charset=utf-8", "attachment",
    )  # fmt: skip


def test_an_object_link_can_name_another_address() -> None:
    assert links.object_link(sha256=SHA, filename="x", base_url="https://elsewhere").startswith("https://elsewhere/obj")


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "cd" * 32}, {"filename": "other.bin"}, {"type": "text/html"}, {"disposition": "attachment"},
        {"expires": "99999999999"}, {"signature": "A" * 43}, {"signature": ""}, {"signature": None},
        {"expires": None}, {"type": None}, {"disposition": None}, {"disposition": "evil"}, {"expires": "soon"},
        {"signature": "ü"}, {"expires": "٣"},
    ],
)  # fmt: skip
def test_any_change_makes_a_link_worthless(change: dict[str, str | None]) -> None:
    url = links.object_link(sha256=SHA, filename="model.bin")
    with pytest.raises(LinkInvalidError, match="ask for a new one"):
        _read(url, **change)


def test_parameters_of_others_do_no_harm() -> None:
    url = links.object_link(sha256=SHA, filename="model.tar.gz")
    assert _read(url, **{"tf-hub-format": "compressed"}).sha256 == SHA


def test_an_expired_link_says_that_it_has_expired() -> None:
    url = links.object_link(sha256=SHA, filename="x", expires_in=-1)
    with pytest.raises(LinkExpiredError, match="expired"):
        _read(url)


def test_a_link_is_made_for_digests_only() -> None:
    with pytest.raises(DigestInvalidError, match="64 lower-case"):
        links.object_link(sha256="../../etc/passwd", filename="x")


def test_a_rotated_key_still_verifies_and_a_removed_one_does_not(settings: Any) -> None:
    settings.SECRET_KEY = "old"
    url = links.object_link(sha256=SHA, filename="x")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert _read(url).sha256 == SHA
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(LinkInvalidError):
        _read(url)


def test_the_secret_is_not_in_the_link(settings: Any) -> None:
    assert settings.SECRET_KEY not in links.object_link(sha256=SHA, filename="x")


def test_claims_come_back_for_their_salt_alone() -> None:
    token = links.sign_claims({"job": "job_1"}, salt="job-events", expires_in=60)
    assert re.fullmatch(r"[\w.-]+", token)
    assert links.read_claims(token, salt="job-events") == {"job": "job_1"}
    with pytest.raises(LinkInvalidError):
        links.read_claims(token, salt="upload")


def test_claims_expire() -> None:
    token = links.sign_claims({}, salt="s", expires_in=0)
    with pytest.raises(LinkExpiredError):
        links.read_claims(token, salt="s")


@pytest.mark.parametrize("token", ["", ".", "a.b", "é.é", "x" * 10_000])
def test_rubbish_is_no_token(token: str) -> None:
    with pytest.raises(LinkInvalidError):
        links.read_claims(token, salt="s")


def test_an_upload_link_grants_one_object(settings: Any) -> None:
    url = links.upload_link(sha256=SHA, size=7, repository_id=3, user_id=4)
    assert url.startswith(f"{settings.OBJECT_URL}/uploads/")
    grant = links.upload_grant_read(url.rsplit("/", 1)[-1])
    assert (grant.sha256, grant.size, grant.repository_id, grant.user_id) == (SHA, 7, 3, 4)
    assert (grant.part_count, grant.part_size(1)) == (1, 7)


def test_multipart_links_have_one_address_a_part() -> None:
    completion, parts = links.multipart_links(sha256=SHA, size=10, repository_id=1, user_id=1, chunk_size=4)
    assert list(parts) == ["1", "2", "3"]
    assert all(url == f"{completion}/{number}" for number, url in parts.items())
    grant = links.upload_grant_read(completion.rsplit("/", 1)[-1])
    assert [grant.part_size(number) for number in (1, 2, 3)] == [4, 4, 2]


@given(st.integers(1, 10**14), st.integers(1, 10**10))
def test_parts_cover_the_object_exactly(size: int, chunk_size: int) -> None:
    count = links.part_count(size, chunk_size)
    assert (count - 1) * chunk_size < size <= count * chunk_size


@given(_texts, _texts)
def test_a_signature_is_good_for_its_own_fields_only(fields: list[str], others: list[str]) -> None:
    signature = signatures.sign(KEYS, "purpose", fields)
    assert signatures.verify(KEYS, "purpose", others, signature) == (fields == others)


@given(_texts, st.text(), st.text())
def test_a_signature_is_good_for_its_own_purpose_only(fields: list[str], purpose: str, other: str) -> None:
    signature = signatures.sign(KEYS, purpose, fields)
    assert signatures.verify(KEYS, other, fields, signature) == (purpose == other)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_sealed_claims_unseal_to_themselves(claims: dict[str, Any]) -> None:
    assert signatures.unseal(KEYS[1:], "p", signatures.seal(KEYS[1:], "p", claims)) == claims


def test_older_keys_verify_and_the_first_one_signs() -> None:
    assert signatures.verify(KEYS, "p", ["x"], signatures.sign(KEYS[1:], "p", ["x"]))
    assert not signatures.verify(KEYS[1:], "p", ["x"], signatures.sign(KEYS, "p", ["x"]))


def test_links_live_as_long_as_the_settings_say(settings: Any) -> None:
    settings.LINK_LIFETIME_SECONDS = 1234
    link = _read(links.object_link(sha256=SHA, filename="x"))
    assert 1200 < link.expires_at - time.time() <= 1234


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("model.bin", "inline; filename*=UTF-8''model.bin; filename=\"model.bin\""),
        ('a"b\\c.bin', "inline; filename*=UTF-8''a%22b%5Cc.bin; filename=\"a_b_c.bin\""),
        ("模型 1.bin", "inline; filename*=UTF-8''%E6%A8%A1%E5%9E%8B%201.bin; filename=\"__ 1.bin\""),
        ("x\r\nSet-Cookie: y", "inline; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20y; filename=\"x__Set-Cookie: y\""),
    ],
)
def test_a_file_name_survives_every_client(filename: str, expected: str) -> None:
    assert content_disposition("inline", filename) == expected
