"""What the gate answers where the laws leave room: codes, words, warnings, choices."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.licensing.codes import GROUP_OF, PRECEDENCE, Code, Group
from registry.licensing.decision import Decision
from registry.licensing.gate import decide
from registry.licensing.question import (
    AcceptanceFact,
    AccessQuestion,
    AncestorFact,
    Asker,
    EntitlementFact,
    Facts,
    LicenseFact,
    OfferFact,
    RequestFact,
)
from registry.licensing.terms import LicenseTerms, Permission
from registry.licensing.terms_case import Subject, TermsCase
from registry.licensing.terms_decision import decide_terms, shipped_catalogue

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CATALOGUE = shipped_catalogue()
BOB = Asker(user_id=1, username="bob")
TEXT = "a" * 64


def license_fact(license_id: str, text: str = TEXT) -> LicenseFact:
    return LicenseFact(license_id, CATALOGUE[license_id], "digest", text)


def ask(facts: Facts, *, asker: Asker = BOB, action: str = "download", purpose: str = "") -> Decision:
    return decide(AccessQuestion(asker, action, "model a/b", purpose=purpose), facts, NOW)


def told(license_id: str = "mit", **facts: Any) -> Facts:
    given = {"license": license_fact(license_id), "subject": Subject(org_kind="individual")} | facts
    return Facts(visible=True, kind="model", name="a/b", page="/a/b", **given)


def test_every_code_belongs_to_a_group_and_groups_keep_their_order() -> None:
    assert set(GROUP_OF) == set(Code)
    ordered = sorted(Code, key=PRECEDENCE.__getitem__)
    assert [GROUP_OF[code] for code in ordered] == sorted(GROUP_OF.values())
    assert GROUP_OF[Code.SCAN_FAILED] is Group.POLICY


@pytest.mark.parametrize(
    ("license_given", "words"),
    [
        (LicenseFact("unknown", None, status="unstated"), "no license is stated"),
        (
            LicenseFact("other", CATALOGUE["other"], status="unknown", declared="acme-1"),
            "`acme-1` is not in the catalogue",
        ),
        (LicenseFact("cc", CATALOGUE["cc"], status="ambiguous", declared="cc"), "names several texts"),
        (LicenseFact("jamba-open-model-license", CATALOGUE["jamba-open-model-license"]), "term not read"),
    ],
)
def test_terms_that_are_not_known_warn_on_download(license_given: LicenseFact, words: str) -> None:
    decision = ask(told(license=license_given, is_member=True))
    assert [warning.code for warning in decision.warnings] == [Code.WARN_UNSTATED]
    assert words in decision.warnings[0].sentence


def _changed(license_id: str, **groups: dict[str, Permission]) -> LicenseTerms:
    terms = CATALOGUE[license_id]
    merged: dict[str, Any] = {name: {**getattr(terms, name), **items} for name, items in groups.items()}
    return dataclasses.replace(terms, **merged)


def test_a_fact_that_is_not_verified_turns_allow_into_allow_with_warning() -> None:
    unsure = Permission("conditional", ("duties",), "3", "secondary")
    terms = _changed("mit", actions={"download": unsure})
    decision = ask(told(license=LicenseFact("mit", terms)))
    assert decision.allowed
    assert "not verified" in decision.warnings[0].sentence


def test_a_license_that_forbids_every_purpose_needs_no_purpose_to_say_so() -> None:
    never = Permission("prohibited", (), "1", "verified")
    terms = _changed("mit", purposes=dict.fromkeys(CATALOGUE["mit"].purposes, never))
    assert decide_terms(terms, TermsCase("download")).codes == {"PURPOSE_PROHIBITED"}


def test_conditions_that_research_meets_by_itself_are_met() -> None:
    only = Permission(
        "conditional", ("research-only", "non-production", "registration-outside-research"), "1", "verified"
    )
    terms = _changed("mit", purposes=dict.fromkeys(CATALOGUE["mit"].purposes, only))
    assert decide_terms(terms, TermsCase("download", Subject(purpose="research"))).outcome == "allow"
    internal = TermsCase("download", Subject(purpose="internal", org_kind="company"))
    assert decide_terms(terms, internal).codes == {"PURPOSE_PROHIBITED", "RESEARCH_ONLY", "REGISTRATION_REQUIRED"}


def test_a_listed_topic_is_refused_and_an_unlisted_one_of_a_whole_list_is_free() -> None:
    gemma = CATALOGUE["gemma"]
    accepted = (("gemma", gemma.version),)

    def outcome(topic: str) -> str:
        subject = Subject(purpose="internal", accepted=accepted, use_topics=frozenset({topic}))
        return decide_terms(gemma, TermsCase("use-internally", subject)).outcome

    assert (outcome("malware"), outcome("nuclear")) == ("deny", "allow")


# --- offers ------------------------------------------------------------------------------------------------------
def test_the_least_burdensome_satisfied_offer_wins() -> None:
    bought = OfferFact(1, "Paid", license_fact("other"), "purchase")
    held = EntitlementFact(7, 1, "active")
    assert ask(told(offers=(bought,), entitlements=(held,))).code is Code.ALLOWED_PUBLIC
    gated = ask(told(offers=(bought,), entitlements=(held,), gated="manual"))
    assert (gated.code, gated.offer_id, gated.entitlement_id) == (Code.ALLOWED_ENTITLED, 1, 7)


def test_two_texts_to_accept_are_a_choice() -> None:
    other = OfferFact(1, "Other terms", license_fact("apache-2.0"), "click-through")
    decision = ask(told(offers=(other,), gated="auto"))
    assert decision.code is Code.OFFER_SELECTION_REQUIRED
    assert "`Other terms`" in decision.sentence


def test_an_explicit_open_offer_opens_a_gated_repository() -> None:
    open_offer = OfferFact(1, "Open", license_fact("mit"), "open")
    assert ask(told(offers=(open_offer,), gated="manual")).code is Code.ALLOWED_PUBLIC


@pytest.mark.parametrize(
    ("place", "code"),
    [("US", Code.ALLOWED_PUBLIC), ("DE", Code.TERRITORY_BLOCKED), (None, Code.TERRITORY_UNKNOWN)],
)
def test_an_offer_holds_in_its_countries(place: str | None, code: Code) -> None:
    offer = OfferFact(1, "American", license_fact("mit"), "open", territory=("US",))
    facts = told("cc-by-nc-4.0", offers=(offer,), subject=Subject(org_kind="individual", territory=place))
    decision = ask(facts, purpose="commercial-product")
    assert code in {decision.code, *(answer.code for answer in decision.offers)}
    assert decision.allowed is (place == "US")


@pytest.mark.parametrize(
    ("entitlement", "code"),
    [
        (EntitlementFact(1, 1, "active"), Code.ALLOWED_ENTITLED),
        (EntitlementFact(1, 1, "active", starts_at=NOW + timedelta(days=1)), Code.ENTITLEMENT_NOT_STARTED),
        (EntitlementFact(1, 1, "active", ends_at=NOW), Code.ENTITLEMENT_EXPIRED),
        (EntitlementFact(1, 1, "suspended"), Code.ENTITLEMENT_SUSPENDED),
        (EntitlementFact(1, 1, "revoked"), Code.ENTITLEMENT_REVOKED),
        (EntitlementFact(1, 1, "active", purposes=("research",)), Code.ENTITLEMENT_SCOPE),
        (EntitlementFact(1, 2, "active"), Code.ENTITLEMENT_REQUIRED),
    ],
)
def test_an_entitlement_helps_while_it_is_in_force_for_the_purpose(entitlement: EntitlementFact, code: Code) -> None:
    offer = OfferFact(1, "Commercial", license_fact("other"), "invitation")
    facts = told("cc-by-nc-4.0", offers=(offer,), entitlements=(entitlement,))
    assert ask(facts, purpose="commercial-product").code is code


def test_an_entitlement_that_ends_soon_says_so() -> None:
    offer = OfferFact(1, "Commercial", license_fact("other"), "purchase")
    held = EntitlementFact(1, 1, "active", ends_at=NOW + timedelta(days=2))
    decision = ask(told("cc-by-nc-4.0", offers=(offer,), entitlements=(held,)), purpose="commercial-product")
    assert [warning.code for warning in decision.warnings] == [Code.WARN_EXPIRING]


def test_an_entitlement_does_not_lift_what_an_ancestor_forbids() -> None:
    offer = OfferFact(1, "Commercial", license_fact("other"), "purchase")
    base = AncestorFact("base", "x/base", license_fact("cc-by-nc-4.0"))
    facts = told("apache-2.0", offers=(offer,), entitlements=(EntitlementFact(1, 1, "active"),), ancestors=(base,))
    assert ask(facts, purpose="commercial-product").code is Code.TERMS_PROHIBIT


# --- agreement ---------------------------------------------------------------------------------------------------
def test_automatic_gating_is_met_by_an_accepted_request_too() -> None:
    assert ask(told(gated="auto", request=RequestFact(1, "accepted"))).code is Code.ALLOWED_ACCEPTED
    assert ask(told(gated="auto", request=RequestFact(1, "pending"))).code is Code.ACCEPTANCE_REQUIRED


@pytest.mark.parametrize(
    ("here", "text", "code"),
    [
        (True, TEXT, Code.ALLOWED_ACCEPTED),
        (True, "b" * 64, Code.ACCEPTANCE_SUPERSEDED),
        (False, TEXT, Code.ACCEPTANCE_REQUIRED),
    ],
)
def test_own_terms_are_accepted_here_and_as_they_stand(here: bool, text: str, code: Code) -> None:
    given = AcceptanceFact(1, "gemma", CATALOGUE["gemma"].version, text, here=here)
    assert ask(told("gemma", acceptances=(given,))).code is code


def test_an_ancestors_terms_may_have_been_accepted_anywhere() -> None:
    base = AncestorFact("base", "x/base", license_fact("gemma"), page="/x/base")
    elsewhere = AcceptanceFact(1, "gemma", CATALOGUE["gemma"].version, TEXT, here=False)
    assert ask(told("mit", ancestors=(base,))).code is Code.ACCEPTANCE_REQUIRED
    assert ask(told("mit", ancestors=(base,), acceptances=(elsewhere,))).allowed


def test_a_license_without_a_text_here_is_accepted_by_its_version() -> None:
    llama = license_fact("llama3.1", text="")
    subject = Subject(org_kind="individual", mau_at_release=0.0)
    facts = told(license=llama, subject=subject)
    old = AcceptanceFact(1, "llama3.1", "2023-01-01", "")
    new = AcceptanceFact(2, "llama3.1", CATALOGUE["llama3.1"].version, "")
    assert ask(dataclasses.replace(facts, acceptances=(old,))).code is Code.ACCEPTANCE_SUPERSEDED
    assert ask(dataclasses.replace(facts, acceptances=(old, new))).code is Code.ALLOWED_ACCEPTED


def test_a_refusal_by_terms_speaks_before_a_question_that_could_not_help() -> None:
    facts = told("llama3.2", subject=Subject(org_kind="company", territory="FR", mau_at_release=9e8))
    decision = ask(facts, purpose="internal")
    assert decision.code is Code.THRESHOLD_EXCEEDED  # which variant it is could not change this
    assert any(remedy.kind == "license" for remedy in decision.remedies)


# --- lineage -----------------------------------------------------------------------------------------------------
def test_what_is_not_known_of_an_ancestor_is_a_warning() -> None:
    missing = AncestorFact("base", "x/elsewhere", LicenseFact("", None, status="unknown"))
    unread = AncestorFact("base", "x/unread", license_fact("jamba-open-model-license"))
    accepted = AcceptanceFact(1, "jamba-open-model-license", "undated", TEXT, here=False)
    decision = ask(told(ancestors=(missing, unread), acceptances=(accepted,)), action="modify")
    assert decision.allowed
    assert [warning.code for warning in decision.warnings] == [Code.WARN_LINEAGE, Code.WARN_LINEAGE]


def test_a_teacher_binds_its_student_only_where_its_license_says_so() -> None:
    apache = AncestorFact("distillation-teacher", "x/a", license_fact("cc-by-nc-4.0"))
    gemma = AncestorFact("distillation-teacher", "x/g", license_fact("gemma"))
    assert ask(told(ancestors=(apache,)), purpose="commercial-product").allowed
    assert not ask(told(ancestors=(gemma,)), purpose="commercial-product").allowed


def test_members_are_warned_of_what_they_inherited() -> None:
    base = AncestorFact("base", "x/base", license_fact("cc-by-nc-4.0"))
    decision = ask(told("mit", ancestors=(base,), is_member=True), purpose="commercial-product")
    assert decision.code is Code.ALLOWED_MEMBER
    assert Code.WARN_LINEAGE in {warning.code for warning in decision.warnings}


def test_the_digest_names_question_and_facts_and_not_their_order() -> None:
    first, second = AncestorFact("base", "x/a", license_fact("mit")), AncestorFact("base", "x/b", license_fact("mit"))
    one = ask(told(ancestors=(first, second), request=RequestFact(1, "pending", expires_at=NOW)))
    two = ask(told(ancestors=(second, first), request=RequestFact(1, "pending", expires_at=NOW)))
    other = ask(told(ancestors=(first,), request=RequestFact(1, "pending", expires_at=NOW)))
    assert one.inputs_digest == two.inputs_digest != other.inputs_digest


@pytest.mark.parametrize(
    ("request_held", "code"),
    [
        (None, Code.REQUEST_REQUIRED),
        (RequestFact(1, "pending"), Code.REQUEST_PENDING),
        (RequestFact(1, "rejected", reason="no"), Code.REQUEST_REJECTED),
        (RequestFact(1, "revoked"), Code.GRANT_REVOKED),
        (RequestFact(1, "accepted", expires_at=NOW), Code.GRANT_EXPIRED),
        (RequestFact(1, "accepted", expires_at=NOW + timedelta(days=60)), Code.ALLOWED_GRANTED),
    ],
)
def test_a_manual_gate_follows_the_request(request_held: RequestFact | None, code: Code) -> None:
    assert ask(told(gated="manual", request=request_held)).code is code


def test_a_purpose_that_is_merely_assumed_is_said_where_terms_tell_purposes_apart() -> None:
    assert ask(told("cc-by-nc-4.0")).purpose_assumed
    assert any("research is assumed" in check.sentence for check in ask(told("cc-by-nc-4.0")).checks)
    assert not ask(told("mit")).purpose_assumed


def test_a_text_that_changed_asks_anew_where_only_the_owner_wants_the_click() -> None:
    given = AcceptanceFact(1, "mit", CATALOGUE["mit"].version, "b" * 64)
    assert ask(told(gated="auto", acceptances=(given,))).code is Code.ACCEPTANCE_SUPERSEDED


def test_an_unknown_action_stops_members_too_and_the_checks_say_so() -> None:
    decision = ask(told("mit", is_member=True), action="steal")
    assert not decision.allowed
    assert (Group.TERMS, "fail", Code.TERMS_PROHIBIT) in {
        (item.group, item.state, item.code) for item in decision.checks
    }
