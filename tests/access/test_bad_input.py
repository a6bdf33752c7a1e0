"""Every address of hub, API and pages under hostile input: never a 5xx, whatever type, length or character a value has.

Bodies that would work are spoiled one member at a time; addresses one segment at a time; the rest is hypothesis's.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.accounts.models import User
from registry.repositories.models import Repository

Bearer = Callable[..., dict[str, str]]
MakeRepository = Callable[..., Repository]

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
SHA = "ab" * 32
HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    2**63,
    "",
    "x",
    "\0",
    "\ud800",
    "a" * 5000,
    "../..",
    "é\r\nX: y",
    "%00",
    "²",
    [],
    {},
    [[]],
    [None],
    ["\ud800"],
    {"a": {"b": []}},
    float("nan"),
    float("inf"),
]
SEGMENTS = [
    "%00",
    "%F0%9F%A6%8A",
    "..",
    "%2e%2e",
    "a%2Fb",
    "%5C..%5C",
    "x" * 300,
    "%FF%FE",
    "m.",
    ".m",
    "%0d%0aX:y",
    "%ED%A0%80",
    "99999999999999999999999",
    "-1",
    "²",
    "%27%22%3Cscript%3E",
    "refs%2Fheads%2Fmain",
    "",
]
M = "/api/models/alice/m"
V1 = "/api/v1/repositories/model/alice/m"
BODIES: dict[str, tuple[str, Any]] = {
    "/api/repos/create": (
        "POST",
        {
            "type": "model",
            "name": "new",
            "organization": "alice",
            "private": False,
            "visibility": "public",
            "sdk": "gradio",
        },
    ),
    "/api/repos/delete": ("DELETE", {"type": "model", "name": "none", "organization": "alice"}),
    "/api/validate-yaml": ("POST", {"content": "---\na: 1\n---\n", "repoType": "model"}),
    f"{M}/settings": ("PUT", {"private": False, "visibility": "public", "gated": "auto"}),
    f"{M}/paths-info/main": ("POST", {"paths": ["README.md"], "expand": True}),
    f"{M}/branch/b": ("POST", {"startingPoint": "main", "emptyBranch": False, "overwrite": True}),
    f"{M}/tag/main": ("POST", {"tag": "t", "message": "m"}),
    f"{M}/preupload/main": ("POST", {"files": [{"path": "a", "size": 1, "sample": "YQ=="}], "gitIgnore": "x"}),
    f"{M}/user-access-request/handle": (
        "POST",
        {"user": "bob", "status": "accepted", "rejectionReason": "no", "requestId": "1"},
    ),
    f"{M}/user-access-request/grant": ("POST", {"user": "bob"}),
    "/alice/m/ask-access": ("POST", {"a": "b"}),
    "/alice/m.git/info/lfs/objects/batch": (
        "POST",
        {
            "operation": "upload",
            "transfers": ["basic"],
            "hash_algo": "sha256",
            "ref": {"name": "main"},
            "objects": [{"oid": SHA, "size": 3}],
        },
    ),
    "/alice/m.git/info/lfs/objects/verify?token=x": ("POST", {"oid": SHA, "size": 3}),
    "/api/v1/jobs": (
        "POST",
        {
            "kind": "finetune",
            "task": "text-classification",
            "base": {"repo": "alice/m", "revision": "main"},
            "data": {"repo": "alice/d", "revision": "main", "text": "text", "label": "label"},
            "method": {"name": "full"},
            "training": {"epochs": 1},
            "output": {"repo": "alice/o", "branch": "main"},
            "purpose": "research",
            "limits": {"attempts": 1},
        },
    ),
    "/api/v1/jobs/job_x/stop": ("POST", {"mode": "keep"}),
    f"{V1}/offers": (
        "POST",
        {
            "license": "mit",
            "acquisition": "open",
            "title": "t",
            "description": "d",
            "purposes": ["research"],
            "territory": ["DE"],
            "price": "1",
            "contact_url": "https://example.org",
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": None,
        },
    ),
    f"{V1}/acceptances": ("POST", {"license": "mit", "text_sha256": SHA}),
    f"{V1}/access-requests": ("POST", {"fields": {"a": "b"}}),
    f"{V1}/access-requests/grant": ("POST", {"user": "bob", "expires_at": None}),
    "/api/v1/offers/1/accept": ("POST", {"text_sha256": SHA}),
    "/api/v1/offers/1/entitlements": (
        "POST",
        {"user": "bob", "organization": "", "purposes": [], "reason": "r", "starts_at": None},
    ),
    "/api/v1/access-requests/1": ("PATCH", {"status": "accepted", "reason": "r"}),
    "/api/v1/entitlements/1/revoke": ("POST", {"reason": "r"}),
    "/api/v1/decisions": (
        "POST",
        {
            "repository": "alice/m",
            "type": "model",
            "action": "download",
            "purpose": "research",
            "environment": "production",
        },
    ),
    "/api/v1/worker/register": ("POST", {"name": "w", "capabilities": {"gpu": []}, "memory_bytes": 1}),
}
COMMIT: list[Any] = [
    {"key": "header", "value": {"summary": "s", "description": "d", "parentCommit": None}},
    {"key": "file", "value": {"path": "a.txt", "content": "YQ==", "encoding": "base64"}},
    {"key": "lfsFile", "value": {"path": "b.bin", "algo": "sha256", "oid": SHA, "size": 3}},
    {"key": "deletedFile", "value": {"path": "README.md"}},
    {"key": "deletedFolder", "value": {"path": "x/"}},
]


def _spoiled(body: Any) -> Iterator[Any]:
    """Yields the body with each of its members, at any depth, exchanged for each hostile value."""
    for path in _places(body):
        for value in HOSTILE:
            spoiled = copy.deepcopy(body)
            if not path:
                yield value
                continue
            holder = spoiled
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = value
            yield spoiled


def _places(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from _places(value, (*at, key))


@pytest.fixture
def send(alice: User, bob: User, bearer: Bearer, make_repository: MakeRepository) -> Callable[..., Any]:
    """Returns `send(method, raw_address, data, content_type)`, as the owner of `alice/m`; asserts that it is no 5xx."""
    make_repository(alice, files={"README.md": "---\nlicense: mit\n---\n# m\n", "config.json": "{}"}, gated="manual")
    make_repository(alice, "d", type="dataset", files={"README.md": "# d\n", "t.csv": "text,label\na,b\n"})
    headers = bearer(alice)
    client = Client(raise_request_exception=False)

    def sent(method: str, address: str, data: bytes = b"", content_type: str = "application/json", **more: Any) -> Any:
        path, _, query = address.partition("?")
        given = more.pop("headers", headers)
        answer = client.generic(
            method,
            unquote(path, errors="replace"),
            data,
            content_type,
            headers=given,
            QUERY_STRING=query,
            RAW_URI=address,
            **more,
        )
        assert answer.status_code < 500, (method, address, data[:300], getattr(answer, "exc_info", None))
        for name, value in answer.headers.items():  # what a server refuses to send would end as its own 500
            assert not _CONTROLS.search(value), (name, value)
            value.encode("latin-1")
        return answer

    return sent


@pytest.mark.parametrize("address", BODIES)
def test_a_body_with_one_hostile_member_is_never_a_5xx(send: Callable[..., Any], address: str) -> None:
    method, body = BODIES[address]
    for spoiled in _spoiled(body):
        send(method, address, json.dumps(spoiled).encode())


@pytest.mark.parametrize("line", range(len(COMMIT)))
def test_a_commit_with_one_hostile_member_is_never_a_5xx(send: Callable[..., Any], line: int) -> None:
    for spoiled in _spoiled(COMMIT[line]):
        lines = [*COMMIT[:1], spoiled] if line else [spoiled, COMMIT[1]]
        body = b"\n".join(json.dumps(item).encode() for item in lines)
        send("POST", f"{M}/commit/main", body, "application/x-ndjson")


ADDRESSES = [
    "/{a}",
    "/{a}/{b}",
    "/datasets/{a}/{b}",
    "/alice/m/tree/{a}/{b}",
    "/alice/m/blob/{a}/{b}",
    "/alice/m/blob/main/{a}",
    "/alice/m/commits/{a}",
    "/alice/m/commit/{a}",
    "/alice/m/resolve/{a}/{b}",
    "/alice/m/resolve/main/{a}",
    "/alice/m/raw/main/{a}/{b}",
    "/{a}/{b}/resolve/main/x",
    "/{a}/m.git/info/lfs/locks",
    "/api/{a}/{b}",
    "/api/models/{a}",
    "/api/models/{a}/{b}",
    "/api/models/alice/m/{a}/{b}",
    "/api/models/alice/m/tree/{a}/{b}",
    "/api/models/alice/m/tree/main/{a}",
    "/api/models/alice/m/revision/{a}",
    "/api/models/alice/m/commits/{a}",
    "/api/models/alice/m/safetensors-metadata/{a}",
    "/api/v1/licenses/{a}",
    "/api/v1/jobs/{a}",
    "/api/v1/decisions/{a}",
    "/api/v1/receipts/{a}",
    "/api/v1/offers/{a}/entitlements",
    "/api/v1/access-requests/{a}",
    "/licenses/{a}",
    "/api/v1/repositories/{a}/{b}/x/license",
    "/decisions/{a}",
    "/jobs/{a}",
    "/requests/{a}",
    "/settings/tokens/{a}/revoke",
]
QUERIES = [
    "/api/models?{q}",
    "/api/datasets?{q}",
    "/api/models/alice/m?{q}",
    "/api/models/alice/m/tree/main?{q}",
    "/models?{q}",
    "/api/models/alice/m/commits/main?{q}",
    "/datasets?{q}",
    "/licenses?{q}",
    "/alice/m/resolve/main/README.md?{q}",
    "/alice/m/commits/main?{q}",
    "/api/v1/jobs?{q}",
    "/api/v1/decisions?{q}",
    "/api/v1/licenses?{q}",
    "/api/models/alice/m/user-access-request/pending?{q}",
    "/api/v1/repositories/model/alice/m/license?{q}",
]
PARAMETERS = [
    "cursor",
    "limit",
    "sort",
    "direction",
    "search",
    "author",
    "filter",
    "expand",
    "full",
    "gated",
    "num_parameters",
    "pipeline_tag",
    "recursive",
    "blobs",
    "after",
    "page",
    "purpose",
    "action",
    "state",
    "category",
    "license",
    "task",
    "download",
    "denied",
    "everyone",
    "owner",
    "plain",
    "min",
    "max",
    "parameters",
    "library",
    "language",
    "format",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_with_a_hostile_segment_is_never_a_5xx(send: Callable[..., Any], address: str) -> None:
    for a in SEGMENTS:
        for b in ("x", a):
            send("GET", address.format(a=a, b=b))


@pytest.mark.parametrize("address", QUERIES)
def test_a_hostile_query_is_never_a_5xx(send: Callable[..., Any], address: str) -> None:
    for name in PARAMETERS:
        for value in SEGMENTS[::4]:
            send("GET", address.format(q=f"{name}={value}"))
        send("GET", address.format(q=f"{name}[]=a&{name}=b&{name}"))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    address=st.sampled_from(sorted(BODIES)),
    data=st.one_of(_json.map(json.dumps).map(str.encode), st.binary(max_size=80)),
)
def test_any_body_is_answered(send: Callable[..., Any], address: str, data: bytes) -> None:
    answer = send(BODIES[address][0], address, data)
    assert "json" in answer["Content-Type"] or answer.status_code == 204 or not answer.content


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"1",
        b"\xff\xfe",
        b'{"a":' * 100_000,
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b"\x1f\x8b\x08\x00",
        b"[" * 50_000,
    ],
)
@pytest.mark.parametrize("address", ["/api/repos/create", "/api/v1/decisions", "/alice/m.git/info/lfs/objects/batch"])
def test_what_is_no_json_object_is_refused(send: Callable[..., Any], address: str, body: bytes) -> None:
    assert send("POST", address, body).status_code in {400, 413, 422}


# --- hostile content ------------------------------------------------------------------------------------------------
def _safetensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


CONTENT = {
    "inf.safetensors": _safetensors(b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}'),
    "huge.safetensors": _safetensors(
        b'{"a":{"dtype":"F32","shape":[%s,%s],"data_offsets":[0,4]}}' % ((b"9" * 4000,) * 2)
    ),
    "many.safetensors": _safetensors(b'{"a":{"dtype":"F32","shape":[%s9],"data_offsets":[0,4]}}' % (b"9," * 9000)),
    "minus.safetensors": _safetensors(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'),
    "deep.safetensors": _safetensors(b'{"a":' + b"[" * 100_000 + b"}"),
    "long.safetensors": (2**64 - 1).to_bytes(8, "little") + b"{}",
    "config.json": b'{"model_type": ["x"], "vocab_size": 1e999, "hidden_size": NaN, "architectures": ["\\ud800"]}',
    "model.safetensors.index.json": b'{"metadata": {"total_size": 1e999}, "weight_map": {"a": "../x", "b": 1}}',
    "README.md": b"---\nlicense: other\nlicense_link: 'javascript:x'\nextra_gated_fields: [1, {a: [b]}]\n---\n# a\n",
}


@pytest.mark.parametrize("path", CONTENT)
def test_hostile_content_breaks_neither_commit_nor_page(send: Callable[..., Any], path: str) -> None:
    value = {"path": path, "content": base64.b64encode(CONTENT[path]).decode(), "encoding": "base64"}
    lines = [COMMIT[0], {"key": "file", "value": value}]
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    assert send("POST", f"{M}/commit/main", body, "application/x-ndjson").status_code == 200
    for page in (
        f"/alice/m/blob/main/{path}",
        "/alice/m",
        "/alice/m/license",
        M,
        "/api/models?full=1&config=1",
        "/models",
    ):
        assert send("GET", page).status_code == 200, page
