"""Decisions and receipts over the native API: asking, finding one's own, verifying."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.access import services as access
from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.licensing.models import DecisionRecord
from registry.licensing.services import receipt_verify
from registry.repositories.models import Repository

Licensed = Callable[..., Repository]
Bearer = Callable[..., dict[str, str]]
JSON = "application/json"


def test_a_preview_tells_every_check_and_records_nothing(
    client: Client, licensed: Licensed, alice: User, bob: User, bearer: Bearer
) -> None:
    licensed(alice, "cc-by-nc-4.0")
    body = {"repository": "alice/m", "purpose": "hosted-service", "action": "use"}
    answer = client.post("/api/v1/decisions", body, content_type=JSON, headers=bearer(bob)).json()
    assert [check["order"] for check in answer["checks"]] == sorted(check["order"] for check in answer["checks"])
    assert {"identity", "terms", "entitlement"} <= {check["group"] for check in answer["checks"]}
    assert len(answer["inputs_digest"]) == 64
    assert not DecisionRecord.objects.exists()


@pytest.mark.parametrize(
    ("change", "status"),
    [({"colour": "red"}, 422), ({"action": "steal"}, 422), ({"purpose": "fun"}, 422), ({"repository": "no/body"}, 404)],
)
def test_a_bad_question_is_refused(
    client: Client, licensed: Licensed, alice: User, change: dict[str, Any], status: int
) -> None:
    licensed(alice, "mit")
    answer = client.post("/api/v1/decisions", {"repository": "alice/m"} | change, content_type=JSON)
    assert answer.status_code == status


@pytest.fixture
def allowed(licensed: Licensed, alice: User, bob: User, principal_of: Callable[..., Principal]) -> DecisionRecord:
    """What bob was answered when he downloaded an open model of alice's."""
    access.require(
        principal=principal_of(bob), action="download", repository=licensed(alice, "apache-2.0"), commit="c" * 40
    )
    return DecisionRecord.objects.get()


def test_decisions_are_for_whom_they_were_given_and_for_the_owner(
    client: Client, allowed: DecisionRecord, alice: User, bob: User, carol: User, operator: User, bearer: Bearer
) -> None:
    url = f"/api/v1/decisions/{allowed.pk}"
    status = {
        person.username: client.get(url, headers=bearer(person)).status_code for person in (alice, bob, carol, operator)
    }
    assert status == {"alice": 200, "bob": 200, "carol": 404, "olga": 200}
    assert client.get(url).status_code == 404
    assert client.get(url, headers=bearer(bob)).json()["id"] == allowed.pk


def test_ones_own_decisions_come_in_pages_newest_first(
    client: Client, allowed: DecisionRecord, licensed: Licensed, alice: User, bob: User, bearer: Bearer,
    principal_of: Callable[..., Principal],
) -> None:  # fmt: skip
    denied = access.authorize(
        principal=principal_of(bob), action="download", repository=licensed(alice, "mit", name="g", gated="manual"),
        commit="",
    )  # fmt: skip
    first = client.get("/api/v1/decisions", {"limit": 1}, headers=bearer(bob)).json()
    assert [item["id"] for item in first["items"]] == [denied.id]
    second = client.get("/api/v1/decisions", {"cursor": first["next_cursor"]}, headers=bearer(bob)).json()
    assert [item["id"] for item in second["items"]] == [allowed.pk]
    assert second["next_cursor"] is None
    refused = client.get("/api/v1/decisions", {"denied": "true"}, headers=bearer(bob)).json()["items"]
    assert [item["code"] for item in refused] == ["REQUEST_REQUIRED"]
    assert client.get("/api/v1/decisions").status_code == 401
    assert client.get("/api/v1/decisions", headers=bearer(alice)).json()["items"] == []


def test_a_receipt_verifies_with_the_published_keys(
    client: Client, allowed: DecisionRecord, alice: User, bob: User, bearer: Bearer
) -> None:
    [listed] = client.get("/api/v1/receipts", headers=bearer(bob)).json()["items"]
    keys = client.get("/.well-known/jwks.json").json()
    assert all("d" not in key for key in keys["keys"])
    claims = receipt_verify(listed["jws"], keys)
    assert (claims["sub"], claims["decision"], claims["commit"]) == ("bob", allowed.pk, "c" * 40)
    assert client.get(f"/api/v1/receipts/{listed['id']}", headers=bearer(bob)).json() == listed
    assert client.get(f"/api/v1/receipts/{listed['id']}", headers=bearer(alice)).status_code == 404
    assert client.get("/api/v1/receipts").status_code == 401
