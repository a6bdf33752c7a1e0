"""The LFS batch conversation (git-lfs `docs/api/batch.md`, hub-api 3.2): what is asked, what is answered. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from registry.errors import InvalidError

MAX_OBJECTS = 1000
MAX_PARTS = 1000
_OID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BatchObject:
    """One object that a client wants to send or fetch."""

    oid: str
    size: int


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What a client asks for.

    Attributes:
        transfers: how it can transfer; `basic` if it does not say.
        ref: branch or full ref it works on; empty if it does not say.
    """

    operation: Literal["upload", "download"]
    transfers: tuple[str, ...]
    objects: tuple[BatchObject, ...]
    ref: str


def parse_batch(body: dict[str, Any]) -> BatchRequest:
    """Reads a batch request.

    Raises:
        InvalidError: a member is missing or has the wrong type, or another hash than SHA-256 is asked for.
    """
    operation = body.get("operation")
    if operation not in ("upload", "download"):
        raise InvalidError("`operation` must be upload or download", field="operation")
    if body.get("hash_algo", "sha256") != "sha256":
        raise InvalidError("`hash_algo` must be sha256", field="hash_algo")
    transfers = body.get("transfers") or ["basic"]
    if not isinstance(transfers, list) or not all(isinstance(name, str) for name in transfers):
        raise InvalidError("`transfers` must be a list of names", field="transfers")
    objects = body.get("objects")
    if not isinstance(objects, list) or not objects:
        raise InvalidError("`objects` must be a list of objects with `oid` and `size`", field="objects")
    if len(objects) > MAX_OBJECTS:
        raise InvalidError(f"`objects` has {len(objects)} items; at most {MAX_OBJECTS} are allowed", field="objects")
    ref = body.get("ref")
    name = ref.get("name") if isinstance(ref, dict) else None
    return BatchRequest(
        operation=cast("Literal['upload', 'download']", operation),
        transfers=tuple(transfers),
        objects=tuple(parse_object(item) for item in objects),
        ref=name if isinstance(name, str) else "",
    )


def parse_object(item: Any) -> BatchObject:
    """Reads `{"oid": …, "size": …}`.

    Raises:
        InvalidError: not 64 lower-case hex digits, or no whole number of bytes.
    """
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not _OID.fullmatch(oid):
        raise InvalidError("`oid` must be the SHA-256 of the object: 64 lower-case hex digits", field="oid")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise InvalidError("`size` must be the object's number of bytes", field="size")
    return BatchObject(oid, size)


def chunk_size(size: int, chunk: int) -> int:
    """Returns how large the parts of an object shall be: `chunk` bytes, or more so that `MAX_PARTS` suffice."""
    return max(chunk, -(-size // MAX_PARTS))


def upload_action(href: str, expires_in: int, parts: dict[str, str] | None = None, chunk: int = 0) -> dict[str, Any]:
    """Returns the `upload` action: one PUT, or parts whose addresses stand in `header` beside `chunk_size`."""
    action: dict[str, Any] = {"href": href, "expires_in": expires_in}
    if parts is not None:
        action["header"] = {"chunk_size": str(chunk), **parts}
    return action


def answer(item: BatchObject, actions: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns the answer for one object; without actions the client has nothing to send."""
    payload: dict[str, Any] = {"oid": item.oid, "size": item.size, "authenticated": True}
    if actions:
        payload["actions"] = actions
    return payload


def refusal(item: BatchObject, code: int, message: str) -> dict[str, Any]:
    """Returns why one object cannot be transferred; the others still can."""
    return {"oid": item.oid, "size": item.size, "error": {"code": code, "message": message}}
