"""What terms say about one action: outcome, reasons, duties and clauses (vocabulary sections 4 and 5).

Pure and total over parsed terms. `decide_terms` weighs one license, `decide_lineage` every license that reaches a
model. The strictest result wins and all reasons are reported; duties are named unless the answer is a refusal.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from registry.licensing import terms_checks as checks
from registry.licensing.terms import Duty, LicenseTerms, load_catalogue
from registry.licensing.terms_case import DutyDue, Target, TermsCase, TermsOutcome, TermsReason, strictest
from registry.licensing.terms_derivative import Catalogue, check_declared, check_parents
from registry.licensing.terms_findings import Findings

Check = Callable[[LicenseTerms, TermsCase, Findings], None]

# In the order of vocabulary section 4.
_CHECKS: tuple[Check, ...] = (
    checks.check_identifier,
    checks.check_action,
    checks.check_outputs,
    checks.check_purpose,
    checks.check_thresholds,
    checks.check_territory,
    checks.check_topics,
    checks.check_name,
    checks.check_litigation,
    checks.check_acceptance,
)
_REFUSALS = frozenset({"deny", "needs-entitlement"})

# Triggers that an action meets by itself (vocabulary 4.8); those that hang on a fact are in `_triggers`.
_TRIGGERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "distribute-original": frozenset({"use", "distribution"}),
        "distribute-derivative": frozenset({"use", "distribution", "derivative-distribution"}),
        "host-as-service": frozenset({"use", "network-service"}),
        "use-commercially": frozenset({"use", "product", "commercial-use"}),
    }
)
_USE = frozenset({"use"})


@functools.cache
def shipped_catalogue() -> Catalogue:
    """Returns the shipped terms by id, parsed once a process."""
    return MappingProxyType(load_catalogue())


def decide_terms(
    terms: LicenseTerms,
    case: TermsCase,
    *,
    catalogue: Catalogue | None = None,
    parents: Sequence[LicenseTerms] = (),
) -> TermsOutcome:
    """Decides one action under one license.

    Args:
        terms: the license.
        case: action, subject and what else is known; an absent fact is unknown, not false.
        catalogue: where a declared license is looked up; the shipped catalogue by default.
        parents: all parents of the derivative, if there are several.
    """
    if terms.id in case.subject.entitlements:  # a separate agreement replaces the public terms, duties included (4.2)
        held = Findings(terms)
        held.remark("ENTITLEMENT_HELD", fact="entitlements")
        return TermsOutcome("allow", tuple(held.reasons), (), ())
    findings = Findings(terms)
    for check in _CHECKS:
        check(terms, case, findings)
    if case.declared_license is not None:
        check_declared(
            terms, case, findings, catalogue=shipped_catalogue() if catalogue is None else catalogue, parents=parents
        )
    outcome = strictest(*(reason.outcome for reason in findings.reasons))
    permission = terms.actions[case.action]
    if outcome == "allow":
        findings.reasons.insert(0, _permitted(terms, permission.clause))
    duties = () if outcome in _REFUSALS else _duties(terms, case, findings)
    return TermsOutcome(
        outcome, tuple(findings.reasons), duties, _clauses(terms, permission.clause, findings.reasons, duties)
    )


def _permitted(terms: LicenseTerms, clause: str) -> TermsReason:
    note = Findings(terms)
    note.remark("PERMITTED", clause, fact="action")
    return note.reasons[0]


def _clauses(
    terms: LicenseTerms, action_clause: str, reasons: Sequence[TermsReason], duties: Sequence[DutyDue]
) -> tuple[str, ...]:
    cited = [(terms.id, action_clause)]
    cited += [(reason.license, reason.clause) for reason in reasons]
    cited += [(duty.license, duty.clause) for duty in duties]
    return tuple(dict.fromkeys(f"{license_id} §{clause}" for license_id, clause in cited if clause))


# --- duties (4.8) -----------------------------------------------------------------------------------------------
def _triggers(case: TermsCase) -> frozenset[str]:
    met = _TRIGGERS.get(case.action, _USE)
    if case.action == "host-as-service" and case.modified:
        met |= {"derivative-network-service"}
    if case.action == checks.TRAINING and case.target.distributed:
        met |= {"output-model-distribution"}
    return met


def _duties(terms: LicenseTerms, case: TermsCase, findings: Findings) -> tuple[DutyDue, ...]:
    triggers = _triggers(case)
    due = {
        duty.code: DutyDue(duty.code, terms.id, duty.clause, duty.text)
        for duty in reversed(terms.duties)
        if duty.triggers & triggers and _holds(duty, case, findings)
    }
    return tuple(due[code] for code in dict.fromkeys(duty.code for duty in terms.duties) if code in due)


def _holds(duty: Duty, case: TermsCase, findings: Findings) -> bool:
    """Tells whether a duty's extra precondition holds (vocabulary 1.9, `when`)."""
    if not duty.when or duty.when in case.facts:
        return True
    if duty.when == "work-modified":
        return bool(case.modified)
    if duty.when == "cosmos-model":
        return bool(case.model.cosmos)
    return duty.when == "threshold-exceeded" and findings.over_display_threshold


