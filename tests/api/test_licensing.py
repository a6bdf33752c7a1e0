"""Licenses, the license of a repository, offers and acceptances over the native API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.accounts.models import Organization, User
from registry.licensing.models import Offer
from registry.licensing.services import current_text, offer_create
from registry.repositories.models import Repository

Licensed = Callable[..., Repository]
Bearer = Callable[..., dict[str, str]]
JSON = "application/json"
OFFER = {"license": "other", "acquisition": "purchase", "title": "Commercial license"}


def test_the_catalogue_lists_all_licenses_and_filters_by_category(client: Client, licenses: None) -> None:
    assert len(client.get("/api/v1/licenses").json()["items"]) == 147
    items = client.get("/api/v1/licenses", {"category": "public-domain"}).json()["items"]
    assert {item["category"] for item in items} == {"public-domain"}


def test_an_unknown_category_or_filter_is_named(client: Client, licenses: None) -> None:
    wrong = client.get("/api/v1/licenses", {"category": "nice"})
    unknown = client.get("/api/v1/licenses", {"colour": "red"})
    assert [wrong.status_code, unknown.status_code] == [422, 422]
    assert wrong.json()["errors"][0]["field"] == "category"
    assert unknown.json()["errors"][0]["field"] == "colour"
    assert unknown["Content-Type"] == "application/problem+json"


def test_a_license_comes_with_terms_and_texts(client: Client, licenses: None) -> None:
    body = client.get("/api/v1/licenses/apache-2.0").json()
    assert body["terms"]["actions"]["use-commercially"]["clause"] == "2"
    assert body["texts"][0]["text"].startswith("Apache License")
    assert client.get("/api/v1/licenses/nope").json()["code"] == "license_not_found"


def test_a_repositorys_license_says_what_one_may_and_what_would_be_answered(
    client: Client, licensed: Licensed, alice: User
) -> None:
    licensed(alice, "cc-by-nc-4.0")
    answer = client.get("/api/v1/repositories/model/alice/m/license", {"purpose": "commercial-product"})
    body = answer.json()
    assert "use-commercially" in body["license"]["may_not"]
    text = current_text("cc-by-nc-4.0")
    assert text is not None
    assert body["license"]["text_sha256"] == text.sha256
    assert body["decision"]["code"] == answer["X-Decision-Code"] == "TERMS_PROHIBIT"


def test_a_private_repositorys_license_is_not_found_for_strangers(
    client: Client, licensed: Licensed, alice: User, bob: User, bearer: Bearer
) -> None:
    licensed(alice, "mit", private=True)
    url = "/api/v1/repositories/models/alice/m/license"
    assert client.get(url).status_code == 404
    assert client.get(url, headers=bearer(bob)).status_code == 404
    assert client.get(url, headers=bearer(alice)).status_code == 200
    assert client.get("/api/v1/repositories/film/alice/m/license").status_code == 404


# --- offers ------------------------------------------------------------------------------------------------------
@pytest.fixture
def acme_model(licensed: Licensed, carol: User, acme: Organization) -> Repository:
    """A model of the organization's."""
    return licensed(carol, "cc-by-nc-4.0", namespace="acme")


@pytest.mark.parametrize(
    ("who", "role", "status"),
    [
        ("bob", "write", 403),
        ("rita", "write", 403),
        ("wendy", "write", 403),
        ("carol", "read", 403),
        ("carol", "write", 201),
    ],
)
def test_only_admins_with_a_writing_token_make_offers(
    client: Client, acme_model: Repository, bob: User, bearer: Bearer, who: str, role: str, status: int
) -> None:
    person = User.objects.get(username=who)
    answer = client.post(
        "/api/v1/repositories/model/acme/m/offers", OFFER, content_type=JSON, headers=bearer(person, role)
    )
    assert answer.status_code == status, answer.content
    assert Offer.objects.count() == (1 if status == 201 else 0)


