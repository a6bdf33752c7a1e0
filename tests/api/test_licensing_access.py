"""Access requests and entitlements over the native API: who may do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.accounts.models import Organization, User
from registry.audit.models import AuditEntry
from registry.licensing.models import AccessRequest, Entitlement, EntitlementEvent, Offer
from registry.licensing.services import offer_create
from registry.repositories.models import Repository

Licensed = Callable[..., Repository]
Bearer = Callable[..., dict[str, str]]
JSON = "application/json"
REQUESTS = "/api/v1/repositories/model/acme/m/access-requests"
FORM = "extra_gated_fields:\n  Company: text\n  I agree: checkbox"


@pytest.fixture
def gated(licensed: Licensed, carol: User, acme: Organization) -> Repository:
    """A model of the organization's that is given on request, with a form."""
    return licensed(carol, "mit", card=FORM, namespace="acme", gated="manual")


def _ask(client: Client, headers: dict[str, str], **fields: Any) -> Any:
    return client.post(REQUESTS, {"fields": fields}, content_type=JSON, headers=headers)


def test_asking_takes_the_owners_form(client: Client, gated: Repository, bob: User, bearer: Bearer) -> None:
    headers = bearer(bob, "read")
    missing = _ask(client, headers, Company="Bobs")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "I agree")
    asked = _ask(client, headers, **{"Company": "Bobs", "I agree": True})
    assert (asked.status_code, asked.json()["status"]) == (201, "pending")
    assert asked.json()["fields"] == {"Company": "Bobs", "I agree": True}


def test_asking_needs_an_account_and_something_to_ask_for(
    client: Client, licensed: Licensed, gated: Repository, alice: User, bob: User, bearer: Bearer
) -> None:
    licensed(alice, "mit")
    assert _ask(client, {}).status_code == 401
    open_one = client.post(
        "/api/v1/repositories/model/alice/m/access-requests", {}, content_type=JSON, headers=bearer(bob)
    )
    assert (open_one.status_code, open_one.json()["code"]) == (400, "not_gated")


@pytest.fixture
def asked(client: Client, gated: Repository, bob: User, bearer: Bearer) -> int:
    """Id of bob's pending request."""
    return int(_ask(client, bearer(bob), **{"Company": "Bobs", "I agree": True}).json()["id"])


@pytest.mark.parametrize(
    ("who", "role", "status"),
    [
        ("alice", "write", 404),
        ("bob", "write", 403),
        ("rita", "write", 404),
        ("wendy", "read", 404),
        ("wendy", "write", 200),
    ],
)
def test_requests_are_decided_by_writers_only(
    client: Client, asked: int, alice: User, bearer: Bearer, who: str, role: str, status: int
) -> None:
    headers = bearer(User.objects.get(username=who), role)
    answer = client.patch(
        f"/api/v1/access-requests/{asked}", {"status": "accepted"}, content_type=JSON, headers=headers
    )
    assert answer.status_code == status, answer.content
    assert AccessRequest.objects.get().status == ("accepted" if status == 200 else "pending")


def test_the_list_is_for_writers(client: Client, asked: int, bob: User, wendy: User, bearer: Bearer) -> None:
    assert client.get(REQUESTS).status_code == 401
    assert client.get(REQUESTS, headers=bearer(bob)).status_code == 403
    assert client.get(REQUESTS, headers=bearer(wendy, expired=True)).status_code == 401
    listed = client.get(REQUESTS, {"status": "pending"}, headers=bearer(wendy)).json()["items"]
    assert [item["user"] for item in listed] == ["bob"]
    assert client.get(REQUESTS, {"status": "rejected"}, headers=bearer(wendy)).json()["items"] == []


def test_a_status_set_twice_or_unknown_is_refused(client: Client, asked: int, wendy: User, bearer: Bearer) -> None:
    def decide(**body: Any) -> int:
        url = f"/api/v1/access-requests/{asked}"
        return client.patch(url, body, content_type=JSON, headers=bearer(wendy)).status_code

    assert decide(status="pending") == 409
    assert decide(status="maybe") == 422
    assert decide(status="accepted", expires_at="2001-01-01T00:00:00Z") == 422
    assert decide(status="rejected", reason="no") == 200
    assert decide(status="rejected") == 409
    assert decide(status="accepted") == 200
    assert decide(status="pending") == 200


def test_a_rejected_request_cannot_simply_be_sent_again(
    client: Client, asked: int, bob: User, wendy: User, bearer: Bearer
) -> None:
    url = f"/api/v1/access-requests/{asked}"
    client.patch(url, {"status": "rejected"}, content_type=JSON, headers=bearer(wendy))
    assert _ask(client, bearer(bob), **{"Company": "Bobs", "I agree": True}).status_code == 409
    assert client.get(url, headers=bearer(bob)).json()["status"] == "rejected"


