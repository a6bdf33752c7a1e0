"""Receipts are signed by a key of one's own and verify with its public part alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from registry.licensing import signing
from registry.licensing.errors import ReceiptInvalidError


@pytest.fixture(autouse=True)
def _key_file(settings: Any, tmp_path: Path) -> None:
    settings.RECEIPT_KEY = ""
    settings.RECEIPT_KEY_FILE = tmp_path / "secrets" / "key.pem"


def test_what_is_signed_verifies_with_the_public_keys(settings: Any) -> None:
    token = signing.sign({"sub": "bob", "text": "§1"})
    assert signing.verify(token, signing.public_keys()) == {"sub": "bob", "text": "§1"}
    assert stat.S_IMODE(settings.RECEIPT_KEY_FILE.stat().st_mode) == 0o600
    assert [set(key) & {"d"} for key in signing.public_keys()["keys"]] == [set()]


def test_the_key_survives_a_restart_and_can_come_from_the_environment(settings: Any) -> None:
    token = signing.sign({"sub": "bob"})
    signing._key.cache_clear()
    assert signing.verify(token, signing.public_keys())
    settings.RECEIPT_KEY = OKPKey.generate_key("Ed25519").as_pem(private=True).decode()
    with pytest.raises(ReceiptInvalidError):
        signing.verify(token, signing.public_keys())


@pytest.mark.parametrize("spoil", ["", "a.b", "a.b.c", None])
def test_a_spoilt_receipt_is_refused(spoil: str | None) -> None:
    head, body, signature = signing.sign({"sub": "bob"}).split(".")
    forged = f"{head}.{body[:-2]}AA.{signature}" if spoil is None else spoil
    with pytest.raises(ReceiptInvalidError):
        signing.verify(forged, signing.public_keys())


def test_something_else_that_is_signed_is_no_receipt() -> None:
    key = signing.signing_key()
    other = jws.serialize_compact({"alg": "Ed25519", "kid": str(key.kid)}, b"{}", key, algorithms=["Ed25519"])
    with pytest.raises(ReceiptInvalidError, match="no receipt"):
        signing.verify(other, signing.public_keys())


def test_a_key_that_another_process_wrote_first_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "key"
    signing._write_once(path, b"first")
    signing._write_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
