"""One question about terms and its answer, as values (vocabulary 1.13, 3).

A fact that is absent is unknown (None), never assumed. `case_from_mapping` reads the form that the worked decisions
have, and that our API and command line take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from registry.licensing.terms import Vocabulary, load_vocabulary

# Strictest last (vocabulary 4.1).
OUTCOMES = ("allow", "needs-acceptance", "needs-information", "needs-entitlement", "deny")
_RANK = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}

# A figure of the whole group at a version's release: one number, or pairs (license id, number).
Figure = float | None
ReleaseFigure = float | tuple[tuple[str, float], ...] | None


def strictest(*outcomes: str) -> str:
    """Returns the strictest of several outcomes; `allow` for none."""
    return max(outcomes, key=_RANK.__getitem__, default="allow")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks and under which circumstances; field names and meanings as in vocabulary 3."""

    purpose: str | None = None
    org_kind: str | None = None
    territory: str | None = None
    role: str | None = None
    received_as: str | None = None
    accepted: tuple[tuple[str, str], ...] = ()
    entitlements: frozenset[str] = frozenset()
    registrations: frozenset[str] = frozenset()
    paid: bool | None = None
    use_topics: frozenset[str] = frozenset()
    litigation: frozenset[str] = frozenset()
    mau: Figure = None
    mau_at_release: ReleaseFigure = None
    product_mau: Figure = None
    product_monthly_revenue_usd: Figure = None
    group_monthly_revenue_usd: Figure = None
    annual_revenue_usd: Figure = None
    annual_revenue_cny: Figure = None
    monthly_visits: Figure = None
    monthly_unique_users: Figure = None
    dau: Figure = None
    headcount: Figure = None
    competes_with_steward: bool | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Facts of the model variant; None is unknown."""

    multimodal: bool | None = None
    cosmos: bool | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Facts of the model that outputs train; None is unknown."""

    same_family: bool | None = None
    foundation_model: bool | None = None
    competing: bool | None = None
    commercial: bool | None = None
    distributed: bool | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TermsCase:
    """One action by one subject. `facts` holds the vocabulary's `when` codes that are known to be true."""

    action: str
    subject: Subject = field(default_factory=Subject)
    model: Model = field(default_factory=Model)
    target: Target = field(default_factory=Target)
    facts: frozenset[str] = frozenset()
    declared_license: str | None = None
    derivative_name: str | None = None
    flow_down: bool | None = None
    base_terms_kept: bool | None = None
    modified: bool | None = None


@dataclass(frozen=True, slots=True)
class TermsReason:
    """Why: a vocabulary code, the license and clause it rests on, the fact looked at, and a sentence in plain words."""

    code: str
    outcome: str
    license: str
    clause: str
    fact: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DutyDue:
    """A duty that this action triggers."""

    code: str
    license: str
    clause: str
    text: str


@dataclass(frozen=True, slots=True)
class TermsOutcome:
    """The answer: outcome, every reason, the duties due, and the clauses it rests on as `license §clause`."""

    outcome: str
    reasons: tuple[TermsReason, ...]
    duties: tuple[DutyDue, ...]
    clauses: tuple[str, ...]

    @property
    def codes(self) -> frozenset[str]:
        """The reason codes as a set."""
        return frozenset(reason.code for reason in self.reasons)

    @property
    def duty_codes(self) -> frozenset[str]:
        """The duty codes as a set."""
        return frozenset(duty.code for duty in self.duties)


class CaseError(ValueError):
    """A case does not follow the vocabulary; the message names the field and the value."""


_SETS = frozenset({"entitlements", "registrations", "use_topics", "litigation"})
_CASE_FLAGS = ("declared_license", "derivative_name", "flow_down", "base_terms_kept", "modified")


def subject_from_mapping(data: Mapping[str, Any], vocabulary: Vocabulary | None = None) -> Subject:
    """Builds a subject from plain data; an unknown fact name or code raises CaseError."""
    words = vocabulary or load_vocabulary()
    _known("subject", data, Subject)
    for name, group in (("purpose", "purpose"), ("org_kind", "org_kind")):
        _in_group(words, group, data.get(name))
    for topic in data.get("use_topics") or ():
        _in_group(words, "use_restriction", topic)
    values: dict[str, Any] = dict(data)
    values["accepted"] = tuple(sorted((str(k), str(v)) for k, v in (data.get("accepted") or {}).items()))
    for name in _SETS:
        values[name] = frozenset(data.get(name) or ())
    if isinstance(data.get("mau_at_release"), Mapping):
        values["mau_at_release"] = tuple(sorted((str(k), float(v)) for k, v in data["mau_at_release"].items()))
    return Subject(**values)


def case_from_mapping(data: Mapping[str, Any], vocabulary: Vocabulary | None = None) -> TermsCase:
    """Builds a case from the form of the worked decisions (keys beyond the question are left alone).

    Raises:
        CaseError: a fact or code that the vocabulary does not know.
    """
    words = vocabulary or load_vocabulary()
    _in_group(words, "action", data.get("action"), required=True)
    for fact in data.get("facts") or ():
        _in_group(words, "duty_when", fact)
    model, target = data.get("model") or {}, data.get("target") or {}
    _known("model", model, Model)
    _known("target", target, Target)
    return TermsCase(
        action=data["action"],
        subject=subject_from_mapping(data.get("subject") or {}, words),
        model=Model(**model),
        target=Target(**target),
        facts=frozenset(data.get("facts") or ()),
        **{name: data.get(name) for name in _CASE_FLAGS},
    )


def _known(part: str, data: Mapping[str, Any], kind: type[Subject | Model | Target]) -> None:
    unknown = set(data) - {item.name for item in fields(kind)}
    if unknown:
        raise CaseError(f"{part}: unknown fact `{min(unknown)}`")


def _in_group(vocabulary: Vocabulary, group: str, code: Any, *, required: bool = False) -> None:
    if code is None and not required:
        return
    if code not in vocabulary.groups[group]:
        raise CaseError(f"`{code}` is not one of {', '.join(vocabulary.groups[group])}")
