"""From what terms say to what the gate answers: which terms apply, and each finding's place in the order of checks."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from registry.licensing.codes import PRECEDENCE, Code, Verdict
from registry.licensing.decision import DecisionDuty, DecisionWarning, Reason, Remedy
from registry.licensing.question import PURPOSES, AcceptanceFact, AccessQuestion, AncestorFact, Facts, LicenseFact
from registry.licensing.terms import LicenseTerms, load_vocabulary
from registry.licensing.terms_case import Subject, TermsCase, TermsOutcome, TermsReason
from registry.licensing.terms_decision import decide_terms
from registry.licensing.terms_derivative import check_declared
from registry.licensing.terms_findings import Findings

# Reasons that say that nobody knows what the text permits.
UNKNOWN_TERMS = frozenset(
    {"LICENSE_UNKNOWN", "LICENSE_AMBIGUOUS", "LICENSE_TEXT_MISSING", "TERM_UNKNOWN", "TERM_UNSTATED"}
)
_ACCEPTANCE = frozenset({"ACCEPTANCE_MISSING", "ACCEPTANCE_STALE"})
_CODES: Mapping[str, Code] = MappingProxyType(
    {
        "TERRITORY_EXCLUDED": Code.TERRITORY_BLOCKED,
        "TERRITORY_MISSING": Code.TERRITORY_UNKNOWN,
        "PURPOSE_MISSING": Code.PURPOSE_REQUIRED,
        "PURPOSE_AMBIGUOUS": Code.FACT_REQUIRED,
        "ORG_KIND_MISSING": Code.FACT_REQUIRED,
        "THRESHOLD_FACT_MISSING": Code.FACT_REQUIRED,
        "COMPONENT_UNKNOWN": Code.FACT_REQUIRED,
        "TARGET_UNKNOWN": Code.FACT_REQUIRED,
        "THRESHOLD_EXCEEDED": Code.THRESHOLD_EXCEEDED,
        "USE_RESTRICTED": Code.USE_RESTRICTED,
        "ACCEPTANCE_MISSING": Code.ACCEPTANCE_REQUIRED,
        "ACCEPTANCE_STALE": Code.ACCEPTANCE_SUPERSEDED,
        **dict.fromkeys(UNKNOWN_TERMS, Code.LICENSE_UNKNOWN),
    }
)
# Our actions in the vocabulary's words. `use` depends on the purpose; an export converts, which is a modification.
_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "download": "download",
        "modify": "modify",
        "evaluate": "use-internally",
        "distribute": "distribute-original",
        "export": "modify",
    }
)
_USES: Mapping[str, str] = MappingProxyType(
    {"commercial-product": "use-commercially", "hosted-service": "host-as-service"}
)
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that did not pass, with what it rests on and what would put it right."""

    code: Code
    verdict: Verdict
    sentence: str
    reasons: tuple[Reason, ...] = ()
    remedies: tuple[Remedy, ...] = ()


def primary(failures: Iterable[Failure]) -> Failure:
    """Returns the failure that names the answer.

    The first in the order of groups, except that a missing fact is not asked for when it could not change the answer
    (vocabulary 3, 4.1): a refusal by terms or policy then speaks first.
    """
    ordered = sorted(failures, key=lambda failure: (PRECEDENCE[failure.code], failure.sentence))
    final = [failure for failure in ordered if failure.verdict in {Verdict.DENY, Verdict.NEEDS_ENTITLEMENT}]
    if final and ordered[0].verdict is Verdict.NEEDS_INFORMATION:
        return final[0]
    return ordered[0]


@dataclass(frozen=True, slots=True)
class Weighing:
    """What all checks of one decision share."""

    question: AccessQuestion
    facts: Facts
    purpose: str
    subject: Subject
    licenses_page: str
    case: TermsCase
    answers: dict[LicenseTerms, TermsOutcome]

    @property
    def terms_action(self) -> str:
        """The action in the vocabulary's words."""
        return self.case.action


def acceptance_of(license: LicenseFact, acceptances: Sequence[AcceptanceFact]) -> AcceptanceFact | None:  # noqa: A002 (the domain's word)
    """Returns the assent to the license's current text; without a text here, to its current version."""
    version = license.terms.version if license.terms is not None else ""
    fitting = (
        item
        for item in acceptances
        if item.license_id == license.id
        and (item.text_sha256 == license.text_sha256 if license.text_sha256 else item.version == version)
    )
    return min(fitting, key=lambda item: item.id, default=None)


