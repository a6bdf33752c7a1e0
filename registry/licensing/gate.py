"""The gate: one pure function from a question and facts to a decision.

Pure, total, fail-closed: no I/O, the clock is an argument, and every path that is not expressly allowed is refused. All
checks run, for the explanation; the first failure in the order of `codes.Group` gives the code. Laws that the tests
hold as properties: a further prohibition, ancestor or policy denial never turns a refusal into an allow; a further
entitlement never turns an allow into a refusal; the same facts in another order give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from registry.licensing.codes import GROUP_OF, PRECEDENCE, Code, Group, Verdict
from registry.licensing.decision import Check, Decision, DecisionDuty, DecisionWarning, Reason, Remedy
from registry.licensing.gate_offers import OfferResult, available_offers, weigh_offer
from registry.licensing.gate_terms import (
    Ancestry,
    Failure,
    Weighing,
    as_reason,
    duties_of,
    outcome_of,
    primary,
    warnings_of,
    weigh_ancestors,
    weighing_of,
)
from registry.licensing.question import ACTIONS, PURPOSES, AccessQuestion, Facts

__all__ = ["ENGINE_VERSION", "Decision", "decide"]

ENGINE_VERSION = "1"

_TOKEN_PROBLEMS = {"expired": Code.TOKEN_EXPIRED, "revoked": Code.TOKEN_REVOKED}
_TITLES = {
    Group.IDENTITY: "who asks",
    Group.TARGET: "what is asked for",
    Group.COMPLIANCE: "places",
    Group.CONTEXT: "purpose and facts",
    Group.POLICY: "governance",
    Group.TERMS: "license terms",
    Group.AGREEMENT: "agreement",
    Group.REQUEST: "access request",
    Group.ENTITLEMENT: "entitlement",
}
# How near an unsatisfied offer is to being satisfied.
_EASE = {
    Verdict.NEEDS_ACCEPTANCE: 0,
    Verdict.NEEDS_REQUEST: 1,
    Verdict.NEEDS_ENTITLEMENT: 2,
    Verdict.NEEDS_INFORMATION: 3,
    Verdict.DENY: 4,
}
_PERSONAL = frozenset(
    {Verdict.NEEDS_ACCEPTANCE, Verdict.NEEDS_REQUEST, Verdict.NEEDS_ENTITLEMENT, Verdict.NEEDS_INFORMATION}
)
# Actions that no terms govern: reading what is public about a repository, and adding to one's own.
_UNGOVERNED = frozenset({"view-metadata", "push"})


def decide(question: AccessQuestion, facts: Facts, now: datetime) -> Decision:
    """Decides one question.

    Args:
        question: who wants to do what, and for which purpose.
        facts: everything that was gathered; an absent fact is unknown.
        now: the moment of the decision (aware).
    """
    purpose, assumed = _purpose(question)
    failures = [*_identity(question, facts), *_target(question, facts)]
    if question.action in _UNGOVERNED:
        return _conclude_ungoverned(question, facts, purpose, failures)
    failures += [*_context(question), *_policy(facts)]
    weighing = weighing_of(question, facts, purpose)
    ancestry = weigh_ancestors(weighing)
    if facts.is_member:
        return _conclude_member(weighing, ancestry, failures)
    offers = [weigh_offer(weighing, offer, now, ancestry.failures) for offer in available_offers(facts, now)]
    assumed = assumed and _distinguishes(facts)
    return _conclude(weighing, ancestry, failures, offers, assumed=assumed)


# --- groups 1, 2, 4, 5 ------------------------------------------------------------------------------------------
def _identity(question: AccessQuestion, facts: Facts) -> list[Failure]:
    asker, failures = question.asker, []
    tokens = (Remedy("token", "Make or renew a token", "/settings/tokens"),)
    if asker.token_problem:
        code = _TOKEN_PROBLEMS.get(asker.token_problem, Code.TOKEN_INVALID)
        sentence = f"the access token is {asker.token_problem}"
        failures.append(Failure(code, Verdict.NEEDS_AUTHENTICATION, sentence, remedies=tokens))
    if not asker.is_active:
        failures.append(Failure(Code.ACCOUNT_SUSPENDED, Verdict.DENY, "the account is suspended"))
    if facts.visible and not facts.token_allows:  # an invisible repository must not betray itself by this code
        sentence = f"the token's role or scopes do not cover this on {facts.name}"
        failures.append(Failure(Code.TOKEN_SCOPE_MISSING, Verdict.DENY, sentence, remedies=tokens))
    if facts.visible and question.action == "push" and not facts.may_write:
        failures.append(_may_not_push(question, facts))
    return failures


def _may_not_push(question: AccessQuestion, facts: Facts) -> Failure:
    if question.asker.user_id is None:
        return _sign_in("adding to a repository needs an account", facts)
    return Failure(Code.TOKEN_SCOPE_MISSING, Verdict.DENY, f"writing to {facts.name} is for its members")


def _sign_in(why: str, facts: Facts) -> Failure:
    remedy = Remedy("sign-in", "Sign in", f"/accounts/login/?next={facts.page}/license")
    return Failure(Code.AUTH_REQUIRED, Verdict.NEEDS_AUTHENTICATION, f"sign in first: {why}", remedies=(remedy,))


def _target(question: AccessQuestion, facts: Facts) -> list[Failure]:
    if not facts.visible:
        return [Failure(Code.NOT_FOUND, Verdict.DENY, f"there is no {question.repository} here that you may see")]
    if facts.disabled:
        return [Failure(Code.REPOSITORY_DISABLED, Verdict.DENY, "an operator disabled this repository")]
    return []


def _purpose(question: AccessQuestion) -> tuple[str, bool]:
    """Returns the purpose, and whether it was merely assumed: token, then request, then profile, then research."""
    asker = question.asker
    stated = asker.token_purpose or question.purpose or asker.default_purpose
    return stated or "research", not stated


def _context(question: AccessQuestion) -> list[Failure]:
    failures = []
    purpose, _ = _purpose(question)
    if question.action not in ACTIONS:
        sentence = f"`{question.action}` is no action that the gate knows"
        failures.append(Failure(Code.TERMS_PROHIBIT, Verdict.DENY, sentence))
    if purpose not in PURPOSES:
        sentence = f"`{purpose}` is no purpose: use {', '.join(PURPOSES)}"
        failures.append(Failure(Code.PURPOSE_REQUIRED, Verdict.NEEDS_INFORMATION, sentence))
    bound = question.asker.token_purpose
    if bound and question.purpose and question.purpose != bound:
        remedy = Remedy("token", f"Use a token for {question.purpose}", "/settings/tokens")
        sentence = f"the token is bound to {bound}, and the request is for {question.purpose}"
        failures.append(Failure(Code.PURPOSE_MISMATCH, Verdict.DENY, sentence, remedies=(remedy,)))
    return failures


_POLICY_CODES = frozenset(code for code, group in GROUP_OF.items() if group is Group.POLICY)


def _policy(facts: Facts) -> list[Failure]:
    """A rule that names no code of the policy group still denies."""
    return [
        Failure(
            Code(rule.code) if rule.code in _POLICY_CODES else Code.LICENSE_DENIED,
            Verdict.DENY,
            rule.sentence,
        )
        for rule in sorted(facts.policy, key=lambda rule: (rule.code, rule.sentence))
        if rule.effect != "warn"
    ]


def _policy_warnings(facts: Facts) -> list[DecisionWarning]:
    rules = sorted(rule.sentence for rule in facts.policy if rule.effect == "warn")
    return [DecisionWarning(Code.WARN_POLICY, sentence) for sentence in rules]


def _distinguishes(facts: Facts) -> bool:
    licenses = [facts.license, *(item.license for item in facts.ancestors), *(item.license for item in facts.offers)]
    return any(item.terms is not None and item.terms.distinguishes_purposes for item in licenses)


# --- conclusions ------------------------------------------------------------------------------------------------
def _conclude_ungoverned(question: AccessQuestion, facts: Facts, purpose: str, failures: Sequence[Failure]) -> Decision:
    first = primary(failures) if failures else None
    allowed = Code.ALLOWED_MEMBER if facts.is_member else Code.ALLOWED_PUBLIC
    return Decision(
        verdict=first.verdict if first else Verdict.ALLOW,
        code=first.code if first else allowed,
        sentence=first.sentence if first else "no terms govern this",
        purpose=purpose,
        checks=_checks(failures, (Group.IDENTITY, Group.TARGET)),
        engine_version=ENGINE_VERSION,
        remedies=first.remedies if first else (),
        license=facts.license.id if facts.visible else "",
        inputs=(question, facts),
    )


def _conclude_member(weighing: Weighing, ancestry: Ancestry, failures: Sequence[Failure]) -> Decision:
    """Owners and members are not bound by the terms they offer; what they inherited is a warning to them."""
    facts = weighing.facts
    terms = facts.license.terms
    outcome = None if terms is None else outcome_of(weighing, terms)
    warnings = [*warnings_of(weighing, facts.license, outcome), *ancestry.warnings, *_policy_warnings(facts)]
    warnings += [DecisionWarning(Code.WARN_LINEAGE, failure.sentence) for failure in ancestry.failures]
    first = primary(failures) if failures else None
    sentence = f"you belong to the owner of {facts.name}"
    return Decision(
        verdict=first.verdict if first else Verdict.ALLOW,
        code=first.code if first else Code.ALLOWED_MEMBER,
        sentence=first.sentence if first else sentence,
        purpose=weighing.purpose,
        checks=(*_checks(failures, tuple(_TITLES)[:5]), *_member_terms(failures, sentence)),
        engine_version=ENGINE_VERSION,
        duties=() if first else duties_of(ancestry.outcomes),
        warnings=_unique(warnings),
        remedies=first.remedies if first else (),
        license=facts.license.id,
        license_text_sha256=facts.license.text_sha256,
        inputs=(weighing.question, facts),
    )


def _member_terms(failures: Sequence[Failure], sentence: str) -> tuple[Check, ...]:
    """Terms do not bind members; an action that the gate does not know stops them all the same."""
    if any(GROUP_OF[failure.code] is Group.TERMS for failure in failures):
        return tuple(_checks(failures, (Group.TERMS,)))
    return (Check(Group.TERMS, "pass", sentence, Code.ALLOWED_MEMBER),)


def _conclude(
    weighing: Weighing,
    ancestry: Ancestry,
    general: Sequence[Failure],
    offers: Sequence[OfferResult],
    *,
    assumed: bool,
) -> Decision:
    facts = weighing.facts
    if not facts.visible:  # nothing about terms or offers may show through
        return _conclude_ungoverned(weighing.question, facts, weighing.purpose, general)
    chosen = _choose(offers)
    failures = [*general, *_named(weighing, chosen, offers)]
    first = primary(failures) if failures else None
    return Decision(
        verdict=first.verdict if first else Verdict.ALLOW,
        code=first.code if first else chosen.allow_code,
        sentence=first.sentence if first else _allowed_sentence(weighing, chosen, assumed=assumed),
        purpose=weighing.purpose,
        purpose_assumed=assumed,
        checks=_offer_checks(weighing, failures, chosen, assumed=assumed),
        engine_version=ENGINE_VERSION,
        reasons=_reasons(chosen, ancestry, failures),
        duties=()
        if first and first.verdict in {Verdict.DENY, Verdict.NEEDS_ENTITLEMENT}
        else _duties(chosen, ancestry),
        warnings=_unique([*chosen.warnings, *ancestry.warnings, *_policy_warnings(facts)]),
        remedies=_remedies(first, offers),
        offers=tuple(offer.answer() for offer in offers),
        offer_id=chosen.offer.id,
        entitlement_id=chosen.entitlement_id,
        acceptance_id=chosen.acceptance_id,
        license=chosen.offer.license.id,
        license_text_sha256=chosen.offer.license.text_sha256,
        inputs=(weighing.question, facts),
    )


def _choose(offers: Sequence[OfferResult]) -> OfferResult:
    """Returns the least burdensome satisfied offer; if none is, the one that is nearest to it."""
    satisfied = [offer for offer in offers if offer.satisfied]
    if satisfied:
        return min(satisfied, key=lambda offer: offer.burden)
    return min(offers, key=lambda offer: (_EASE[primary(offer.failures).verdict], offer.burden))


def _named(weighing: Weighing, chosen: OfferResult, offers: Sequence[OfferResult]) -> list[Failure]:
    """Returns the chosen offer's failures in the words that fit: a stranger signs in, several clicks are a choice."""
    failures = list(chosen.failures)
    if not failures:
        return []
    first = primary(failures)
    if (
        weighing.question.asker.user_id is None
        and first.verdict in _PERSONAL
        and first.code is not Code.LICENSE_UNKNOWN
    ):
        return [_sign_in(first.sentence, weighing.facts), *failures]
    alike = [offer for offer in offers if primary(offer.failures).verdict is Verdict.NEEDS_ACCEPTANCE]
    licenses = {offer.offer.license.id for offer in alike}
    if first.verdict is Verdict.NEEDS_ACCEPTANCE and len(licenses) > 1:
        titles = ", ".join(f"`{offer.offer.title}`" for offer in alike)
        sentence = f"choose one of the offers and accept its terms: {titles}"
        remedy = Remedy("accept", "Choose an offer", weighing.licenses_page)
        failures.append(Failure(Code.OFFER_SELECTION_REQUIRED, Verdict.NEEDS_ACCEPTANCE, sentence, remedies=(remedy,)))
    return failures


