"""What staff can do: each operation calls its service, says what was wrong, and leaves its trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry.accounts import selectors, services
from registry.accounts.errors import InvalidCredentialsError
from registry.accounts.models import Membership, Organization, User
from registry.audit.models import AuditEntry
from registry.jobs.models import Job
from registry.licensing.models import AccessRequest, Entitlement, EntitlementEvent, License, LicenseText, Offer
from registry.repositories.models import Repository


def _url(row: Any, path: str) -> str:
    meta = row._meta
    return f"{reverse(f'admin:{meta.app_label}_{meta.model_name}_changelist')}{row.pk}/{path}/"


def _list_url(model: Any, path: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + f"{path}/"


def test_a_page_asks_before_anything_happens(panel: Client, entitlement: Entitlement) -> None:
    response = panel.get(_url(entitlement, "revoke"))
    assert response.status_code == 200
    assert "cannot be undone" in response.content.decode()
    entitlement.refresh_from_db()
    assert entitlement.status == "active"


def test_revoking_an_entitlement_demands_a_reason(panel: Client, entitlement: Entitlement) -> None:
    for reason in ("", "   "):
        response = panel.post(_url(entitlement, "revoke"), {"reason": reason})
        assert response.status_code == 422
    entitlement.refresh_from_db()
    assert entitlement.status == "active"
    assert not EntitlementEvent.objects.filter(action="revoke").exists()


def test_revoking_an_entitlement_leaves_an_event_and_an_audit_entry(
    panel: Client, entitlement: Entitlement, operator: User
) -> None:
    response = panel.post(_url(entitlement, "revoke"), {"reason": "invoice unpaid"})
    assert response.status_code == 302
    entitlement.refresh_from_db()
    assert entitlement.status == "revoked"
    event = EntitlementEvent.objects.get(action="revoke")
    assert (event.actor, event.reason) == (operator, "invoice unpaid")
    entry = AuditEntry.objects.get(action="entitlement.revoke")
    assert (entry.actor, entry.details["reason"]) == ("olga", "invoice unpaid")
    assert "invoice unpaid" in panel.get(response["Location"]).content.decode()


def test_an_entitlement_is_suspended_and_resumed(panel: Client, entitlement: Entitlement) -> None:
    for path, status in (("suspend", "suspended"), ("resume", "active")):
        assert panel.post(_url(entitlement, path), {"reason": "because"}).status_code == 302
        entitlement.refresh_from_db()
        assert entitlement.status == status


def test_a_change_that_the_state_does_not_allow_is_explained(panel: Client, entitlement: Entitlement) -> None:
    response = panel.post(_url(entitlement, "resume"), {"reason": "because"})
    assert response.status_code == 422
    assert "cannot follow" in response.content.decode()


@pytest.mark.parametrize("path", ["revoke", "suspend", "resume"])
def test_only_staff_reach_an_operation(
    client: Client, client_for: Callable[..., Client], entitlement: Entitlement, alice: User, path: str
) -> None:
    url = _url(entitlement, path)
    assert client.post(url, {"reason": "x"}).status_code == 302
    assert client_for(alice).post(url, {"reason": "x"}, follow=True).status_code == 403
    entitlement.refresh_from_db()
    assert entitlement.status == "active"


def test_an_operation_is_guarded_against_other_sites(
    client_for: Callable[..., Client], operator: User, entitlement: Entitlement
) -> None:
    browser = client_for(operator, enforce_csrf_checks=True)
    assert browser.post(_url(entitlement, "revoke"), {"reason": "x"}).status_code == 403


def test_an_operation_on_a_row_that_is_gone_is_not_found(panel: Client, entitlement: Entitlement) -> None:
    assert panel.get(_url(entitlement, "revoke").replace(f"/{entitlement.pk}/", "/999999/")).status_code == 404


def test_an_entitlement_is_granted_on_an_offer(panel: Client, offer: Offer, bob: User, acme: Organization) -> None:
    url = _url(offer, "grant")
    values = {"user": "bob", "purposes": ["hosted-service"], "last_day": "2099-12-31", "reason": "order 7"}
    assert panel.post(url, values).status_code == 302
    granted = Entitlement.objects.get(user=bob)
    assert granted.purposes == ["hosted-service"]
    assert granted.ends_at is not None
    assert granted.ends_at.date().isoformat() == "2099-12-31"
    assert panel.post(url, {"organization": "Acme", "reason": "order 8"}).status_code == 302
    assert Entitlement.objects.filter(organization=acme).exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"reason": "x"}, "name one holder"),
        ({"user": "bob", "organization": "acme", "reason": "x"}, "name one holder"),
        ({"user": "nobody", "reason": "x"}, "there is no user or organization"),
        ({"user": "bob"}, "This field is required"),
        ({"user": "bob", "reason": "x", "last_day": "2001-01-01"}, "ends after it starts"),
        ({"user": "bob", "reason": "x", "purposes": ["fun"]}, "not one of the available choices"),
    ],
)
def test_a_grant_that_cannot_be_is_explained(
    panel: Client, offer: Offer, bob: User, acme: Organization, values: dict[str, Any], said: str
) -> None:
    response = panel.post(_url(offer, "grant"), values)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Entitlement.objects.exists()


def test_an_offer_is_published_and_withdrawn(panel: Client, model: Repository, license_row: License) -> None:
    values = {"license": license_row.pk, "acquisition": "purchase", "title": "Pro", "price": "900 EUR a year"}
    assert panel.post(_url(model, "offer"), values).status_code == 302
    offer = Offer.objects.get(title="Pro")
    assert panel.post(_url(offer, "withdraw")).status_code == 302
    offer.refresh_from_db()
    assert offer.status == "withdrawn"


def test_a_request_is_approved_for_a_while_and_taken_back(panel: Client, access_request: AccessRequest) -> None:
    assert panel.post(_url(access_request, "approve"), {"last_day": "2099-01-01"}).status_code == 302
    access_request.refresh_from_db()
    assert (access_request.status, access_request.expires_at is None) == ("accepted", False)
    assert panel.post(_url(access_request, "deny"), {"reason": "left the company"}).status_code == 302
    access_request.refresh_from_db()
    assert (access_request.status, access_request.reason) == ("revoked", "left the company")


def test_a_text_is_added_and_never_changed(panel: Client, license_row: License) -> None:
    before = list(LicenseText.objects.filter(license=license_row).values_list("sha256", "text"))
    values = {"text": "You may not sell it.", "version": "5.0", "source": "by hand", "material": "on"}
    assert panel.post(_url(license_row, "add-text"), values).status_code == 302
    added = LicenseText.objects.get(license=license_row, is_current=True)
    assert (added.version, added.material) == ("5.0", True)
    kept = LicenseText.objects.filter(license=license_row).exclude(pk=added.pk)
    assert list(kept.values_list("sha256", "text")) == before
    again = panel.post(_url(license_row, "add-text"), values)
    assert again.status_code == 422
    assert "has this text already" in again.content.decode()


def test_a_token_is_revoked(panel: Client, alice: User) -> None:
    token, secret = services.token_create(user=alice, name="laptop")
    assert panel.post(_url(token, "revoke")).status_code == 302
    with pytest.raises(InvalidCredentialsError):
        selectors.principal_for_secret(secret)
    assert AuditEntry.objects.get(action="token.revoke").actor == "olga"


def test_a_user_is_created_with_the_operators_name_in_the_trail(panel: Client) -> None:
    values = {"username": "zoe", "email": "zoe@example.org", "password": "", "is_admin": "on"}
    assert panel.post(_list_url(User, "create"), values).status_code == 302
    user = selectors.user_get("zoe")
    assert (user.is_staff, user.has_usable_password()) == (True, False)
    assert AuditEntry.objects.get(action="user.create", target="user:zoe").actor == "olga"


def test_a_name_that_is_taken_is_explained(panel: Client, alice: User) -> None:
    response = panel.post(_list_url(User, "create"), {"username": "ALICE"})
    assert response.status_code == 422
    assert "is taken" in response.content.decode()


def test_a_user_is_suspended_and_resumed_with_a_reason(panel: Client, bob: User) -> None:
    assert panel.post(_url(bob, "suspend"), {"reason": ""}).status_code == 422
    assert panel.post(_url(bob, "suspend"), {"reason": "spam"}).status_code == 302
    assert not selectors.user_get("bob").is_active
    assert panel.post(_url(bob, "resume"), {"reason": "sorry"}).status_code == 302
    assert selectors.user_get("bob").is_active


def test_a_second_factor_is_removed_with_a_reason(panel: Client, bob: User) -> None:
    bob.authenticator_set.create(type="totp", data={})
    assert panel.post(_url(bob, "second-factor"), {"reason": "lost phone"}).status_code == 302
    assert bob.authenticator_set.count() == 0
    assert AuditEntry.objects.get(action="user.second_factor_remove").details["removed"] == 1


def test_an_organization_is_made_edited_and_staffed(panel: Client, alice: User, bob: User) -> None:
    assert (
        panel.post(
            _list_url(Organization, "create"), {"name": "acme", "creator": "alice", "kind": "company"}
        ).status_code
        == 302
    )
    organization = selectors.organization_get("acme")
    page = panel.get(_url(organization, "edit")).content.decode()
    assert 'value="company" selected' in page
    assert panel.post(_url(organization, "edit"), {"full_name": "Acme", "kind": "academic"}).status_code == 302
    assert panel.post(_url(organization, "member"), {"user": "bob", "role": "write"}).status_code == 302
    assert Membership.objects.get(user=bob).role == "write"
    assert panel.post(_url(organization, "remove-member"), {"user": "bob"}).status_code == 302
    refused = panel.post(_url(organization, "remove-member"), {"user": "alice"})
    assert refused.status_code == 422
    assert "only admin" in refused.content.decode()


def test_a_repository_is_disabled_and_enabled_with_a_reason(panel: Client, model: Repository) -> None:
    assert panel.post(_url(model, "disable"), {"reason": ""}).status_code == 422
    assert panel.post(_url(model, "disable"), {"reason": "takedown 12"}).status_code == 302
    model.refresh_from_db()
    assert model.disabled
    assert AuditEntry.objects.get(action="repository.disable").details == {"reason": "takedown 12"}
    assert panel.post(_url(model, "enable"), {"reason": "settled"}).status_code == 302
    model.refresh_from_db()
    assert not model.disabled


def test_a_job_is_cancelled(panel: Client, alice: User) -> None:
    job = Job.objects.create(
        kind="finetune", task="text-classification", spec={}, spec_digest="0" * 64, requested_by=alice
    )
    assert panel.post(_url(job, "cancel")).status_code == 302
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_decision_is_told_in_sentences(panel: Client, decision: Any) -> None:
    page = panel.get(_url(decision, "change")).content.decode()
    assert decision.decision["sentence"] in page
    assert "Ways forward" in page