def weighing_of(question: AccessQuestion, facts: Facts, purpose: str) -> Weighing:
    """Prepares the subject: purpose, and which texts the asker has accepted (here, or elsewhere for an ancestor's)."""
    accepted: dict[str, str] = {}
    here = tuple(item for item in facts.acceptances if item.here)
    known = [(ancestor.license, facts.acceptances) for ancestor in facts.ancestors]
    known += [(item, here) for item in (*(offer.license for offer in facts.offers), facts.license)]
    for license_fact, acceptances in known:
        if license_fact.terms is None:
            continue
        if acceptance_of(license_fact, acceptances) is not None:
            accepted[license_fact.id] = license_fact.terms.version
        elif any(item.license_id == license_fact.id for item in acceptances):
            accepted[license_fact.id] = SUPERSEDED
        else:
            accepted.pop(license_fact.id, None)
    known_purpose = purpose if purpose in PURPOSES else None  # another is refused in its own group
    subject = replace(facts.subject, purpose=known_purpose, accepted=tuple(sorted(accepted.items())))
    action = _ACTIONS.get(question.action) or _USES.get(purpose, "use-internally")
    case = TermsCase(action, subject, facts.model)
    return Weighing(question, facts, purpose, subject, f"{facts.page}/license", case, _answers_to(case))


@functools.lru_cache(maxsize=2048)
def _answers_to(case: TermsCase) -> dict[LicenseTerms, TermsOutcome]:
    """The answers to one case so far, by license: hashing a case costs more than most licenses take to weigh."""
    del case
    return {}


def outcome_of(weighing: Weighing, terms: LicenseTerms) -> TermsOutcome:
    """Weighs one license for this question; what terms say of one case never changes, so it is kept."""
    found = weighing.answers.get(terms)
    if found is None:
        found = weighing.answers[terms] = decide_terms(terms, weighing.case)
    return found


def failures_of(weighing: Weighing, terms: LicenseTerms, outcome: TermsOutcome, *, whose: str = "") -> list[Failure]:
    """Turns the findings on one license into failures of the gate.

    Args:
        weighing: the question.
        terms: the license.
        outcome: what it says.
        whose: for an ancestor's terms, the ancestor's name.
    """
    blocking = [reason for reason in outcome.reasons if reason.outcome != "allow"]
    if weighing.question.action == "download":  # never refused for want of information on the terms: it warns instead
        blocking = [reason for reason in blocking if reason.code not in UNKNOWN_TERMS]
    return [_failure(weighing, terms, reason, whose) for reason in blocking]


def _failure(weighing: Weighing, terms: LicenseTerms, reason: TermsReason, whose: str) -> Failure:
    code = _CODES.get(reason.code, Code.TERMS_PROHIBIT)
    clause = f" (§{reason.clause})" if reason.clause else ""
    origin = f", inherited from {whose}" if whose else ""
    return Failure(
        code=code,
        verdict=Verdict(reason.outcome),
        sentence=f"{reason.sentence}{clause}{origin}",
        reasons=(as_reason(reason),),
        remedies=_remedies(weighing, terms, code, reason),
    )


def as_reason(reason: TermsReason) -> Reason:
    """Returns a finding in the decision's form."""
    return Reason(reason.code, reason.license, reason.clause, reason.fact, reason.sentence)


def _remedies(weighing: Weighing, terms: LicenseTerms, code: Code, reason: TermsReason) -> tuple[Remedy, ...]:
    page = weighing.licenses_page
    if reason.code in _ACCEPTANCE:
        return (Remedy("accept", f"Read and accept {terms.name}", page),)
    if code in {Code.PURPOSE_REQUIRED, Code.FACT_REQUIRED, Code.TERRITORY_UNKNOWN}:
        return (Remedy("fact", f"State what is missing: {reason.fact.replace('_', ' ')}", "/settings/profile"),)
    if code is Code.LICENSE_UNKNOWN:
        return (Remedy("read", "Read what is known of the license, and ask the owner", page),)
    ways = []
    if reason.outcome == "needs-entitlement" and terms.url:
        ways.append(Remedy("license", f"Ask for a separate license: {terms.name}", terms.url))
    if reason.fact == "purpose" and weighing.purpose != "research":
        ways.append(Remedy("token", "Use a token that is bound to a permitted purpose", "/settings/tokens"))
    return tuple(ways)


