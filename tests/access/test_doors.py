"""Every door answers as the gate decides, for every kind of caller; and what a caller may not know of stays unknown."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.test import Client

from registry.access.services import authorize_preview
from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.selectors import principal_for_secret
from registry.catalogue.publishing import commit_publish
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile, AddLfs
from registry.repositories.services import large_object_attach
from registry.storage.services import object_store_bytes

TokenFor = Callable[..., str]
WEIGHTS = {"open": b"open weights", "nc": b"nc weights", "gated": b"gated weights", "cellar": b"cellar weights"}
LICENSES = {"open": "mit", "nc": "cc-by-nc-4.0", "gated": "mit", "cellar": "mit"}
CALLERS = (
    "anonymous", "stranger", "stranger's read token", "stranger's commercial token", "reader", "writer", "owner",
    "owner's token for another repository", "owner's token for this namespace",
)  # fmt: skip
DEAD = ("expired", "revoked", "suspended", "left organization")


@dataclass
class Caller:
    """Somebody at the door."""

    principal: Principal
    secret: str = ""

    def send(self, method: str, address: str, body: Any = None, content_type: str = "application/json") -> HttpResponse:
        """Sends a request with the caller's token, with the raw address that a server hands over."""
        headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        client = Client(enforce_csrf_checks=True)
        return client.generic(method, unquote(address), data, content_type, headers=headers, RAW_URI=address)  # type: ignore[return-value]


def _scopes(name: str) -> dict[str, Any]:
    return {
        "repositories": [{"type": kind, "name": name, "permissions": ["admin"]} for kind in ("model", "dataset")],
        "global": ["jobs.read", "jobs.write"],
    }


@pytest.fixture
def callers(
    token_for: TokenFor, acme: Organization, bob: User, carol: User, wendy: User, rita: User
) -> Callable[[str], Caller]:
    """Returns `callers(kind)`."""
    made: dict[str, tuple[User, dict[str, Any]]] = {
        "stranger": (bob, {}),
        "stranger's read token": (bob, {"role": "read"}),
        "stranger's commercial token": (bob, {"purpose": "commercial-product"}),
        "reader": (rita, {"role": "read"}),
        "writer": (wendy, {}),
        "owner": (carol, {}),
        "owner's token for another repository": (carol, {"role": "fineGrained", "scopes": _scopes("acme/other")}),
        "owner's token for this namespace": (carol, {"role": "fineGrained", "scopes": _scopes("acme/*")}),
    }

    def caller(kind: str) -> Caller:
        if kind == "anonymous":
            return Caller(ANONYMOUS)
        user, facts = made[kind]
        secret = token_for(user, **facts)
        return Caller(principal_for_secret(secret), secret)

    return caller


@pytest.fixture
def shelf(
    licenses: None, acme: Organization, carol: User, principal_of: Callable[..., Principal],
    make_repository: Callable[..., Repository],
) -> Callable[[str], Repository]:  # fmt: skip
    """Returns `shelf(kind)`: a model of acme with a card, a config and one large file."""

    def make(kind: str) -> Repository:
        owner = principal_of(carol)
        card = f"---\nlicense: {LICENSES[kind]}\n---\n# The {kind} card\n"
        row = make_repository(carol, kind, namespace="acme", files={"README.md": card}, private=kind == "cellar")
        stored = object_store_bytes(data=WEIGHTS[kind])
        large_object_attach(repository_id=row.pk, sha256=stored.sha256, user_id=carol.pk)
        operations = [AddFile("config.json", b'{"cellar": 1}'), AddLfs("w.bin", stored.sha256)]
        commit_publish(principal=owner, repository=row, branch="main", operations=operations, title="Add weights")
        if kind == "gated":
            Repository.objects.filter(pk=row.pk).update(gated="manual")
        return Repository.objects.select_related("namespace", "profile").get(pk=row.pk)

    return make


# --- doors: each returns whether it opened ------------------------------------------------------------------------
def _opened(answer: HttpResponse, *statuses: int) -> bool:
    assert answer.status_code < 500
    return answer.status_code in (statuses or (200,))