def test_access_is_granted_without_being_asked_once(
    client: Client, gated: Repository, bob: User, wendy: User, bearer: Bearer
) -> None:
    def grant(headers: dict[str, str], user: str = "bob") -> int:
        return client.post(f"{REQUESTS}/grant", {"user": user}, content_type=JSON, headers=headers).status_code

    assert grant(bearer(bob)) == 403
    assert grant(bearer(wendy)) == 201
    assert grant(bearer(wendy)) == 409
    assert grant(bearer(wendy), "nobody-there") == 404
    assert grant(bearer(wendy), "acme") == 422


def test_automatic_gating_accepts_at_once(
    client: Client, licensed: Licensed, alice: User, bob: User, bearer: Bearer
) -> None:
    licensed(alice, "mit", gated="auto")
    answer = client.post(
        "/api/v1/repositories/model/alice/m/access-requests", {}, content_type=JSON, headers=bearer(bob)
    )
    assert answer.json()["status"] == "accepted"
    decision = client.post(
        "/api/v1/decisions", {"repository": "alice/m"}, content_type=JSON, headers=bearer(bob)
    ).json()
    assert decision["verdict"] == "allow"


# --- entitlements ------------------------------------------------------------------------------------------------
@pytest.fixture
def offer(gated: Repository) -> Offer:
    """A commercial offer."""
    return offer_create(
        principal=None, repository=gated, license_id="other", acquisition="purchase", title="Commercial"
    )


@pytest.mark.parametrize(
    ("who", "status"), [("bob", 403), ("rita", 403), ("wendy", 403), ("carol", 201), ("olga", 201)]
)
def test_entitlements_are_granted_by_admins_and_staff(
    client: Client, offer: Offer, bob: User, operator: User, bearer: Bearer, who: str, status: int
) -> None:
    answer = client.post(
        f"/api/v1/offers/{offer.pk}/entitlements",
        {"user": "bob", "reason": "paid"},
        content_type=JSON,
        headers=bearer(User.objects.get(username=who)),
    )
    assert answer.status_code == status, answer.content
    assert Entitlement.objects.count() == (1 if status == 201 else 0)


@pytest.mark.parametrize(
    "body",
    [
        {"user": "bob"},
        {"user": "bob", "reason": " "},
        {"reason": "paid"},
        {"user": "bob", "organization": "acme", "reason": "paid"},
        {"user": "acme", "reason": "paid"},
        {"organization": "bob", "reason": "paid"},
        {"user": "bob", "reason": "paid", "colour": "red"},
        {"user": "bob", "reason": "paid", "starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
    ],
)
def test_a_bad_grant_is_refused(
    client: Client, offer: Offer, bob: User, carol: User, bearer: Bearer, body: dict[str, Any]
) -> None:
    url = f"/api/v1/offers/{offer.pk}/entitlements"
    assert client.post(url, body, content_type=JSON, headers=bearer(carol)).status_code == 422
    assert not Entitlement.objects.exists()


def test_changes_follow_the_table_and_leave_a_trace(
    client: Client, offer: Offer, bob: User, carol: User, wendy: User, bearer: Bearer
) -> None:
    url = f"/api/v1/offers/{offer.pk}/entitlements"
    body = {"organization": "acme", "reason": "paid"}
    made = client.post(url, body, content_type=JSON, headers=bearer(carol)).json()

    def change(word: str, headers: dict[str, str], reason: str = "why") -> Any:
        place = f"/api/v1/entitlements/{made['id']}/{word}"
        return client.post(place, {"reason": reason}, content_type=JSON, headers=headers)

    assert change("suspend", bearer(wendy)).status_code == 404
    assert change("suspend", bearer(carol), "").status_code == 422
    assert change("melt", bearer(carol)).status_code == 404
    assert change("resume", bearer(carol)).status_code == 409
    assert [change(word, bearer(carol)).json()["status"] for word in ("suspend", "resume", "revoke")] == [
        "suspended", "active", "revoked",
    ]  # fmt: skip
    assert change("resume", bearer(carol)).status_code == 409
    actions = ["grant", "suspend", "resume", "revoke"]
    assert list(EntitlementEvent.objects.order_by("pk").values_list("action", flat=True)) == actions
    assert AuditEntry.objects.filter(action__startswith="entitlement.", actor="carol").count() == 4
    listed = client.get(url, headers=bearer(carol)).json()["items"]
    assert [len(item["events"]) for item in listed] == [4]
    assert client.get(url, headers=bearer(bob)).status_code == 403