# --- warnings and duties ----------------------------------------------------------------------------------------
def warnings_of(weighing: Weighing, license: LicenseFact, outcome: TermsOutcome | None) -> list[DecisionWarning]:  # noqa: A002 (the domain's word)
    """What to know about a license although it does not block: unstated, unread or unverified terms."""
    if outcome is None or license.terms is None:
        return [DecisionWarning(Code.WARN_UNSTATED, _unstated_sentence(license), license.id)]
    unknown = [reason for reason in outcome.reasons if reason.code in UNKNOWN_TERMS]
    if unknown:
        sentence = _unstated_sentence(license) if license.status != "stated" else unknown[0].sentence
        return [DecisionWarning(Code.WARN_UNSTATED, sentence, license.id)]
    used = (license.terms.actions[weighing.terms_action], license.terms.purposes.get(weighing.purpose))
    if any(item is not None and item.confidence != "verified" for item in used):
        sentence = f"{license.name}: what this answer rests on was not verified against the text"
        return [DecisionWarning(Code.WARN_UNSTATED, sentence, license.id)]
    return []


def _unstated_sentence(license: LicenseFact) -> str:  # noqa: A002 (the domain's word)
    if license.status == "ambiguous":
        return f"the license identifier `{license.declared or license.id}` names several texts: the file decides"
    if license.status == "unknown":
        return f"the declared license `{license.declared or license.id}` is not in the catalogue: read the owner's text"
    return "no license is stated: without one nothing is granted beyond what the law allows"


def duties_of(outcomes: Iterable[TermsOutcome]) -> tuple[DecisionDuty, ...]:
    """Unites the duties of several licenses, each code and license once."""
    words = load_vocabulary()
    found = {(duty.license, duty.code): duty for outcome in outcomes for duty in outcome.duties}
    return tuple(
        DecisionDuty(duty.code, duty.license, duty.clause, duty.text, words.words("duty", duty.code))
        for _, duty in sorted(found.items())
    )


# --- ancestors --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ancestry:
    """What the ancestors' terms add: failures, warnings, the outcomes (for duties and reasons)."""

    failures: tuple[Failure, ...]
    warnings: tuple[DecisionWarning, ...]
    outcomes: tuple[TermsOutcome, ...]


def weigh_ancestors(weighing: Weighing) -> Ancestry:
    """Weighs the terms of every model that reaches this one; a teacher's only where its license says so."""
    failures: list[Failure] = []
    warnings: list[DecisionWarning] = []
    outcomes: list[TermsOutcome] = []
    for ancestor in sorted(weighing.facts.ancestors, key=lambda item: (item.name, item.relation, item.license.id)):
        terms = ancestor.license.terms
        if terms is None:
            sentence = f"the license of {ancestor.name}, which this derives from, is not known here"
            warnings.append(DecisionWarning(Code.WARN_LINEAGE, sentence, ancestor.license.id))
            continue
        if ancestor.relation == "distillation-teacher" and "distillation" not in terms.derivatives.covers:
            continue
        outcome = outcome_of(weighing, terms)
        outcomes.append(outcome)
        found = failures_of(weighing, terms, outcome, whose=ancestor.name)
        failures += [item for item in found if item.code is not Code.LICENSE_UNKNOWN]
        warnings += _lineage_warnings(weighing, ancestor, terms, outcome)
    return Ancestry(tuple(failures), tuple(warnings), tuple(outcomes))


def _lineage_warnings(
    weighing: Weighing, ancestor: AncestorFact, terms: LicenseTerms, outcome: TermsOutcome
) -> list[DecisionWarning]:
    found = []
    if outcome.codes & UNKNOWN_TERMS:
        sentence = f"what the license of {ancestor.name} permits is not fully known: {terms.name}"
        found.append(DecisionWarning(Code.WARN_LINEAGE, sentence, terms.id))
    own = weighing.facts.license
    declared = own.terms if own.status == "stated" else None
    for reason in _conflicts(terms, declared) if declared is not None else ():
        sentence = f"the license declared here conflicts with that of {ancestor.name}: {reason.sentence}"
        found.append(DecisionWarning(Code.WARN_LINEAGE, sentence, terms.id))
    return found


@functools.lru_cache(maxsize=8192)
def _conflicts(terms: LicenseTerms, declared: LicenseTerms) -> tuple[TermsReason, ...]:
    """Tells where the declared license is one that the ancestor does not permit for a derivative (vocabulary 5)."""
    findings = Findings(terms)
    case = TermsCase("distribute-derivative", declared_license=declared.id, flow_down=True, base_terms_kept=True)
    check_declared(terms, case, findings, catalogue={declared.id: declared}, parents=())
    return tuple(reason for reason in findings.reasons if reason.outcome == "deny")
