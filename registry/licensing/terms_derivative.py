"""Under which license a derivative may go out: the declared license against one parent, and parents against each other.

Implements vocabulary section 5: modes of `derivatives`, purposes never widened, copyleft against further restrictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry.licensing.terms import COPYLEFT, LicenseTerms
from registry.licensing.terms_case import TermsCase
from registry.licensing.terms_checks import identifier_reason
from registry.licensing.terms_findings import Findings

Catalogue = Mapping[str, LicenseTerms]
SHARE_ALIKE = frozenset({"same-license", "same-or-compatible"})
_NARROW_ENOUGH = {
    "non-commercial": frozenset({"non-commercial", "research-only"}),
    "research-only": frozenset({"research-only"}),
}


def check_declared(
    terms: LicenseTerms, case: TermsCase, findings: Findings, *, catalogue: Catalogue, parents: Sequence[LicenseTerms]
) -> None:
    """Checks the declared license of a distributed derivative against one parent.

    Args:
        terms: the parent.
        case: the question; `declared_license` is an id of the catalogue.
        findings: where to note what is wrong.
        catalogue: terms by id, to look the declared license up.
        parents: every parent of the derivative, for licenses open to combinations only.
    """
    declared_id = case.declared_license
    if case.action != "distribute-derivative" or declared_id is None or terms.derivatives.mode == "not-permitted":
        return  # `not-permitted` is the prohibited action itself, which says NO_DERIVATIVES
    declared = catalogue.get(declared_id)
    if declared_id in terms.derivatives.incompatible:
        findings.refuse("LICENSE_INCOMPATIBLE", terms.derivatives.clause, fact="declared_license", more=declared_id)
    elif declared is not None and _adds_forbidden_restrictions(terms, declared):
        _further_restriction(declared, findings)
    _check_mode(terms, case, findings, declared=declared, parents=parents)
    _check_width(terms, declared, findings)


def _check_mode(
    terms: LicenseTerms,
    case: TermsCase,
    findings: Findings,
    *,
    declared: LicenseTerms | None,
    parents: Sequence[LicenseTerms],
) -> None:
    derivatives, declared_id = terms.derivatives, case.declared_license or ""
    if derivatives.mode == "unknown":
        findings.ask("TERM_UNKNOWN", derivatives.clause, fact="declared_license")
    elif derivatives.mode == "any-flow-down":
        if not case.flow_down and not _carries_restrictions(terms, declared):
            findings.refuse("FLOW_DOWN_MISSING", derivatives.clause, fact="flow_down")
    elif derivatives.mode == "terms-continue":
        if not case.base_terms_kept and declared_id != terms.id:
            findings.refuse("BASE_TERMS_DROPPED", derivatives.clause, fact="base_terms_kept")
    elif derivatives.mode in SHARE_ALIKE and declared_id not in {terms.id, *derivatives.compatible}:
        _share_alike(terms, declared_id, findings, parents)


def _share_alike(terms: LicenseTerms, declared_id: str, findings: Findings, parents: Sequence[LicenseTerms]) -> None:
    if declared_id not in terms.derivatives.when_combined:
        findings.refuse("SHARE_ALIKE_CONFLICT", _share_alike_clause(terms), fact="declared_license", more=declared_id)
    elif all(parent.id != declared_id for parent in parents):
        findings.ask(
            "SHARE_ALIKE_CONFLICT",
            terms.derivatives.clause,
            fact="declared_license",
            more=f"{declared_id} is open to a combination with a part under it only",
        )


def _share_alike_clause(terms: LicenseTerms) -> str:
    """The clause that asks for the same license; without the one on combinations where the entry has such a list."""
    duty = terms.duty("share-alike")
    return duty.clause if duty and duty.clause and terms.derivatives.when_combined else terms.derivatives.clause


def _check_width(terms: LicenseTerms, declared: LicenseTerms | None, findings: Findings) -> None:
    """A declared license never grants more than the parent, whatever the mode."""
    allowed = _NARROW_ENOUGH.get(terms.category)
    if declared is None or declared.id == terms.id:
        return
    if allowed is not None:
        if identifier_reason(declared):
            findings.ask("TERM_UNKNOWN", terms.derivatives.clause, fact="declared_license", more=declared.id)
        elif declared.category not in allowed:
            findings.refuse(
                "LICENSE_WIDENS_PURPOSE", terms.derivatives.clause, fact="declared_license", more=declared.id
            )
    elif terms.derivatives.mode == "any-same-purpose" and _is_wider(declared, terms):
        findings.refuse("LICENSE_WIDENS_PURPOSE", terms.derivatives.clause, fact="declared_license", more=declared.id)


def _is_wider(declared: LicenseTerms, base: LicenseTerms) -> bool:
    return any(
        permission.value != "allowed" and declared.purposes[purpose].value == "allowed"
        for purpose, permission in base.purposes.items()
    )


def _carries_restrictions(terms: LicenseTerms, declared: LicenseTerms | None) -> bool:
    """True if the declared license itself binds users to at least the parent's restrictions."""
    if declared is None:
        return False
    if declared.id == terms.id:
        return True
    return declared.duty("pass-use-restrictions") is not None and declared.restricted_topics >= terms.restricted_topics