def test_without_a_good_token_nobody_makes_offers(
    client: Client, acme_model: Repository, carol: User, bearer: Bearer
) -> None:
    url = "/api/v1/repositories/model/acme/m/offers"
    assert client.post(url, OFFER, content_type=JSON).status_code == 401
    expired = bearer(carol, expired=True)
    assert client.post(url, OFFER, content_type=JSON, headers=expired).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"acquisition": "theft"}, "acquisition"),
        ({"title": ""}, "title"),
        ({"purposes": ["fun"]}, "purposes.0"),
        ({"contact_url": "javascript:alert(1)"}, "contact_url"),
        ({"territory": ["eu"]}, "territory"),
        ({"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_a_bad_offer_is_refused_by_field(
    client: Client, acme_model: Repository, carol: User, bearer: Bearer, change: dict[str, Any], field: str
) -> None:
    answer = client.post(
        "/api/v1/repositories/model/acme/m/offers", OFFER | change, content_type=JSON, headers=bearer(carol)
    )
    assert answer.status_code == 422
    body = answer.json()
    named = {body.get("field", "")} | {error["field"].split(".")[0] for error in body.get("errors", [])}
    assert field.split(".", maxsplit=1)[0] in named
    assert not Offer.objects.exists()


def test_an_offer_under_a_license_that_is_none_is_refused(
    client: Client, acme_model: Repository, carol: User, bearer: Bearer
) -> None:
    answer = client.post(
        "/api/v1/repositories/model/acme/m/offers",
        OFFER | {"license": "nope"},
        content_type=JSON,
        headers=bearer(carol),
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "license_not_found")


@pytest.fixture
def offer(acme_model: Repository) -> Offer:
    """A click-through offer under the Apache license."""
    return offer_create(
        principal=None, repository=acme_model, license_id="apache-2.0", acquisition="click-through", title="Open"
    )


def test_offers_are_listed_and_withdrawn_by_admins(
    client: Client, offer: Offer, carol: User, wendy: User, bearer: Bearer
) -> None:
    url = "/api/v1/repositories/model/acme/m/offers"
    assert [item["id"] for item in client.get(url).json()["items"]] == [offer.pk]
    assert client.post(f"/api/v1/offers/{offer.pk}/withdraw", headers=bearer(wendy)).status_code == 403
    assert client.post(f"/api/v1/offers/{offer.pk}/withdraw", headers=bearer(carol)).json()["status"] == "withdrawn"
    assert client.get(url).json()["items"] == []


# --- acceptance --------------------------------------------------------------------------------------------------
def test_accepting_quotes_the_hash_of_the_current_text(client: Client, offer: Offer, bob: User, bearer: Bearer) -> None:
    url, headers = f"/api/v1/offers/{offer.pk}/accept", bearer(bob, "read")
    text = current_text("apache-2.0")
    assert text is not None
    wrong = client.post(url, {"text_sha256": "0" * 64}, content_type=JSON, headers=headers)
    assert (wrong.status_code, wrong.json()["current"]) == (409, text.sha256)
    first = client.post(url, {"text_sha256": text.sha256}, content_type=JSON, headers=headers)
    second = client.post(url, {"text_sha256": text.sha256}, content_type=JSON, headers=headers)
    assert first.status_code == 201
    assert first.json() == second.json()
    assert [item["id"] for item in client.get("/api/v1/acceptances", headers=headers).json()["items"]] == [
        first.json()["id"]
    ]


def test_accepting_needs_an_account_and_a_well_formed_hash(
    client: Client, offer: Offer, bob: User, bearer: Bearer
) -> None:
    url = f"/api/v1/offers/{offer.pk}/accept"
    assert client.post(url, {"text_sha256": "0" * 64}, content_type=JSON).status_code == 401
    bad = client.post(url, {"text_sha256": "yes"}, content_type=JSON, headers=bearer(bob))
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "text_sha256")


def test_a_withdrawn_offer_cannot_be_accepted(client: Client, offer: Offer, bob: User, bearer: Bearer) -> None:
    Offer.objects.update(status="withdrawn")
    url = f"/api/v1/offers/{offer.pk}/accept"
    answer = client.post(url, {"text_sha256": ""}, content_type=JSON, headers=bearer(bob))
    assert (answer.status_code, answer.json()["code"]) == (409, "offer_closed")


def test_an_offer_of_an_invisible_repository_is_not_found(
    client: Client, offer: Offer, bob: User, bearer: Bearer
) -> None:
    Repository.objects.update(visibility="private")
    answer = client.post(
        f"/api/v1/offers/{offer.pk}/accept", {"text_sha256": ""}, content_type=JSON, headers=bearer(bob)
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "offer_not_found")
    assert client.get("/api/v1/repositories/model/acme/m/offers", headers=bearer(bob)).status_code == 404


def test_an_acceptance_is_taken_back_by_whoever_gave_it_only(
    client: Client, acme_model: Repository, alice: User, bob: User, bearer: Bearer
) -> None:
    url = "/api/v1/repositories/model/acme/m/acceptances"
    body = {"license": "llama3.1", "text_sha256": ""}  # the hub holds no text of it: the link is what was read
    made = client.post(url, body, content_type=JSON, headers=bearer(bob)).json()
    place = f"/api/v1/acceptances/{made['id']}"
    assert client.delete(place, headers=bearer(alice)).status_code == 404
    assert client.delete(place, headers=bearer(bob)).status_code == 204
    assert client.delete(place, headers=bearer(bob)).status_code == 404


def test_the_schema_of_the_whole_api_is_served(client: Client, db: None) -> None:
    answer = client.get("/api/v1/schema", {"format": "json"})
    paths = answer.json()["paths"]
    assert "/api/v1/offers/{offer_id}/accept" in paths
    assert "/api/v1/decisions" in paths
