"""The one door: who is let through, what is recorded, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from registry.access import services as access
from registry.access.errors import GateDeniedError, GateUnavailableError
from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.errors import InvalidError
from registry.licensing import services
from registry.licensing.codes import Code, Verdict
from registry.licensing.forms import gated_form
from registry.licensing.models import Acceptance, DecisionRecord, LicenseText, Offer, Receipt
from registry.licensing.services import current_text
from registry.repositories.errors import RepositoryDisabledError, RepositoryNotFoundError
from registry.repositories.models import Repository

Principals = Callable[..., Principal]
Licensed = Callable[..., Repository]
NO_FORM = gated_form(None)


def ask(principal: Principal, repository: Repository, action: str = "download", **facts: Any) -> Any:
    return access.authorize(
        principal=principal, action=action, repository=repository, commit=facts.pop("commit", "c" * 40), **facts
    )


def text_of(license_id: str) -> str:
    text = current_text(license_id)
    return text.sha256 if text else ""


# --- purposes ----------------------------------------------------------------------------------------------------
def test_an_open_permissive_model_is_for_everybody(licensed: Licensed, alice: User) -> None:
    decision = ask(ANONYMOUS, licensed(alice, "mit"))
    assert (decision.verdict, decision.code) == (Verdict.ALLOW, Code.ALLOWED_PUBLIC)
    assert not decision.warnings


def test_a_token_bound_to_a_product_is_refused_what_a_research_token_may_have(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository = licensed(alice, "cc-by-nc-4.0")
    product = ask(principal_of(bob, "read", purpose="commercial-product"), repository)
    research = ask(principal_of(bob, "read", purpose="research"), repository)
    assert (product.verdict, product.code) == (Verdict.DENY, Code.TERMS_PROHIBIT)
    assert "non-commercial" in product.sentence
    assert research.allowed


def test_without_a_purpose_research_is_assumed_and_the_answer_says_so(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    decision = ask(principal_of(bob), licensed(alice, "cc-by-nc-4.0"))
    assert decision.allowed
    assert decision.purpose_assumed
    assert any("research is assumed" in check.sentence for check in decision.checks)


def test_a_purpose_that_contradicts_the_tokens_is_a_mismatch(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    decision = ask(principal_of(bob, "read", purpose="research"), licensed(alice, "mit"), purpose="hosted-service")
    assert decision.code is Code.PURPOSE_MISMATCH


def test_an_unknown_purpose_or_action_is_invalid(licensed: Licensed, alice: User) -> None:
    repository = licensed(alice, "mit")
    with pytest.raises(InvalidError, match="no purpose"):
        ask(ANONYMOUS, repository, purpose="fun")
    with pytest.raises(InvalidError, match="no action"):
        ask(ANONYMOUS, repository, action="steal")


def test_an_organizations_kind_decides_whether_internal_use_is_commercial(
    licensed: Licensed, alice: User, wendy: User, acme: Organization, principal_of: Principals
) -> None:
    repository = licensed(alice, "cc-by-nc-4.0")
    token = {"organization": acme, "purpose": "internal"}
    assert ask(principal_of(wendy, "read", **token), repository).code is Code.TERMS_PROHIBIT
    Organization.objects.filter(pk=acme.pk).update(kind="academic")
    assert ask(principal_of(wendy, "read", **token), repository).allowed


# --- acceptance --------------------------------------------------------------------------------------------------
def test_terms_that_need_assent_are_refused_until_the_current_text_is_accepted(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, principal = licensed(alice, "llama3.1"), principal_of(bob)
    before = ask(principal, repository)
    assert (before.verdict, before.code) == (Verdict.NEEDS_ACCEPTANCE, Code.ACCEPTANCE_REQUIRED)
    assert before.remedies[0].url == f"/{repository.full_name}/license"
    services.license_accept(
        principal=principal, repository=repository, license_id="llama3.1", text_sha256=text_of("llama3.1")
    )
    after = ask(principal, repository)
    assert (after.code, after.acceptance_id) == (Code.ALLOWED_ACCEPTED, Acceptance.objects.get().pk)
    assert {duty.code for duty in after.duties} == {"comply-aup"}


def test_an_acceptance_taken_back_ends_with_the_next_question(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, principal = licensed(alice, "mit", gated="auto"), principal_of(bob)
    acceptance = services.license_accept(
        principal=principal, repository=repository, license_id="mit", text_sha256=text_of("mit")
    )
    assert ask(principal, repository).code is Code.ALLOWED_ACCEPTED
    services.acceptance_withdraw(principal=principal, acceptance_id=acceptance.pk)
    assert ask(principal, repository).code is Code.ACCEPTANCE_REQUIRED


def test_a_new_text_asks_for_acceptance_anew(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, principal = licensed(alice, "mit", gated="auto"), principal_of(bob)
    services.license_accept(principal=principal, repository=repository, license_id="mit", text_sha256=text_of("mit"))
    services.license_text_add(principal=None, license_id="mit", text="Another text")
    assert ask(principal, repository).code is Code.ACCEPTANCE_SUPERSEDED
    assert LicenseText.objects.filter(license_id="mit").count() == 2


def test_a_change_that_is_not_material_is_accepted_with_what_was_read(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, principal = licensed(alice, "mit", gated="auto"), principal_of(bob)
    services.license_accept(principal=principal, repository=repository, license_id="mit", text_sha256=text_of("mit"))
    services.license_text_add(principal=None, license_id="mit", text="Mended spelling", material=False)
    assert ask(principal, repository).code is Code.ALLOWED_ACCEPTED
    services.license_text_add(principal=None, license_id="mit", text="Other terms", material=True)
    services.license_text_add(principal=None, license_id="mit", text="Other terms, mended", material=False)
    assert ask(principal, repository).code is Code.ACCEPTANCE_SUPERSEDED


def test_an_anonymous_caller_is_asked_to_sign_in_where_a_click_is_needed(licensed: Licensed, alice: User) -> None:
    decision = ask(ANONYMOUS, licensed(alice, "mit", gated="auto"))
    assert (decision.verdict, decision.code) == (Verdict.NEEDS_AUTHENTICATION, Code.AUTH_REQUIRED)


# --- requests ----------------------------------------------------------------------------------------------------
def test_a_gated_model_follows_its_request_through_every_status(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, asker, owner = licensed(alice, "mit", gated="manual"), principal_of(bob), principal_of(alice)
    assert ask(asker, repository).code is Code.REQUEST_REQUIRED
    request = services.access_request_create(principal=asker, repository=repository, form=NO_FORM, answers={})
    assert ask(asker, repository).code is Code.REQUEST_PENDING

    def decide(status: str, **facts: Any) -> None:
        services.access_request_decide(principal=owner, request=request, repository=repository, status=status, **facts)

    decide("rejected", reason="not now")
    rejected = ask(asker, repository)
    assert (rejected.code, rejected.verdict) == (Code.REQUEST_REJECTED, Verdict.DENY)
    assert "not now" in rejected.sentence
    decide("accepted")
    assert ask(asker, repository).code is Code.ALLOWED_GRANTED
    decide("rejected")
    assert ask(asker, repository).code is Code.GRANT_REVOKED
    decide("accepted", expires_at=timezone.now() + timedelta(days=3))
    soon = ask(asker, repository)
    assert [warning.code for warning in soon.warnings] == [Code.WARN_EXPIRING]
    type(request).objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(asker, repository).code is Code.GRANT_EXPIRED


def test_members_pass_their_own_gate_and_outsiders_of_the_organization_do_not(
    licensed: Licensed, carol: User, acme: Organization, rita: User, bob: User, principal_of: Principals
) -> None:
    repository = licensed(carol, "llama3.1", gated="manual", namespace="acme")
    assert ask(principal_of(rita), repository).code is Code.ALLOWED_MEMBER
    assert ask(principal_of(carol), repository).code is Code.ALLOWED_MEMBER
    assert not ask(principal_of(bob), repository).allowed


def test_a_fine_grained_token_without_the_scope_does_not_read_as_a_member(
    licensed: Licensed, alice: User, principal_of: Principals
) -> None:
    repository = licensed(alice, "mit", gated="manual")
    scopes = {"repositories": [{"type": "model", "name": "alice/other", "permissions": ["read"]}]}
    decision = ask(principal_of(alice, "fineGrained", scopes=scopes), repository)
    assert not decision.allowed


# --- entitlements ------------------------------------------------------------------------------------------------
@pytest.fixture
def dual(licensed: Licensed, alice: User, principal_of: Principals) -> tuple[Repository, Offer]:
    """A non-commercial model with a commercial offer beside it."""
    repository = licensed(alice, "cc-by-nc-4.0")
    offer = services.offer_create(
        principal=principal_of(alice),
        repository=repository,
        license_id="other",
        acquisition="purchase",
        title="Commercial license",
        purposes=["commercial-product", "hosted-service"],
        contact_url="https://example.org/buy",
    )
    return repository, offer


def test_two_offers_serve_two_purposes(
    dual: tuple[Repository, Offer], alice: User, bob: User, principal_of: Principals
) -> None:
    repository, offer = dual
    product = principal_of(bob, "read", purpose="commercial-product")
    refused = ask(product, repository)
    assert (refused.verdict, refused.code) == (Verdict.NEEDS_ENTITLEMENT, Code.ENTITLEMENT_REQUIRED)
    assert "https://example.org/buy" in {remedy.url for remedy in refused.remedies}
    assert {answer.code for answer in refused.offers} == {Code.TERMS_PROHIBIT, Code.ENTITLEMENT_REQUIRED}
    entitlement = services.entitlement_grant(
        principal=principal_of(alice), offer=offer, repository=repository, user=bob, reason="paid"
    )
    allowed = ask(product, repository)
    assert (allowed.code, allowed.entitlement_id) == (Code.ALLOWED_ENTITLED, entitlement.pk)
    assert ask(principal_of(bob, "read", purpose="research"), repository).code is Code.ALLOWED_PUBLIC


def test_suspending_and_revoking_take_effect_with_the_next_question(
    dual: tuple[Repository, Offer], carol: User, wendy: User, acme: Organization, principal_of: Principals
) -> None:
    repository, offer = dual
    asker = principal_of(wendy, "read", purpose="hosted-service", organization=acme)
    entitlement = services.entitlement_grant(
        principal=None, offer=offer, repository=repository, organization=acme, reason="paid"
    )
    change = {"principal": None, "entitlement": entitlement, "repository": repository, "reason": "unpaid"}
    assert ask(asker, repository).code is Code.ALLOWED_ENTITLED
    services.entitlement_suspend(**change)
    assert ask(asker, repository).code is Code.ENTITLEMENT_SUSPENDED
    services.entitlement_resume(**change)
    assert ask(asker, repository).code is Code.ALLOWED_ENTITLED
    services.entitlement_revoke(**change)
    assert ask(asker, repository).code is Code.ENTITLEMENT_REVOKED


def test_a_withdrawn_offer_is_no_longer_on_offer(
    dual: tuple[Repository, Offer], alice: User, bob: User, principal_of: Principals
) -> None:
    repository, offer = dual
    services.offer_withdraw(principal=principal_of(alice), offer=offer, repository=repository)
    assert ask(principal_of(bob, "read", purpose="hosted-service"), repository).code is not Code.ENTITLEMENT_REQUIRED


# --- unstated licenses, lineage ----------------------------------------------------------------------------------
def test_an_unstated_license_lets_download_with_a_warning_but_not_modify(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository = licensed(alice, None)
    download = ask(principal_of(bob), repository)
    assert (download.code, [item.code for item in download.warnings]) == (Code.ALLOWED_PUBLIC, [Code.WARN_UNSTATED])
    modify = ask(principal_of(bob), repository, action="modify")
    assert (modify.verdict, modify.code) == (Verdict.NEEDS_INFORMATION, Code.LICENSE_UNKNOWN)
    assert ask(principal_of(alice), repository, action="modify").code is Code.ALLOWED_MEMBER


def test_an_ancestors_terms_bind_whoever_obtains_the_descendant(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    licensed(alice, "cc-by-nc-4.0", name="base")
    child = licensed(alice, "apache-2.0", name="child", base_model="alice/base")
    decision = ask(principal_of(bob, "read", purpose="commercial-product"), child)
    assert decision.code is Code.TERMS_PROHIBIT
    assert "inherited from alice/base" in decision.sentence
    research = ask(principal_of(bob, "read", purpose="research"), child)
    assert research.allowed
    assert Code.WARN_LINEAGE in {item.code for item in research.warnings}  # Apache-2.0 promises more than the base


# --- refusals ----------------------------------------------------------------------------------------------------
def test_a_refusal_carries_what_hub_clients_and_people_need(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://hub.example.org"
    repository = licensed(alice, "mit", gated="manual")
    with pytest.raises(GateDeniedError) as refusal:
        access.require(principal=principal_of(bob), action="download", repository=repository, commit="c" * 40)
    error = refusal.value
    assert error.code == "gated"
    assert error.message.startswith(
        "Access to model alice/m is restricted and you are not in the authorized list. "
        "Visit https://hub.example.org/alice/m/license to ask for access."
    )
    assert error.details["headers"]["X-Decision-Code"] == "REQUEST_REQUIRED"
    assert error.details["headers"]["X-Decision-Id"] == DecisionRecord.objects.get().pk
    assert error.details["headers"]["Link"] == '<https://hub.example.org/alice/m/license>; rel="license"'
    assert error.details["decision"]["code"] == "REQUEST_REQUIRED"


def test_an_invisible_repository_is_not_found_and_leaves_no_trace(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository = licensed(alice, "mit", private=True)
    with pytest.raises(RepositoryNotFoundError):
        access.require(principal=principal_of(bob), action="download", repository=repository, commit="")
    assert not DecisionRecord.objects.exists()


def test_a_disabled_repository_says_the_words_that_clients_match(licensed: Licensed, alice: User) -> None:
    repository = licensed(alice, "mit")
    repository.disabled = True
    with pytest.raises(RepositoryDisabledError, match="Access to this resource is disabled"):
        access.require(principal=ANONYMOUS, action="download", repository=repository, commit="")


def test_facts_that_cannot_be_read_are_a_refusal(
    licensed: Licensed, alice: User, django_db_blocker: Any, caplog: Any
) -> None:
    repository = licensed(alice, "mit")
    repository.type = "no such type"  # a fact selector meets a row it cannot read
    with pytest.raises(GateUnavailableError) as refusal:
        ask(ANONYMOUS, repository)
    assert refusal.value.details["retry_after"] > 0


# --- recording ---------------------------------------------------------------------------------------------------
def test_the_first_allow_is_stored_with_a_receipt_and_repeats_cost_no_write(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals, django_assert_num_queries: Any
) -> None:
    repository, principal = licensed(alice, "apache-2.0"), principal_of(bob)
    first = ask(principal, repository)
    record = DecisionRecord.objects.get()
    assert (first.id, record.code, record.count) == (record.pk, "ALLOWED_PUBLIC", 1)
    claims = services.receipt_verify(Receipt.objects.get().jws)
    assert (claims["sub"], claims["repository"], claims["license"]) == ("bob", "model:alice/m", "apache-2.0")
    assert claims["text_sha256"] == text_of("apache-2.0")
    with django_assert_num_queries(2):
        assert ask(principal, repository).id == record.pk


def test_an_anonymous_repeat_costs_one_query(licensed: Licensed, alice: User, django_assert_num_queries: Any) -> None:
    repository = licensed(alice, "apache-2.0")
    ask(ANONYMOUS, repository)
    with django_assert_num_queries(1):
        ask(ANONYMOUS, repository)


def test_repeats_are_counted_when_the_memory_of_them_ends(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository, principal = licensed(alice, "mit", gated="manual"), principal_of(bob)
    known = [ask(principal, repository).id for _ in range(3)]
    [record] = DecisionRecord.objects.all()
    assert known == [record.pk] * 3
    [key] = [name for name in cache._cache if "gate:decision" in name and "repeats" not in name]  # type: ignore[attr-defined]
    cache.delete(key.split(":", 2)[2])
    ask(principal, repository)
    assert DecisionRecord.objects.get().count == 4


def test_a_preview_of_a_list_takes_two_queries_and_records_nothing(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals, django_assert_num_queries: Any
) -> None:
    rows = [licensed(alice, "mit", name=f"m{n}", gated="manual" if n % 2 else "") for n in range(4)]
    principal = principal_of(bob)
    access.preview(principal, rows)
    with django_assert_num_queries(2):
        decisions = access.preview(principal, rows, "research")
    assert [decisions[row.pk].allowed for row in rows] == [True, False, True, False]
    assert not DecisionRecord.objects.exists()


def test_metadata_stays_readable_and_pushing_is_for_writers(
    licensed: Licensed, alice: User, bob: User, principal_of: Principals
) -> None:
    repository = licensed(alice, "llama3.1", gated="manual")
    assert ask(ANONYMOUS, repository, action="view-metadata").allowed
    assert ask(principal_of(bob), repository, action="push").code is Code.TOKEN_SCOPE_MISSING
    assert ask(ANONYMOUS, repository, action="push").code is Code.AUTH_REQUIRED
    assert ask(principal_of(alice, "read"), repository, action="push").code is Code.TOKEN_SCOPE_MISSING
    assert ask(principal_of(alice), repository, action="push").code is Code.ALLOWED_MEMBER


def test_a_token_that_has_ended_says_so(licensed: Licensed, alice: User) -> None:
    decision = ask(Principal(token_id=1, token_problem="expired"), licensed(alice, "mit"))
    assert (decision.verdict, decision.code) == (Verdict.NEEDS_AUTHENTICATION, Code.TOKEN_EXPIRED)