# --- lineage (5) ------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, slots=True)
class Parent:
    """One license that reaches a model, and by which relation (vocabulary group `relation`)."""

    relation: str
    terms: LicenseTerms


def decide_lineage(parents: Sequence[Parent], case: TermsCase, *, catalogue: Catalogue | None = None) -> TermsOutcome:
    """Decides one action on a model made of several parents: the strictest of all, reasons and duties united."""
    reaching = [parent.terms for parent in parents if _reaches(parent)]
    outcomes = []
    for parent in parents:
        if parent.relation == "distillation-teacher":
            outcomes.append(decide_terms(parent.terms, _teaching(case), catalogue=catalogue))
        if _reaches(parent):
            outcomes.append(decide_terms(parent.terms, case, catalogue=catalogue, parents=reaching))
    return combine(_soften_prefixes(reaching, case, outcomes), check_parents(reaching, case))


def _reaches(parent: Parent) -> bool:
    """A teacher reaches its student like a base only where the license says that distillation makes a derivative."""
    return parent.relation != "distillation-teacher" or "distillation" in parent.terms.derivatives.covers


def _teaching(case: TermsCase) -> TermsCase:
    """The teacher's side of distillation: its outputs trained this model."""
    target = case.target
    if target == Target():
        distributed = case.action in checks.DISTRIBUTING or case.action == "host-as-service"
        target = Target(same_family=False, distributed=distributed, name=case.derivative_name)
    return dataclasses.replace(case, action=checks.TRAINING, target=target, declared_license=None)


def _soften_prefixes(
    parents: Sequence[LicenseTerms], case: TermsCase, outcomes: Sequence[TermsOutcome]
) -> list[TermsOutcome]:
    """Several name prefixes cannot all come first: a name that has one of them goes to a person (section 5, merge)."""
    prefixes = {duty.text for terms in parents for duty in terms.duties if duty.code == "name-prefix"}
    name = case.derivative_name
    if len(prefixes) < 2 or name is None or not name.startswith(tuple(prefixes)):  # noqa: PLR2004 (several)
        return list(outcomes)
    return [
        dataclasses.replace(
            item,
            reasons=tuple(
                dataclasses.replace(reason, outcome="needs-information")
                if reason.code == "NAME_PREFIX_MISSING"
                else reason
                for reason in item.reasons
            ),
        )
        for item in outcomes
    ]


def combine(outcomes: Sequence[TermsOutcome], joint: Findings | None = None) -> TermsOutcome:
    """Unites several answers on one question: strictest outcome, all reasons, duties once a code."""
    reasons = [*(reason for item in outcomes for reason in item.reasons), *(joint.reasons if joint else ())]
    outcome = strictest(*(reason.outcome for reason in reasons))
    if outcome != "allow":
        reasons = [reason for reason in reasons if reason.code != "PERMITTED"]
    duties = {(duty.code, duty.license): duty for item in outcomes for duty in item.duties}
    kept = () if outcome in _REFUSALS else tuple(duties.values())
    cited = dict.fromkeys(clause for item in outcomes for clause in item.clauses)
    cited.update(dict.fromkeys(f"{reason.license} §{reason.clause}" for reason in reasons if reason.clause))
    if outcome in _REFUSALS:  # duties of the parts that would have allowed are not due, nor are their clauses cited
        spoken = {f"{duty.license} §{duty.clause}" for duty in duties.values()}
        needed = {f"{reason.license} §{reason.clause}" for reason in reasons}
        actions = {item.clauses[0] for item in outcomes if item.clauses}
        cited = {clause: None for clause in cited if clause not in spoken or clause in needed or clause in actions}
    return TermsOutcome(outcome, tuple(dict.fromkeys(reasons)), kept, tuple(cited))
