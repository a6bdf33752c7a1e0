"""Who may see and do what on pages: anonymous, stranger, reader, writer, owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.accounts.models import AccessToken, Organization, User
from registry.licensing.models import AccessRequest
from registry.repositories.models import Repository

ClientFor = Callable[..., Client]
PAGES = ["", "/tree/main", "/blob/main/README.md", "/commits/main", "/commit/main", "/license"]


@pytest.mark.parametrize("page", PAGES)
def test_a_private_repository_is_not_there_for_strangers(
    page: str, private_model: Repository, bob: User, client_for: ClientFor
) -> None:
    for viewer in (None, bob):
        response = client_for(viewer).get(f"/acme/private{page}")
        assert response.status_code == 404
        assert b"It does things" not in response.content


@pytest.mark.parametrize("page", PAGES)
def test_members_see_a_private_repository(
    page: str, private_model: Repository, rita: User, wendy: User, carol: User, client_for: ClientFor
) -> None:
    for member in (rita, wendy, carol):
        assert client_for(member).get(f"/acme/private{page}").status_code == 200


def test_a_private_repository_is_in_no_list_of_a_stranger(
    private_model: Repository, bob: User, rita: User, client_for: ClientFor
) -> None:
    for address in ("/", "/models", "/models?search=private", "/acme", "/licenses/mit"):
        assert b"acme/private" not in client_for(bob).get(address).content
        assert b"/private" not in client_for().get(address).content.replace(b"Private", b"")
    assert b"/acme/private" in client_for(rita).get("/models").content


def test_settings_are_for_admins_alone(
    private_model: Repository, bob: User, rita: User, wendy: User, carol: User, client_for: ClientFor
) -> None:
    address = "/acme/private/settings"
    assert client_for().get(address).status_code == 302
    assert [client_for(user).get(address).status_code for user in (bob, rita, wendy, carol)] == [404, 403, 403, 200]
    assert [client_for(user).post(f"{address}/delete").status_code for user in (bob, rita, wendy)] == [404, 403, 403]
    assert Repository.objects.filter(pk=private_model.pk).exists()


def test_deleting_wants_the_name_typed(private_model: Repository, carol: User, client_for: ClientFor) -> None:
    client = client_for(carol)
    client.post("/acme/private/settings/delete", {"confirm": "private"})
    assert Repository.objects.filter(pk=private_model.pk).exists()
    response = client.post("/acme/private/settings/delete", {"confirm": "acme/private"})
    assert response.url == "/acme"
    assert not Repository.objects.filter(pk=private_model.pk).exists()


@pytest.mark.parametrize(
    "address", ["/jobs", "/jobs/new", "/decisions", "/requests", "/settings/tokens", "/settings/profile", "/new"]
)
def test_personal_pages_ask_to_sign_in_and_come_back(address: str, db: None, client_for: ClientFor) -> None:
    response = client_for().get(address)
    assert response.status_code == 302
    assert response.url == f"/accounts/login/?next={address}"


def test_a_token_opens_no_page_that_changes_the_account(alice: User, bearer: Callable[..., Any]) -> None:
    response = Client().post("/settings/tokens", {"name": "more", "role": "write"}, headers=bearer(alice, "read"))
    assert response.status_code == 403
    assert not AccessToken.objects.filter(name="more").exists()


def test_an_expired_token_is_refused(open_model: Repository, alice: User, token_for: Callable[..., str]) -> None:
    headers = {"Authorization": f"Bearer {token_for(alice, expired=True)}"}
    assert Client().get("/alice/open", headers=headers).status_code == 401


def test_another_persons_token_cannot_be_revoked(
    alice: User, bob: User, token_for: Callable[..., str], client_for: ClientFor
) -> None:
    token_for(alice)
    token = AccessToken.objects.get(user=alice)
    assert client_for(bob).post(f"/settings/tokens/{token.pk}/revoke").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_only_those_who_may_write_decide_requests(
    gated_model: Repository, alice: User, bob: User, client_for: ClientFor
) -> None:
    client_for(bob).post("/alice/gated/license/request", {"field_0": "Bobcorp", "field_1": "on"})
    asked = AccessRequest.objects.get(user=bob)
    assert client_for(bob).post(f"/requests/{asked.pk}", {"answer": "approve"}).status_code == 404
    asked.refresh_from_db()
    assert asked.status == "pending"
    client_for(alice).post(f"/requests/{asked.pk}", {"answer": "approve"})
    asked.refresh_from_db()
    assert asked.status == "accepted"


def test_members_of_an_organization_are_shown_to_members_alone(
    acme: Organization, bob: User, rita: User, client_for: ClientFor
) -> None:
    assert b"wendy" not in client_for(bob).get("/acme").content
    assert b"wendy" in client_for(rita).get("/acme").content


def test_another_persons_decision_is_not_there(
    gated_model: Repository, alice: User, bob: User, client_for: ClientFor
) -> None:
    refused = client_for(bob).get("/alice/gated/blob/main/secret.txt")
    decision = refused["X-Decision-Id"]
    assert client_for(bob).get(f"/decisions/{decision}").status_code == 200
    assert client_for(alice).get(f"/decisions/{decision}").status_code == 404


POSTS = [
    "/settings/preferences", "/settings/tokens", "/settings/profile", "/settings/tokens/1/revoke", "/new", "/jobs/new",
    "/jobs/job_x/stop", "/requests/1", "/alice/open/license/accept", "/alice/open/license/request",
    "/alice/open/settings", "/alice/open/settings/delete", "/accounts/logout/",
]  # fmt: skip


@pytest.mark.parametrize("address", POSTS)
def test_a_form_of_another_site_changes_nothing(
    address: str, open_model: Repository, alice: User, client_for: ClientFor
) -> None:
    assert client_for(alice, enforce_csrf_checks=True).post(address, {}).status_code == 403


@pytest.mark.parametrize(
    "address", ["/settings/preferences", "/settings/tokens/1/revoke", "/requests/1", "/alice/open/license/accept"]
)
def test_what_changes_something_is_never_a_get(
    address: str, open_model: Repository, alice: User, client_for: ClientFor
) -> None:
    assert client_for(alice).get(address).status_code == 405