def is_strict_copyleft(terms: LicenseTerms) -> bool:
    """True for a copyleft license that forbids further restrictions."""
    return terms.category in COPYLEFT and terms.duty("no-additional-restrictions") is not None


def _adds_forbidden_restrictions(parent: LicenseTerms, declared: LicenseTerms) -> bool:
    """A declared copyleft license over a parent with limits of its own (the parent's choice of license left open)."""
    if not is_strict_copyleft(declared):
        return False
    return restricts_further(parent) or bool(parent.territory) or parent.duty("comply-aup") is not None


def restricts_further(terms: LicenseTerms) -> bool:
    """True for thresholds, a purpose limit or flowing use restrictions."""
    return bool(terms.thresholds) or terms.limits_purpose or terms.duty("pass-use-restrictions") is not None


def _further_restriction(copyleft: LicenseTerms, findings: Findings) -> None:
    duty = copyleft.duty("no-additional-restrictions")
    findings_of_copyleft = Findings(copyleft)
    findings_of_copyleft.refuse("FURTHER_RESTRICTION_CONFLICT", duty.clause if duty else "", fact="declared_license")
    findings.reasons.extend(findings_of_copyleft.reasons)


def check_parents(parents: Sequence[LicenseTerms], case: TermsCase) -> Findings | None:
    """Checks several parents of one distributed derivative against each other.

    Returns:
        What is in the way of distributing them together; None if there is nothing to compare.
    """
    distinct = list({parent.id: parent for parent in parents}.values())
    if case.action != "distribute-derivative" or len(distinct) < 2:  # noqa: PLR2004 (a pair)
        return None
    findings = Findings(distinct[0])
    _check_common_license(distinct, findings)
    for copyleft in filter(is_strict_copyleft, distinct):
        if any(restricts_further(other) for other in distinct if other is not copyleft):
            _further_restriction(copyleft, findings)
    return findings


def _check_common_license(parents: Sequence[LicenseTerms], findings: Findings) -> None:
    """Two share-alike parents need one outgoing license that both accept."""
    sharing = [parent for parent in parents if parent.derivatives.mode in SHARE_ALIKE]
    ids = {parent.id for parent in parents}
    if len(sharing) < 2:  # noqa: PLR2004 (a pair)
        return
    outgoing = [
        {parent.id, *parent.derivatives.compatible, *(parent.derivatives.when_combined & ids)} for parent in sharing
    ]
    if not set.intersection(*outgoing):
        for parent in sharing:
            part = Findings(parent)
            part.refuse("SHARE_ALIKE_CONFLICT", _share_alike_clause(parent), fact="lineage")
            findings.reasons.extend(part.reasons)