def _allowed_sentence(weighing: Weighing, chosen: OfferResult, *, assumed: bool) -> str:
    how = {
        Code.ALLOWED_PUBLIC: "open to everyone",
        Code.ALLOWED_ACCEPTED: "terms accepted",
        Code.ALLOWED_GRANTED: "access granted by the owner",
        Code.ALLOWED_ENTITLED: "entitlement in force",
    }[chosen.allow_code]
    purpose = f"{weighing.purpose} (assumed)" if assumed else weighing.purpose
    return f"{chosen.offer.license.name}: {how}, for {purpose}"


def _reasons(chosen: OfferResult, ancestry: Ancestry, failures: Sequence[Failure]) -> tuple[Reason, ...]:
    inherited = (as_reason(reason) for outcome in ancestry.outcomes for reason in outcome.reasons)
    found = dict.fromkeys([*(item for failure in failures for item in failure.reasons), *chosen.reasons, *inherited])
    return tuple(reason for reason in found if not failures or reason.code != "PERMITTED")


def _duties(chosen: OfferResult, ancestry: Ancestry) -> tuple[DecisionDuty, ...]:
    own = () if chosen.outcome is None else (chosen.outcome,)
    return duties_of((*own, *ancestry.outcomes))


def _remedies(first: Failure | None, offers: Sequence[OfferResult]) -> tuple[Remedy, ...]:
    """Returns the ways forward: what puts the answer right, then what the other offers would take."""
    if first is None:
        return ()
    unmet = (primary(offer.failures) for offer in sorted(offers, key=lambda item: item.burden) if offer.failures)
    others = (remedy for failure in unmet if failure.verdict in _PERSONAL for remedy in failure.remedies)
    return tuple(dict.fromkeys((*first.remedies, *others)))


