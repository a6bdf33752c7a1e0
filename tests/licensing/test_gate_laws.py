"""Laws of the gate, over generated questions and facts (design: licensing, The gate)."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.licensing.codes import GROUP_OF, Code, Group, Verdict
from registry.licensing.decision import Decision
from registry.licensing.gate import decide
from registry.licensing.question import (
    ACTIONS,
    PURPOSES,
    AcceptanceFact,
    AccessQuestion,
    AncestorFact,
    Asker,
    EntitlementFact,
    Facts,
    LicenseFact,
    OfferFact,
    PolicyFact,
    RequestFact,
)
from registry.licensing.terms import LicenseTerms, Permission
from registry.licensing.terms_case import Model, Subject
from registry.licensing.terms_decision import shipped_catalogue

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CATALOGUE = shipped_catalogue()
TEXTS = ("", "a" * 64, "b" * 64)
RELATIONS = ("base", "adapter-base", "quantized-from", "merge-parent", "distillation-teacher")

license_ids = st.sampled_from(sorted(CATALOGUE))
moments = st.one_of(st.none(), st.integers(-30, 30).map(lambda days: NOW + timedelta(days=days)))
some_purposes = st.lists(st.sampled_from(PURPOSES), max_size=2, unique=True).map(tuple)
figures = st.one_of(st.none(), st.sampled_from([0.0, 1e6, 1e9]))
flags = st.one_of(st.none(), st.booleans())


def _license(license_id: str) -> LicenseFact:
    """One license has one text at one moment, whoever refers to it."""
    return LicenseFact(license_id, CATALOGUE[license_id], "digest", TEXTS[len(license_id) % 3])


licenses = st.one_of(
    license_ids.map(_license), st.just(LicenseFact("unknown", None, status="unstated")), st.just(_license("other"))
)
askers = st.builds(
    Asker,
    user_id=st.sampled_from([None, 1]),
    token_problem=st.sampled_from(["", "", "", "expired", "revoked", "melted"]),
    token_purpose=st.sampled_from(["", "", *PURPOSES]),
    default_purpose=st.sampled_from(["", *PURPOSES]),
    is_active=st.sampled_from([True, True, False]),
)
questions = st.builds(
    AccessQuestion,
    asker=askers,
    action=st.sampled_from([*ACTIONS, "steal"]),
    repository=st.just("model a/b"),
    purpose=st.sampled_from(["", "", *PURPOSES, "fun"]),
)
offers = st.builds(
    OfferFact,
    id=st.integers(1, 4),
    title=st.just("offer"),
    license=licenses,
    acquisition=st.sampled_from(["open", "click-through", "request", "purchase", "invitation"]),
    purposes=some_purposes,
    territory=st.sampled_from([(), ("US",), ("DE", "FR")]),
    starts_at=moments,
    ends_at=moments,
)
ancestors = st.builds(
    AncestorFact, relation=st.sampled_from(RELATIONS), name=st.sampled_from(["a/x", "a/y"]), license=licenses
)
entitlements = st.builds(
    EntitlementFact,
    id=st.integers(1, 9),
    offer_id=st.integers(1, 4),
    status=st.sampled_from(["active", "suspended", "revoked"]),
    starts_at=moments,
    ends_at=moments,
    purposes=some_purposes,
)
acceptances = st.builds(
    AcceptanceFact,
    id=st.integers(1, 99),
    license_id=license_ids,
    version=st.just("undated"),
    text_sha256=st.sampled_from(TEXTS),
    here=st.booleans(),
)
policies = st.builds(
    PolicyFact,
    effect=st.sampled_from(["deny", "warn", "melt"]),
    code=st.sampled_from(["LICENSE_DENIED", "SCAN_FAILED", "nonsense"]),
    sentence=st.just("a rule of the organization"),
)
subjects = st.builds(
    Subject,
    org_kind=st.sampled_from([None, "individual", "academic", "non-profit", "company", "government"]),
    territory=st.sampled_from([None, "US", "DE", "KR"]),
    paid=flags,
    mau=figures,
    mau_at_release=figures,
    product_mau=figures,
    annual_revenue_usd=figures,
)


def _distinct(items: Any, key: str = "id") -> Any:
    return st.lists(items, max_size=3, unique_by=lambda item: getattr(item, key)).map(tuple)


facts = st.builds(
    Facts,
    visible=st.sampled_from([True, True, True, False]),
    kind=st.just("model"),
    name=st.just("a/b"),
    page=st.just("/a/b"),
    license=licenses,
    disabled=st.sampled_from([False, False, False, True]),
    token_allows=st.sampled_from([True, True, True, False]),
    is_member=st.sampled_from([False, False, False, True]),
    may_write=st.booleans(),
    gated=st.sampled_from(["", "", "auto", "manual", "nonsense"]),
    offers=_distinct(offers),
    ancestors=st.lists(ancestors, max_size=2).map(tuple),
    acceptances=_distinct(acceptances),
    request=st.one_of(
        st.none(),
        st.builds(
            RequestFact,
            id=st.just(1),
            status=st.sampled_from(["pending", "accepted", "rejected", "revoked"]),
            expires_at=moments,
            reason=st.sampled_from(["", "no"]),
        ),
    ),
    entitlements=_distinct(entitlements),
    policy=st.lists(policies, max_size=1).map(tuple),
    subject=subjects,
    model=st.builds(Model, multimodal=flags),
)
thorough = settings(max_examples=150, deadline=None)


def _coherent(decision: Decision) -> None:
    assert decision.allowed == (decision.verdict is Verdict.ALLOW)
    assert (GROUP_OF[decision.code] is Group.ALLOW) == decision.allowed
    assert decision.sentence
    assert [check.group for check in decision.checks] == sorted(check.group for check in decision.checks)
    failed = {check.code for check in decision.checks if check.state == "fail"}
    assert (decision.code in failed) != decision.allowed
    if not decision.allowed and decision.verdict in {Verdict.DENY, Verdict.NEEDS_ENTITLEMENT}:
        assert not decision.duties


@thorough
@given(questions, facts)
def test_every_question_gets_one_coherent_answer(question: AccessQuestion, told: Facts) -> None:
    decision = decide(question, told, NOW)
    _coherent(decision)
    again = decide(question, told, NOW)
    assert again == decision
    assert again.as_dict() == decision.as_dict()


@thorough
@given(questions, facts)
def test_the_order_of_facts_is_irrelevant(question: AccessQuestion, told: Facts) -> None:
    turned = dataclasses.replace(
        told,
        offers=told.offers[::-1],
        ancestors=told.ancestors[::-1],
        acceptances=told.acceptances[::-1],
        entitlements=told.entitlements[::-1],
        policy=told.policy[::-1],
    )
    assert decide(question, turned, NOW).as_dict() == decide(question, told, NOW).as_dict()


@thorough
@given(questions, facts, ancestors)
def test_a_further_ancestor_never_allows_more(question: AccessQuestion, told: Facts, more: AncestorFact) -> None:
    assume(not decide(question, told, NOW).allowed)
    assert not decide(question, dataclasses.replace(told, ancestors=(*told.ancestors, more)), NOW).allowed


@thorough
@given(questions, facts, policies)
def test_a_further_rule_never_allows_more(question: AccessQuestion, told: Facts, more: PolicyFact) -> None:
    assume(not decide(question, told, NOW).allowed)
    assert not decide(question, dataclasses.replace(told, policy=(*told.policy, more)), NOW).allowed


@thorough
@given(questions, facts, entitlements)
def test_a_further_entitlement_never_allows_less(question: AccessQuestion, told: Facts, more: EntitlementFact) -> None:
    # Written as an implication: allowed facts are too rare among random ones to be asked for by `assume`.
    richer = dataclasses.replace(told, entitlements=(*told.entitlements, more))
    assert decide(question, richer, NOW).allowed or not decide(question, told, NOW).allowed


def _forbidding(terms: LicenseTerms, group: str, name: str) -> LicenseTerms:
    items = {**getattr(terms, group), name: Permission("prohibited", (), "added", "verified")}
    return dataclasses.replace(terms, **{group: items})


@thorough
@given(
    questions,
    facts,
    st.sampled_from(
        [("purposes", purpose) for purpose in PURPOSES] + [("actions", action) for action in CATALOGUE["mit"].actions]
    ),
)
def test_a_further_prohibition_never_allows_more(
    question: AccessQuestion, told: Facts, forbidden: tuple[str, str]
) -> None:
    terms = told.license.terms
    assume(terms is not None)
    assume(not decide(question, told, NOW).allowed)
    assert terms is not None
    stricter = dataclasses.replace(told.license, terms=_forbidding(terms, *forbidden))
    assert not decide(question, dataclasses.replace(told, license=stricter), NOW).allowed


@given(facts)
def test_nothing_shows_through_of_what_may_not_be_seen(told: Facts) -> None:
    hidden = dataclasses.replace(told, visible=False, is_member=False)
    decision = decide(AccessQuestion(Asker(user_id=1), "download", "model a/b"), hidden, NOW)
    assert decision.code is Code.NOT_FOUND
    assert not decision.offers
    assert not decision.license
    assert told.license.name not in decision.sentence
