"""Which license a derived model has to carry, and what it owes. Pure (vocabulary section 5).

Never a default: where the parents leave no single answer, the license stays open and a person must decide.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass

from registry.licensing.terms import LicenseTerms, load_vocabulary
from registry.licensing.terms_case import TermsCase, TermsReason
from registry.licensing.terms_checks import identifier_reason
from registry.licensing.terms_decision import shipped_catalogue
from registry.licensing.terms_derivative import check_declared, check_parents
from registry.licensing.terms_findings import Findings

_TRIGGERS = frozenset({"distribution", "derivative-distribution"})
# Relations under which a parent's license reaches the result: the catalogue's words and the vocabulary's.
_TEACHERS = frozenset({"distilled", "distillation-teacher"})
_DATA = frozenset({"dataset"})
_FREE_DATA = frozenset({"public-domain", "permissive"})
# Strictest first: where several parents' licenses would do, the narrower one promises nothing that another withholds.
_STRICTNESS = (
    "proprietary", "research-only", "non-commercial", "open-weights-conditional", "responsible-use",
    "network-copyleft", "strong-copyleft", "weak-copyleft", "share-alike-data", "permissive", "public-domain",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InheritedLicense:
    """What a derived model must carry.

    Attributes:
        license_id: catalogue id; None where no single license is permitted or known.
        must_review: a person has to decide before it is passed on.
        obligations: what the person who passes it on owes, one sentence each, with license and clause.
        sentence: the answer in plain words.
    """

    license_id: str | None
    must_review: bool
    obligations: tuple[str, ...]
    sentence: str


def outgoing_license(bases: Sequence[tuple[str, LicenseTerms | None]], declared: str | None) -> InheritedLicense:
    """Returns the license of a model derived from others.

    Args:
        bases: relation (`finetune`, `adapter`, `merge`, `quantized`, `distilled`, `dataset`, or the vocabulary's
            words) and terms of each input; None where an input's license is not known.
        declared: the license that its maker wants, if any.
    """
    parents = [terms for relation, terms in bases if _reaches(relation, terms)]
    known = [terms for terms in parents if terms is not None]
    obligations = _obligations(known)
    data_doubt = _data_doubt(bases)
    if len(known) < len(parents) or any(identifier_reason(terms) for terms in known):
        sentence = "the license of an input is not known, so what the result may carry is not known either"
        return InheritedLicense(None, must_review=True, obligations=obligations, sentence=sentence)
    if not known:
        sentence = "no input's license reaches the result: its maker chooses"
        return InheritedLicense(declared, bool(data_doubt), obligations, _join(sentence, data_doubt))
    chosen, problems = _choose(known, declared)
    if chosen is None:
        why = "; ".join(dict.fromkeys(reason.sentence for reason in problems))
        return InheritedLicense(
            None, must_review=True, obligations=obligations, sentence=f"a person must decide: {why}"
        )
    named = ", ".join(dict.fromkeys(terms.name for terms in known))
    return InheritedLicense(
        chosen, bool(data_doubt), obligations, _join(f"carries {chosen}, inherited from {named}", data_doubt)
    )


def _reaches(relation: str, terms: LicenseTerms | None) -> bool:
    if relation in _DATA:
        return False
    return relation not in _TEACHERS or terms is None or "distillation" in terms.derivatives.covers


def _choose(parents: Sequence[LicenseTerms], declared: str | None) -> tuple[str | None, list[TermsReason]]:
    """Returns the first permitted license: the declared one, else the parents' own, strictest first."""
    ranked = sorted(parents, key=lambda terms: (_STRICTNESS.index(terms.category), terms.id))
    problems: list[TermsReason] = []
    for candidate in [declared] if declared is not None else dict.fromkeys(terms.id for terms in ranked):
        found = _problems(parents, candidate)
        if not found:
            return candidate, []
        problems += found
    return None, problems


def _problems(parents: Sequence[LicenseTerms], candidate: str) -> list[TermsReason]:
    case = TermsCase("distribute-derivative", declared_license=candidate)
    by_id = ChainMap({terms.id: terms for terms in parents}, dict(shipped_catalogue()))
    found: list[TermsReason] = []
    for terms in parents:
        findings = Findings(terms)
        if terms.derivatives.mode == "not-permitted":
            findings.refuse("NO_DERIVATIVES", terms.derivatives.clause, fact="action")
        check_declared(terms, case, findings, catalogue=by_id, parents=parents)
        found += findings.reasons
    joint = check_parents(parents, case)
    return [*found, *(joint.reasons if joint is not None else ())]


def _obligations(parents: Sequence[LicenseTerms]) -> tuple[str, ...]:
    words = load_vocabulary()
    owed = []
    for terms in parents:
        for duty in terms.duties:
            if duty.triggers & _TRIGGERS and duty.when in {"", "work-modified"}:
                text = f": “{duty.text}”" if duty.text else ""
                clause = f" §{duty.clause}" if duty.clause else ""
                owed.append(f"{words.words('duty', duty.code)}{text} ({terms.id}{clause})")
    return tuple(dict.fromkeys(owed))


def _data_doubt(bases: Sequence[tuple[str, LicenseTerms | None]]) -> str:
    """Whether terms on training data bind the model is open in law, so limited or unknown terms go to a person."""
    limited = [
        terms.name if terms is not None else "terms that are not known"
        for relation, terms in bases
        if relation in _DATA and (terms is None or terms.category not in _FREE_DATA)
    ]
    return (
        f"trained on data under {', '.join(dict.fromkeys(limited))}: a person decides what follows" if limited else ""
    )


def _join(sentence: str, more: str) -> str:
    return f"{sentence}; {more}" if more else sentence
