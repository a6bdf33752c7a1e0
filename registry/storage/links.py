"""Signed, expiring links: to read an object, to upload one, and to carry claims to the data plane.

A link is the whole authorization (hub-api 0.2): whoever makes one has asked the gate before. Clients call these
addresses without their token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

from django.conf import settings

from registry.identifiers import new_id
from registry.storage import signatures
from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import LinkExpiredError, LinkInvalidError
from registry.storage.stores import Disposition, get_store

UPLOAD_SALT = "upload"
# A slow line needs hours for one large file, and a client may resume its parts the next morning.
UPLOAD_LIFETIME_SECONDS = 86_400
_OBJECT_PURPOSE = "object"
_BAD_LINK = "this link is incomplete or was changed: ask for a new one where you got it"


@dataclass(frozen=True, kw_only=True)
class ObjectLink:
    """What a signed object URL says, after its signature was checked."""

    sha256: Sha256
    filename: str
    content_type: str
    disposition: Disposition
    expires_at: int

    def fields(self) -> list[str]:
        """Returns everything that the signature covers."""
        return [self.sha256, self.filename, self.content_type, self.disposition, str(self.expires_at)]


@dataclass(frozen=True, kw_only=True)
class UploadGrant:
    """What an upload token allows: these bytes, for this repository or this job, by this person.

    The receiver of the bytes records who brought them, and that row is what later gives access to them; with neither
    repository nor job the bytes are only stored, and collected.
    `chunk_size` is None for one PUT of the whole body; else the body comes in parts of that many bytes.
    """

    id: str
    sha256: Sha256
    size: int
    repository_id: int | None
    user_id: int
    chunk_size: int | None
    job_id: str | None = None

    @property
    def part_count(self) -> int:
        """Number of parts: ceil(size / chunk_size) (hub-api 3.2)."""
        return 1 if self.chunk_size is None else part_count(self.size, self.chunk_size)

    def part_size(self, number: int) -> int:
        """Returns the exact size in bytes of part `number`, counted from 1."""
        if self.chunk_size is None:
            return self.size
        return min(self.chunk_size, self.size - (number - 1) * self.chunk_size)


def object_link(  # noqa: PLR0913 (a value each that the URL carries)
    *,
    sha256: str,
    filename: str,
    content_type: str = "application/octet-stream",
    disposition: Disposition = "inline",
    expires_in: int | None = None,
    base_url: str | None = None,
) -> str:
    """Returns a URL that serves an object's bytes to GET and HEAD, with ranges, for `expires_in` seconds.

    The store's own presigned URL where it has one (that one is for GET alone), else one of the data plane with the
    file name in the path, as `torch.hub.load_state_dict_from_url` and `wget` want it.

    Raises:
        DigestInvalidError: `sha256` is no digest.
    """
    digest = parse_sha256(sha256)
    name = filename.rsplit("/", 1)[-1] or digest
    lifetime = settings.LINK_LIFETIME_SECONDS if expires_in is None else expires_in
    presigned = get_store().presigned_url(
        digest, filename=name, content_type=content_type, disposition=disposition, expires_in=lifetime
    )
    if presigned is not None:
        return presigned
    link = ObjectLink(
        sha256=digest,
        filename=name,
        content_type=content_type,
        disposition=disposition,
        expires_at=int(time.time()) + lifetime,
    )
    query = urlencode(
        {
            "type": link.content_type,
            "disposition": link.disposition,
            "expires": link.expires_at,
            "signature": signatures.sign(_keys(), _OBJECT_PURPOSE, link.fields()),
        }
    )
    return f"{base_url or settings.OBJECT_URL}/objects/{digest}/{quote(name, safe='')}?{query}"


def object_link_read(sha256: str, filename: str, query: Mapping[str, str]) -> ObjectLink:
    """Returns what a URL made by `object_link` says.

    Parameters that we did not make are ignored: TensorFlow Hub appends one of its own (other-hubs, TensorFlow Hub).

    Raises:
        LinkInvalidError: something is missing or was changed.
        LinkExpiredError: it was good once.
    """
    disposition = query.get("disposition")
    expires = query.get("expires", "")
    if disposition not in {"inline", "attachment"} or not (expires.isascii() and expires.isdecimal()):
        raise LinkInvalidError(_BAD_LINK)
    link = ObjectLink(
        sha256=Sha256(sha256),  # parsed below, once the signature says that it is ours
        filename=filename,
        content_type=query.get("type", ""),
        disposition=_disposition(disposition),
        expires_at=int(expires[:12]),
    )
    if not signatures.verify(_keys(), _OBJECT_PURPOSE, link.fields(), query.get("signature", "")):
        raise LinkInvalidError(_BAD_LINK)
    _check_age(link.expires_at)
    parse_sha256(sha256)
    return link


def upload_link(*, sha256: str, size: int, repository_id: int | None, user_id: int, job_id: str | None = None) -> str:
    """Returns the URL to which one PUT brings the whole object (git-lfs transfer `basic`, or a job's checkpoint)."""
    claims = _upload_claims(sha256, size, repository_id, user_id) | {"job": job_id}
    return f"{settings.OBJECT_URL}/uploads/{_upload_token(claims)}"


def multipart_links(
    *, sha256: str, size: int, repository_id: int, user_id: int, chunk_size: int
) -> tuple[str, dict[str, str]]:
    """Returns the completion URL and, by part number, the URL of each part (hub-api 3.2, `multipart`)."""
    token = _upload_token(_upload_claims(sha256, size, repository_id, user_id) | {"chunk": chunk_size})
    base = f"{settings.OBJECT_URL}/uploads/{token}"
    return base, {str(number): f"{base}/{number}" for number in range(1, part_count(size, chunk_size) + 1)}


def part_count(size: int, chunk_size: int) -> int:
    """Returns ceil(size / chunk_size)."""
    return -(-size // chunk_size)


def upload_grant_read(token: str) -> UploadGrant:
    """Returns what an upload token allows.

    Raises:
        LinkInvalidError, LinkExpiredError: the token is not good.
    """
    claims = read_claims(token, salt=UPLOAD_SALT)
    return UploadGrant(
        id=claims["id"],
        sha256=parse_sha256(claims["sha256"]),
        size=claims["size"],
        repository_id=claims["repository"],
        user_id=claims["user"],
        chunk_size=claims["chunk"],
        job_id=claims["job"],
    )


def sign_claims(claims: Mapping[str, Any], *, salt: str, expires_in: int) -> str:
    """Returns a token that carries JSON claims for `expires_in` seconds; `salt` names its one use."""
    return signatures.seal(_keys(), f"claims:{salt}", {**claims, "expires": int(time.time()) + expires_in})


def read_claims(token: str, *, salt: str) -> dict[str, Any]:
    """Returns the claims of a token made by `sign_claims` with the same salt.

    Raises:
        LinkInvalidError, LinkExpiredError: the token is not good.
    """
    claims = signatures.unseal(_keys(), f"claims:{salt}", token)
    if claims is None:
        raise LinkInvalidError(_BAD_LINK)
    _check_age(claims.pop("expires"))
    return claims


def _upload_claims(sha256: str, size: int, repository_id: int | None, user_id: int) -> dict[str, Any]:
    return {
        "id": new_id("upl"),
        "sha256": parse_sha256(sha256),
        "size": size,
        "repository": repository_id,
        "user": user_id,
        "chunk": None,
        "job": None,
    }


def _upload_token(claims: Mapping[str, Any]) -> str:
    return sign_claims(claims, salt=UPLOAD_SALT, expires_in=UPLOAD_LIFETIME_SECONDS)


def _check_age(expires_at: int) -> None:
    if time.time() >= expires_at:
        raise LinkExpiredError("this link has expired: ask for a new one where you got it")


def _disposition(text: str | None) -> Literal["inline", "attachment"]:
    return "attachment" if text == "attachment" else "inline"


def _keys() -> Sequence[str]:
    return [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