def _unique(warnings: Sequence[DecisionWarning]) -> tuple[DecisionWarning, ...]:
    return tuple(dict.fromkeys(warnings))


_PASSED = {group: Check(group, "pass", f"{title}: nothing stands in the way") for group, title in _TITLES.items()}


def _checks(failures: Sequence[Failure], groups: Sequence[Group]) -> tuple[Check, ...]:
    """Renders groups in order: one line for each failure, one for a group that passes."""
    failed: dict[Group, list[Failure]] = {}
    for failure in sorted(dict.fromkeys(failures), key=lambda item: (PRECEDENCE[item.code], item.sentence)):
        failed.setdefault(GROUP_OF[failure.code], []).append(failure)
    lines: list[Check] = []
    for group in groups:
        if group in failed:
            lines += [Check(group, "fail", failure.sentence, failure.code) for failure in failed[group]]
        else:
            lines.append(_PASSED[group])
    return tuple(lines)


def _offer_checks(
    weighing: Weighing, failures: Sequence[Failure], chosen: OfferResult, *, assumed: bool
) -> tuple[Check, ...]:
    checks = list(_checks(failures, tuple(_TITLES)))
    if assumed:
        sentence = "no purpose was given, so research is assumed; these terms tell purposes apart"
        checks.append(Check(Group.CONTEXT, "warn", sentence))
    checks += [Check(Group.WARNING, "warn", warning.sentence, Code(warning.code)) for warning in chosen.warnings]
    if not failures:
        sentence = _allowed_sentence(weighing, chosen, assumed=assumed)
        checks.append(Check(Group.ALLOW, "pass", sentence, chosen.allow_code))
    return tuple(sorted(checks, key=lambda check: check.group))
