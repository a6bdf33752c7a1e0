"""Gated repositories: asking, answering, and the check that clients make first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from registry.accounts.models import Organization, User
from registry.repositories.models import Repository

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]
REQUESTS = "/api/models/alice/g/user-access-request"


@pytest.fixture
def gated(publish: Publish, alice: User) -> Repository:
    return publish(alice, "g", {"w.txt": b"w"}, gated="manual")


def ask(call: Call, user: User, **options: Any) -> HttpResponse:
    return call("POST", "/alice/g/ask-access", user, **options)


def names(call: Call, alice: User, status: str) -> list[str]:
    return [row["user"]["user"] for row in call("GET", f"{REQUESTS}/{status}", alice).json()]


def handle(call: Call, caller: User, **body: Any) -> HttpResponse:
    return call("POST", f"{REQUESTS}/handle", caller, body=body)


def may_read(call: Call, user: User) -> bool:
    return call("GET", "/api/models/alice/g/auth-check", user).status_code == 200


def test_a_request_goes_through_all_its_states(call: Call, gated: Repository, alice: User, bob: User) -> None:
    assert ask(call, bob).json()["status"] == "pending"
    (row,) = call("GET", f"{REQUESTS}/pending", alice).json()
    assert row["timestamp"].endswith("Z")
    assert row["user"] | {"_id": ""} == {"_id": "", "user": "bob", "fullname": "Bob", "email": "bob@example.org"}
    assert not may_read(call, bob)
    for status, allowed in (("accepted", True), ("pending", False), ("rejected", False), ("accepted", True)):
        assert handle(call, alice, user="bob", status=status).status_code == 200
        assert names(call, alice, status) == ["bob"]
        assert may_read(call, bob) is allowed
        assert handle(call, alice, requestId=row["requestId"], status=status).status_code == 409


def test_a_grant_needs_no_request(call: Call, gated: Repository, alice: User, bob: User) -> None:
    answer = call("POST", f"{REQUESTS}/grant", alice, body={"user": "Bob"})
    assert answer.json()["status"] == "accepted"
    assert may_read(call, bob)
    (row,) = call("GET", f"{REQUESTS}/accepted", alice).json()
    assert row["grantedBy"] == {"user": "alice"}
    assert "email" not in row["user"]
    assert call("POST", f"{REQUESTS}/grant", alice, body={"user": "bob"}).status_code == 409
    assert call("POST", f"{REQUESTS}/grant", alice, body={"user": "nobody-here"}).status_code == 404
    assert call("POST", f"{REQUESTS}/grant", alice, body={}).status_code == 400


def test_automatic_gating_accepts_at_once(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "g", gated="auto")
    assert ask(call, bob).json()["status"] == "accepted"


def test_only_writers_see_and_answer_requests(
    call: Call, gated: Repository, bob: User, rita: User, acme: Organization
) -> None:
    for user in (bob, rita):
        assert call("GET", f"{REQUESTS}/pending", user).status_code == 403
        assert handle(call, user, user="bob", status="accepted").status_code == 403
        assert call("POST", f"{REQUESTS}/grant", user, body={"user": "bob"}).status_code == 403
    assert call("GET", f"{REQUESTS}/pending").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "bob", "status": "maybe"}, 400),
        ({"user": "bob"}, 400),
        ({"status": "accepted"}, 400),
        ({"user": 5, "status": "accepted"}, 400),
        ({"user": "nobody-here", "status": "accepted"}, 404),
        ({"user": "carol", "status": "accepted"}, 404),
        ({"requestId": "x", "status": "accepted"}, 404),
        ({"requestId": "999999", "status": "accepted"}, 404),
        ({"user": "bob", "status": "rejected", "rejectionReason": "x" * 501}, 400),
    ],
)
def test_answers_that_make_no_sense_are_refused(
    call: Call, gated: Repository, alice: User, bob: User, carol: User, body: Any, status: int
) -> None:
    ask(call, bob)
    assert call("POST", f"{REQUESTS}/handle", alice, body=body).status_code == status
    assert names(call, alice, "pending") == ["bob"]


def test_the_request_of_another_repository_cannot_be_answered(
    call: Call, gated: Repository, publish: Publish, alice: User, bob: User, carol: User
) -> None:
    number = ask(call, carol).json()["requestId"]
    publish(bob, "g", gated="manual")
    address = "/api/models/bob/g/user-access-request/handle"
    assert call("POST", address, bob, body={"requestId": number, "status": "accepted"}).status_code == 404


def test_what_is_not_gated_has_no_requests(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "g")
    assert ask(call, bob).status_code == 400
    assert handle(call, alice, user="bob", status="accepted").status_code == 400
    assert call("POST", f"{REQUESTS}/grant", alice, body={"user": "bob"}).status_code == 400


def test_nobody_asks_anonymously(call: Call, gated: Repository) -> None:
    assert call("POST", "/alice/g/ask-access").status_code == 401


def test_a_browser_needs_its_csrf_token_and_goes_back_to_the_panel(
    gated: Repository, bob: User, client_for: Callable[..., Client]
) -> None:
    client = client_for(bob, enforce_csrf_checks=True)
    assert client.post("/alice/g/ask-access").status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    done = client.post("/alice/g/ask-access", {"csrfmiddlewaretoken": "a" * 32}, headers={"Accept": "text/html"})
    assert (done.status_code, done["Location"]) == (303, "http://testserver/alice/g/license")


def test_auth_check_tells_reading_from_writing(call: Call, gated: Repository, alice: User, bob: User) -> None:
    check = "/api/models/alice/g/auth-check"
    assert call("GET", check, bob)["X-Error-Code"] == "GatedRepo"
    assert call("GET", check)["X-Error-Code"] == "GatedRepo"
    assert call("GET", f"{check}/write", alice).status_code == 200
    assert call("GET", f"{check}/write", alice, "read").status_code == 403
    assert call("GET", f"{check}/nonsense", alice).status_code == 404
    assert call("GET", "/api/models/alice/none/auth-check", bob)["X-Error-Code"] == "RepoNotFound"
