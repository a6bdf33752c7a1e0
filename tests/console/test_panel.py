"""Who may look, and that nobody writes past a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from registry.accounts import services as accounts
from registry.accounts.models import Organization, User
from registry.audit.models import OutboxMessage
from registry.audit.services import outbox_add
from registry.console.navigation import UNFOLD
from registry.jobs.models import Job, Worker
from registry.licensing.models import Acceptance, DecisionRecord, Entitlement, Receipt

MODELS = [model for model in admin.site._registry if not model.__module__.startswith("django.")]


def _url(model: Any, name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.fixture
def everything(
    decision: DecisionRecord,
    entitlement: Entitlement,
    access_request: Any,
    acme: Organization,
    alice: User,
    license_row: Any,
) -> None:
    """At least one row of each model."""
    accounts.token_create(user=alice, name="laptop", organization=None)
    outbox_add(topic="x.y", payload={})
    Acceptance.objects.create(
        user=alice, repository=entitlement.offer.repository, license=license_row, license_version="4.0"
    )
    Receipt.objects.create(decision=decision, user=alice, commit="0" * 40, jws="a.b.c")
    Job.objects.create(kind="finetune", task="text-classification", spec={}, spec_digest="0" * 64, requested_by=alice)
    Worker.objects.create(name="worker-1")


@pytest.mark.parametrize("shown", MODELS, ids=lambda shown: shown.__name__)
def test_strangers_are_sent_to_sign_in(client: Client, db: None, shown: Any) -> None:
    response = client.get(_url(shown, "changelist"))
    assert response.status_code == 302
    assert "login" in response["Location"]


@pytest.mark.parametrize("path", ["", "login/"])
def test_an_ordinary_user_is_refused(client_for: Callable[..., Client], alice: User, path: str) -> None:
    response = client_for(alice).get(reverse("admin:index") + path, follow=True)
    assert response.status_code == 403


def test_a_suspended_operator_is_sent_to_sign_in(panel: Client, operator: User) -> None:
    accounts.user_set_active(user=operator, active=False, reason="left")
    assert panel.get(reverse("admin:index")).status_code == 302


def test_signing_in_goes_through_the_page_that_asks_for_the_second_factor(client: Client, db: None) -> None:
    response = client.get(reverse("admin:login"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_an_operators_token_does_not_open_the_panel(client: Client, bearer: Any, operator: User) -> None:
    assert client.get(reverse("admin:index"), headers=bearer(operator)).status_code == 302


def test_the_index_has_all_sections(panel: Client) -> None:
    page = panel.get(reverse("admin:index")).content.decode()
    for section in UNFOLD["SIDEBAR"]["navigation"]:
        for item in section["items"]:
            assert str(item["link"]) in page


def test_the_index_says_what_waits(panel: Client, access_request: Any, decision: DecisionRecord) -> None:
    response = panel.get(reverse("admin:index"))
    tiles = {tile["title"]: tile["number"] for tile in response.context["tiles"]}
    assert tiles["Access requests waiting"] == 1
    assert tiles["Refusals in the last day"] == 1
    assert "repository.create" in response.content.decode()
    assert panel.get(response.context["tiles"][0]["link"]).context["cl"].result_count == 1


@pytest.mark.parametrize("shown", MODELS, ids=lambda shown: shown.__name__)
def test_every_model_has_a_list_a_search_and_a_page(panel: Client, everything: None, shown: Any) -> None:
    row = shown._default_manager.first()
    assert row is not None
    assert panel.get(_url(shown, "changelist")).status_code == 200
    assert panel.get(_url(shown, "changelist"), {"q": "a"}).status_code == 200
    assert panel.get(_url(shown, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("shown", MODELS, ids=lambda shown: shown.__name__)
def test_no_model_can_be_added_changed_or_deleted_by_hand(panel: Client, everything: None, shown: Any) -> None:
    before = list(shown._default_manager.values())
    pk = shown._default_manager.first().pk
    assert panel.get(_url(shown, "add")).status_code == 403
    assert panel.post(_url(shown, "add"), {"name": "x"}).status_code == 403
    assert panel.post(_url(shown, "change", pk), {"name": "x"}).status_code == 403
    assert panel.post(_url(shown, "delete", pk), {"post": "yes"}).status_code == 403
    panel.post(_url(shown, "changelist"), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert list(shown._default_manager.values()) == before


def test_no_page_shows_a_secret(panel: Client, alice: User) -> None:
    token, secret = accounts.token_create(user=alice, name="laptop")
    for url in (_url(type(token), "change", token.pk), _url(type(token), "changelist"), _url(User, "change", alice.pk)):
        page = panel.get(url).content.decode()
        assert token.hint in page
        assert secret not in page
        assert token.secret_sha256 not in page
        assert alice.password not in page


def test_the_frameworks_own_pages_are_out() -> None:
    assert {model.__name__ for model in admin.site._registry}.isdisjoint({"Group", "EmailAddress", "Authenticator"})


def test_lists_do_not_ask_row_by_row(
    panel: Client, everything: None, django_assert_max_num_queries: Any, make_repository: Any, bob: User
) -> None:
    for number in range(5):
        make_repository(bob, f"m{number}")
    with django_assert_max_num_queries(10):
        panel.get(reverse("admin:repositories_repository_changelist"))
    with django_assert_max_num_queries(10):
        panel.get(_url(OutboxMessage, "changelist"))