def _batch(caller: Caller, name: str) -> bool:
    oid = hashlib.sha256(WEIGHTS[name.partition("/")[2]]).hexdigest()
    body = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": oid, "size": 1}]}
    answer = caller.send("POST", f"/{name}.git/info/lfs/objects/batch", body)
    return _opened(answer) and "actions" in json.loads(answer.content)["objects"][0]


def _preview(caller: Caller, name: str) -> bool:
    answer = caller.send("POST", "/api/v1/decisions", {"repository": name})
    return _opened(answer) and json.loads(answer.content)["verdict"] == "allow"


def _license(caller: Caller, name: str) -> bool:
    answer = caller.send("GET", f"/api/v1/repositories/model/{name}/license")
    return _opened(answer) and json.loads(answer.content)["decision"]["verdict"] == "allow"


DOORS: dict[str, Callable[[Caller, str], bool]] = {
    "HEAD resolve": lambda c, n: _opened(c.send("HEAD", f"/{n}/resolve/main/config.json")),
    "GET resolve": lambda c, n: _opened(c.send("GET", f"/{n}/resolve/main/config.json")),
    "HEAD resolve of a large file": lambda c, n: _opened(c.send("HEAD", f"/{n}/resolve/main/w.bin")),
    "GET resolve of a large file": lambda c, n: _opened(c.send("GET", f"/{n}/resolve/main/w.bin"), 302),
    "resolve of what is not there": lambda c, n: (
        _opened(c.send("GET", f"/{n}/resolve/main/none"), 404)
        and c.send("GET", f"/{n}/resolve/main/none").headers.get("X-Error-Code") == "EntryNotFound"
    ),
    "resolve of a revision that is not there": lambda c, n: (
        c.send("GET", f"/{n}/resolve/none/x").headers.get("X-Error-Code") == "RevisionNotFound"
    ),
    "raw": lambda c, n: _opened(c.send("GET", f"/{n}/raw/main/config.json")),
    "raw pointer": lambda c, n: _opened(c.send("GET", f"/{n}/raw/main/w.bin")),
    "page of a file": lambda c, n: _opened(c.send("GET", f"/{n}/blob/main/config.json")),
    "page of a large file": lambda c, n: _opened(c.send("GET", f"/{n}/blob/main/w.bin")),
    "auth-check": lambda c, n: _opened(c.send("GET", f"/api/models/{n}/auth-check")),
    "LFS batch": _batch,
    "preview": _preview,
    "license": _license,
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("who", CALLERS)
def test_every_door_says_what_the_gate_says(
    callers: Callable[[str], Caller], shelf: Callable[[str], Repository], who: str, kind: str
) -> None:
    repository, caller = shelf(kind), callers(who)
    decided = authorize_preview(principal=caller.principal, action="download", repository=repository).allowed
    opened = {door: open_it(caller, repository.full_name) for door, open_it in DOORS.items()}
    assert opened == dict.fromkeys(DOORS, decided)


def test_the_doors_do_open_and_close(callers: Callable[[str], Caller], shelf: Callable[[str], Repository]) -> None:
    """Guards the table above against a gate that answers everybody alike."""
    shelf("nc")
    assert DOORS["raw"](callers("stranger"), "acme/nc")
    assert not DOORS["raw"](callers("stranger's commercial token"), "acme/nc")
    shelf("gated")
    assert not DOORS["raw"](callers("stranger"), "acme/gated")
    assert DOORS["raw"](callers("reader"), "acme/gated")
    assert not DOORS["raw"](callers("owner's token for another repository"), "acme/gated")


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("as_pointer", [True, False])
@pytest.mark.parametrize(
    "who", ["stranger", "stranger's commercial token", "owner", "owner's token for another repository"]
)
def test_bytes_copied_by_their_digest_pass_the_same_gate(
    callers: Callable[[str], Caller], shelf: Callable[[str], Repository], make_repository: Callable[..., Repository],
    bob: User, carol: User, who: str, kind: str, *, as_pointer: bool,
) -> None:  # fmt: skip
    repository, caller = shelf(kind), callers(who)
    make_repository(bob, "mine")
    make_repository(carol, "other", namespace="acme")
    target = "bob/mine" if who.startswith("stranger") else "acme/other"
    decided = authorize_preview(principal=caller.principal, action="download", repository=repository).allowed
    digest, size = hashlib.sha256(WEIGHTS[kind]).hexdigest(), len(WEIGHTS[kind])
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
    operation = (
        {"key": "file", "value": {"path": "w.bin", "content": pointer, "encoding": "utf-8"}}
        if as_pointer
        else {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": digest, "size": size}}
    )
    lines = [{"key": "header", "value": {"summary": "Copy"}}, operation]
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    answer = caller.send("POST", f"/api/models/{target}/commit/main", body, "application/x-ndjson")
    if kind == "gated" and not decided:
        assert answer.status_code == 400
    assert _opened(answer) == decided


@pytest.mark.parametrize("how", DEAD)
def test_a_dead_token_opens_nothing_not_even_what_is_public(
    token_for: TokenFor, shelf: Callable[[str], Repository], acme: Organization, rita: User, how: str
) -> None:
    shelf("open")
    secret = token_for(
        rita, expired=how == "expired", revoked=how == "revoked",
        organization=acme if how == "left organization" else None,
    )  # fmt: skip
    if how == "suspended":
        User.objects.filter(pk=rita.pk).update(is_active=False)
    if how == "left organization":
        acme.memberships.filter(user=rita).delete()
    caller = Caller(ANONYMOUS, secret)
    assert {door: open_it(caller, "acme/open") for door, open_it in DOORS.items()} == dict.fromkeys(DOORS, False)
    assert caller.send("GET", "/acme/open/resolve/main/config.json").status_code == 401


# --- a private repository is not there ------------------------------------------------------------------------------
HIDING = [
    ("GET", "/{n}"), ("GET", "/{n}/tree/main"), ("GET", "/{n}/blob/main/config.json"), ("GET", "/{n}/commits/main"),
    ("GET", "/{n}/license"), ("GET", "/{n}/settings"), ("POST", "/{n}/license/accept"),
    ("POST", "/{n}/license/request"),
    ("GET", "/{n}/resolve/main/w.bin"), ("HEAD", "/{n}/resolve/main/w.bin"), ("GET", "/{n}/raw/none/x"),
    ("POST", "/{n}/ask-access"), ("POST", "/{n}.git/info/lfs/objects/batch"), ("GET", "/{n}.git/info/lfs/locks"),
    ("GET", "/api/models/{n}"), ("GET", "/api/models/{n}/tree/main"), ("GET", "/api/models/{n}/revision/none"),
    ("GET", "/api/models/{n}/refs"), ("GET", "/api/models/{n}/commits/main"),
    ("POST", "/api/models/{n}/paths-info/main"),
    ("GET", "/api/models/{n}/auth-check"), ("POST", "/api/models/{n}/commit/main"),
    ("POST", "/api/models/{n}/preupload/main"), ("PUT", "/api/models/{n}/settings"),
    ("POST", "/api/models/{n}/branch/b"), ("DELETE", "/api/models/{n}/tag/t"),
    ("GET", "/api/models/{n}/user-access-request/pending"), ("GET", "/api/models/{n}/safetensors-metadata/x"),
    ("DELETE", "/api/repos/delete"), ("POST", "/api/repos/create"), ("POST", "/api/v1/decisions"),
    ("GET", "/api/v1/repositories/model/{n}/license"), ("GET", "/api/v1/repositories/model/{n}/offers"),
    ("POST", "/api/v1/repositories/model/{n}/offers"), ("POST", "/api/v1/repositories/model/{n}/acceptances"),
    ("GET", "/api/v1/repositories/model/{n}/access-requests"), ("POST", "/api/v1/jobs"),
]  # fmt: skip
# Made up for each answer, whatever it is about.
_PASSING = {"X-Request-Id", "Content-Length"}


@pytest.mark.parametrize("method_and_address", HIDING, ids=" ".join)
@pytest.mark.parametrize("who", ["anonymous", "stranger", "owner's token for another repository"])
def test_a_private_repository_cannot_be_told_from_none(
    callers: Callable[[str], Caller], shelf: Callable[[str], Repository], who: str, method_and_address: tuple[str, str]
) -> None:
    shelf("cellar")
    caller, (method, address) = callers(who), method_and_address
    there, missing = (_answer(caller, method, address, name) for name in ("cellar", "nowhere"))
    assert there == missing


def _answer(caller: Caller, method: str, address: str, name: str) -> tuple[int, dict[str, str], str]:
    full = f"acme/{name}"
    body: dict[str, Any] | bytes = {
        "name": name, "organization": "acme", "type": "model", "paths": ["config.json"], "files": [],
        "operation": "download", "objects": [{"oid": "ab" * 32, "size": 1}],
    }  # fmt: skip
    if address == "/api/v1/decisions":
        body = {"repository": full}
    elif address.endswith("/acceptances"):
        body = {"license": "mit", "text_sha256": ""}
    elif address.endswith("/offers"):
        body = {"license": "mit", "acquisition": "open", "title": "t"}
    elif address == "/api/v1/jobs":
        body = {
            "kind": "evaluate", "task": "text-classification", "model": {"repo": full},
            "data": {"repo": "acme/data", "split": "test", "columns": {"text": "text", "label": "label"}},
        }  # fmt: skip
    elif "/commit/" in address:
        body = b'{"key": "header", "value": {"summary": "s"}}\n'
    answer = caller.send(method, address.format(n=full), None if method in {"GET", "HEAD"} else body)
    headers = {key: _settled(value, name) for key, value in answer.headers.items() if key not in _PASSING}
    return answer.status_code, headers, _settled(answer.content.decode(), name)


def _settled(text: str, name: str = "") -> str:
    """Returns an answer without what is made up for each, and without the name that was asked for."""
    plain = re.sub(r"""nonce-[\w-]+|nonce="[^"]*"|value="[A-Za-z0-9]{64}"|"csrf[^>]*>""", "", text)
    return plain.replace(name, "NAME") if name else plain


@pytest.mark.parametrize("who", ["anonymous", "stranger", "owner's token for another repository"])
@pytest.mark.parametrize(
    "address",
    [
        "/", "/models", "/models?search=cellar", "/models?owner=acme", "/acme", "/licenses/mit", "/api/models",
        "/api/models?search=cellar", "/api/models?author=acme&full=true", "/api/models?filter=license:mit",
        "/api/models-tags-by-type", "/acme/child", "/api/models/acme/open?expand=childrenModelCount", "/acme/open",
        "/api/v1/decisions", "/api/v1/receipts", "/api/v1/acceptances", "/api/v1/jobs?everyone=1", "/decisions",
        "/requests", "/jobs",
    ],
)  # fmt: skip
def test_no_list_names_or_counts_a_private_repository(
    callers: Callable[[str], Caller], shelf: Callable[[str], Repository], make_repository: Callable[..., Repository],
    carol: User, who: str, address: str,
) -> None:  # fmt: skip
    caller = callers(who)
    shelf("open")
    make_repository(carol, "child", namespace="acme", files={"README.md": "---\nbase_model: acme/open\n---\n"})
    before = _listed(caller, address)
    shelf("cellar")
    card = "---\nbase_model: acme/open\nlicense: mit\ntags: [secrettag]\n---\n"
    make_repository(carol, "cellarchild", namespace="acme", files={"README.md": card}, private=True)
    for door in ("/acme/cellar/resolve/main/config.json", "/acme/cellarchild/resolve/main/README.md"):
        whole = callers("owner")
        assert whole.send("GET", door).status_code == 200  # recorded: a decision and a receipt of the owner's
    after = _listed(caller, address)
    assert "cellarchild" not in after
    assert "acme/cellar" not in after
    assert after == before


def _listed(caller: Caller, address: str) -> str:
    path, _, query = address.partition("?")
    headers = {"Authorization": f"Bearer {caller.secret}"} if caller.secret else {}
    return _settled(Client().generic("GET", path, QUERY_STRING=query, headers=headers).content.decode())
