"""Signing receipts: one Ed25519 key, published as JWKS (RFC 7515, 7517, 8037; algorithm name of RFC 9864).

The key comes from `WEIGHBRIDGE_RECEIPT_KEY` (PEM), else from a file in the data folder that is made on first use and
readable by its owner alone. It never leaves this module.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from registry.licensing.errors import ReceiptInvalidError

ALGORITHM = "Ed25519"
RECEIPT_TYPE = "weighbridge-receipt+jws"


@functools.lru_cache(maxsize=4)
def _key(pem: str, path: Path) -> OKPKey:
    key = OKPKey.import_key(pem or _read_or_make(path))
    return OKPKey.import_key(key.as_dict(private=True), {"kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM})


def _read_or_make(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = OKPKey.generate_key("Ed25519").as_pem(private=True)
        _write_once(path, made)
    return path.read_text(encoding="ascii")


def _write_once(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, readable by its owner alone; another process that was quicker wins."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def signing_key() -> OKPKey:
    """Returns the key of this installation, private part included."""
    return _key(settings.RECEIPT_KEY, Path(settings.RECEIPT_KEY_FILE))


def public_keys() -> dict[str, Any]:
    """Returns the JWK Set that anybody may verify receipts with."""
    return dict(KeySet([signing_key()]).as_dict(private=False))


def sign(claims: Mapping[str, Any]) -> str:
    """Returns claims as a compact JWS."""
    key = signing_key()
    header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": RECEIPT_TYPE}
    payload = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return jws.serialize_compact(header, payload.encode(), key, algorithms=[ALGORITHM])


def verify(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the claims of a receipt whose signature is good. Needs no database and no network.

    Args:
        token: the compact JWS.
        keys: a JWK Set.

    Raises:
        ReceiptInvalidError: form, type, key or signature is not good.
    """
    try:
        signed = jws.deserialize_compact(token, KeySet.import_key_set(dict(keys)), algorithms=[ALGORITHM])  # type: ignore[arg-type]
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, KeyError) as error:
        raise ReceiptInvalidError(f"the receipt is not good: {type(error).__name__}") from None
    if signed.headers().get("typ") != RECEIPT_TYPE or not isinstance(claims, dict):
        raise ReceiptInvalidError("this is signed by the registry but is no receipt")
    return claims
