"""What every address answers to bad input: a 4xx in the shape that the clients read, and nothing stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from registry.accounts.models import User
from registry.hub.urls import API, WEB
from registry.repositories.models import Repository

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]

ADDRESSES = {
    "/api/models": {"GET"},
    "/api/datasets": {"GET"},
    "/api/spaces": {"GET"},
    "/api/whoami-v2": {"GET"},
    "/api/repos/create": {"POST"},
    "/api/repos/delete": {"DELETE"},
    "/api/validate-yaml": {"POST"},
    "/api/models-tags-by-type": {"GET"},
    **{f"/api/models/alice/m{f'/{action}/main' if action else ''}": set(methods) for action, methods in API.items()},
    **{f"/alice/m/{action}/main/x": set(methods) for action, methods in WEB.items() if action != "ask-access"},
    "/alice/m/ask-access": {"POST"},
    "/alice/m.git/info/lfs/objects/batch": {"POST"},
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_another_method_is_405_and_names_those_that_work(
    call: Call, publish: Publish, alice: User, address: str
) -> None:
    publish(alice, "m")
    answer = call("PATCH", address, alice, body={})
    assert answer.status_code == 405
    assert ADDRESSES[address] <= set(answer["Allow"].split(", "))
    assert answer.json()["error"] == answer["X-Error-Message"]


@pytest.mark.parametrize("method_and_address", [(m, a) for a, methods in ADDRESSES.items() for m in sorted(methods)])
@pytest.mark.parametrize("state", ["expired", "revoked", "unknown", "malformed"])
def test_credentials_that_do_not_work_are_401_everywhere(
    call: Call,
    publish: Publish,
    alice: User,
    bearer: Callable[..., dict[str, str]],
    method_and_address: tuple[str, str],
    state: str,
) -> None:
    publish(alice, "m")
    headers = {"unknown": {"Authorization": "Bearer wb_x"}, "malformed": {"Authorization": "Bearer"}}.get(state)
    answer = call(*method_and_address, headers=headers or bearer(alice, **{state: True}))
    assert answer.status_code == 401
    assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"
    assert "X-Error-Code" not in answer


@pytest.mark.parametrize(
    "address",
    ["/api/nonsense", "/api/models/alice/m/nonsense", "/api/kernels/alice/m", "/api/papers/1", "/api/jobs/alice"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_a_json_404(call: Call, publish: Publish, alice: User, method: str, address: str) -> None:
    publish(alice, "m")
    answer = call(method, address, alice)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["error"]


@pytest.mark.parametrize("token", ["xet-write-token/main", "xet-read-token/main", "xet-write-token/None?create_pr=1"])
def test_xet_tokens_are_refused_with_the_way_out(call: Call, publish: Publish, alice: User, token: str) -> None:
    publish(alice, "m")
    answer = call("GET", f"/api/models/alice/m/{token}", alice)
    assert answer.status_code == 404
    assert "HF_HUB_DISABLE_XET=1" in answer.json()["error"]
    assert "HF_HUB_DISABLE_XET=1" in answer["X-Error-Message"]


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "/api/repos/create"),
        ("DELETE", "/api/repos/delete"),
        ("PUT", "/api/models/alice/m/settings"),
        ("POST", "/api/models/alice/m/preupload/main"),
        ("POST", "/api/models/alice/m/paths-info/main"),
        ("POST", "/api/validate-yaml"),
        ("POST", "/api/models/alice/m/tag/main"),
    ],
)
@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b"nonsense"])
def test_a_body_that_is_no_json_object_is_400(
    call: Call, publish: Publish, alice: User, method: str, address: str, body: bytes
) -> None:
    publish(alice, "m")
    answer = call(method, address, alice, body=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_session_needs_a_csrf_token_and_a_client_does_not(
    publish: Publish, alice: User, client_for: Callable[..., Client]
) -> None:
    publish(alice, "m")
    client = client_for(alice, enforce_csrf_checks=True)
    answer = client.post("/api/repos/create", {"name": "x"}, content_type="application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["error"]
    anonymous = Client(enforce_csrf_checks=True)
    assert (
        anonymous.post("/api/models/alice/m/paths-info/main", {"paths": ["x"]}, content_type="application/json").json()
        == []
    )


def test_a_disabled_repository_says_so_everywhere(call: Call, publish: Publish, alice: User) -> None:
    Repository.objects.filter(pk=publish(alice, "m", {"a.txt": b"a"}).pk).update(disabled=True)
    for address in ("/api/models/alice/m", "/alice/m/resolve/main/a.txt", "/api/models/alice/m/tree/main"):
        answer = call("GET", address, alice)
        assert (answer.status_code, answer["X-Error-Message"]) == (403, "Access to this resource is disabled.")


def test_a_message_with_odd_characters_fits_a_header(call: Call, alice: User) -> None:
    answer = call("POST", "/api/repos/create", alice, body={"name": "ü\n€\r\nX-Evil: 1"})
    assert answer.status_code == 400
    assert "\n" not in answer["X-Error-Message"]
    assert "X-Evil" not in answer.headers


def test_whoami_tells_the_caller_or_refuses(call: Call, alice: User) -> None:
    assert call("GET", "/api/whoami-v2", alice, "read").json()["auth"]["accessToken"]["role"] == "read"
    answer = call("GET", "/api/whoami-v2")
    assert answer.status_code == 401
    assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_telemetry_is_answered_with_nothing(call: Call) -> None:
    assert call("HEAD", "/api/telemetry/transformers/examples").status_code == 204


def test_a_request_id_comes_back(call: Call) -> None:
    assert call("GET", "/api/models", headers={"X-Request-Id": "abc-1"})["X-Request-Id"] == "abc-1"
