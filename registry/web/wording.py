"""License terms in plain words: what one may, must and may not do, each line with its clause.

Pure. The facts and the closed vocabulary belong to `registry.licensing.terms`; here they only become sentences for
people who are about to decide. A code without a sentence of its own falls back to the vocabulary's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from registry.licensing.terms import EU_MEMBERS, Duty, LicenseTerms, Permission, Threshold, load_vocabulary

_MAY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "download": "Download it and keep a copy",
        "use-internally": "Run it inside your organization",
        "use-commercially": "Use it commercially",
        "host-as-service": "Offer it to others over a network",
        "modify": "Fine-tune, merge and quantize it",
        "distribute-original": "Pass on the files as they are",
        "distribute-derivative": "Pass on what you made of it",
        "train-other-models-on-outputs": "Train other models on its outputs",
        "sublicense": "Sublicense it in your own name",
        "patent-use": "Practise the licensor’s patents in it",
    }
)
_DUTY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "keep-license-text": "Give recipients a copy of the license",
        "keep-copyright-notices": "Keep the copyright notices",
        "attribution": "Credit the creator",
        "notice-file": "Ship a notice file with the given sentence",
        "display-phrase": "Show the given phrase",
        "name-prefix": "Start the model’s name as prescribed",
        "state-changes": "Say what you changed",
        "share-alike": "Keep derivatives under the same license",
        "disclose-source": "Provide the source with what you pass on",
        "network-source-offer": "Offer the source of a changed copy to its users",
        "pass-use-restrictions": "Write the use restrictions into your own agreement",
        "require-users-comply": "Bind your users to the use restrictions",
        "notify-downstream": "Tell recipients about the use restrictions",
        "comply-aup": "Follow the steward’s use policy",
        "comply-updated-terms": "Follow later versions of the terms, or stop",
        "use-latest-version": "Make reasonable efforts to use the latest version",
        "register": "Register with the steward",
        "report-impact": "File an impact report on a derivative",
        "cite-in-publication": "Cite it in publications",
        "content-filter": "Filter or review its outputs",
        "disclose-ai-generated": "Mark outputs as generated",
        "disclose-known-dangers": "Tell end users about known dangers",
        "rename-if-modified": "Rename what you changed",
        "no-endorsement": "Suggest no endorsement",
        "no-additional-restrictions": "Add no further restrictions",
        "keep-model-documentation": "Keep the model’s documentation with it",
        "non-endorsement-statement": "Print the given disclaimer",
        "public-statement": "Include the given sentence in public statements",
        "keep-provenance-features": "Leave watermarks and disclosure in place",
        "notify-commercial-recipients": "Tell large recipients that they need a paid license",
        "regulatory-authorisation": "Obtain authorisation where law requires it",
    }
)
_TRIGGER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "use": "",
        "distribution": "when you pass it on",
        "derivative-distribution": "when you pass on a changed copy",
        "network-service": "when others use it over a network",
        "derivative-network-service": "when others use a changed copy over a network",
        "product": "when a product contains it",
        "commercial-use": "for commercial use",
        "output-model-distribution": "for models trained on its outputs",
        "output-publication": "when you publish outputs",
        "publication": "when you publish results",
        "derivative-publication": "when you speak of a derivative in public",
    }
)
CATEGORIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "public-domain": "Public domain",
        "permissive": "Permissive",
        "weak-copyleft": "Weak copyleft",
        "strong-copyleft": "Strong copyleft",
        "network-copyleft": "Network copyleft",
        "share-alike-data": "Share-alike data",
        "responsible-use": "Responsible use",
        "open-weights-conditional": "Open weights, conditional",
        "non-commercial": "Non-commercial",
        "research-only": "Research only",
        "proprietary": "Proprietary",
    }
)
_METRIC_UNIT: Final = frozenset(
    {"monthly-active-users", "monthly-unique-users", "daily-active-users", "monthly-visits"}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a terms sheet.

    Attributes:
        text: the sentence.
        clause: where the license says so; empty if nowhere in particular.
        note: when it applies, or on what it hangs.
        verified: False where the clause was not located in the text.
    """

    text: str
    clause: str = ""
    note: str = ""
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """Terms as people read them; `unclear` is what the text leaves open, so that nobody takes silence for a yes."""

    may: tuple[Line, ...]
    must: tuple[Line, ...]
    may_not: tuple[Line, ...]
    unclear: tuple[Line, ...]


def sheet_of(terms: LicenseTerms) -> Sheet:
    """Returns the terms of a license as lines."""
    named = [(_MAY[code], permission) for code, permission in terms.actions.items()]
    prohibited = [_permission_line(text, permission) for text, permission in named if permission.value == "prohibited"]
    return Sheet(
        may=tuple(_permission_line(text, item) for text, item in named if item.value in {"allowed", "conditional"}),
        must=tuple(_merged(_duty_line(duty) for duty in terms.duties)) + tuple(map(_threshold_line, terms.thresholds)),
        may_not=(*prohibited, *_territory_lines(terms), *_restriction_lines(terms)),
        unclear=tuple(_permission_line(text, item) for text, item in named if item.value in {"unstated", "unknown"}),
    )


def category_label(code: str) -> str:
    """Returns a category in words."""
    return CATEGORIES.get(code, code.replace("-", " ").capitalize())


def _permission_line(text: str, permission: Permission) -> Line:
    vocabulary = load_vocabulary()
    note = "; ".join(vocabulary.words("condition", condition) for condition in permission.conditions)
    return Line(text, permission.clause, note, permission.confidence == "verified")


def _duty_line(duty: Duty) -> Line:
    text = _DUTY.get(duty.code) or load_vocabulary().words("duty", duty.code)
    if duty.text and len(duty.text) <= 90:  # noqa: PLR2004 (characters that fit two lines of the ticket)
        text = f"{text}: “{duty.text}”"
    notes = [phrase for trigger in sorted(duty.triggers) if (phrase := _TRIGGER.get(trigger, ""))]
    if duty.when:
        notes.append(f"where {load_vocabulary().words('duty_when', duty.when)}")
    return Line(text, duty.clause, ", ".join(notes[:2]))


def _merged(lines: Iterable[Line]) -> list[Line]:
    """Joins lines that say the same with different triggers."""
    merged: dict[str, Line] = {}
    for line in lines:
        known = merged.get(line.text)
        merged[line.text] = line if known is None else Line(line.text, known.clause or line.clause, known.note)
    return list(merged.values())


def _threshold_line(threshold: Threshold) -> Line:
    vocabulary = load_vocabulary()
    metric = vocabulary.words("threshold_metric", threshold.metric)
    if threshold.metric == "competes-with-steward":
        return Line("Have another license if you compete with the steward", threshold.clause)
    amount = f"{threshold.value:,.0f}"
    unit = (
        "" if threshold.metric in _METRIC_UNIT or threshold.metric == "headcount" else f" {threshold.currency}".rstrip()
    )
    verb = {"needs-entitlement": "Ask for another license", "not-licensed": "Stop", "display-duty": "Show the phrase"}
    return Line(f"{verb.get(threshold.effect, 'Ask')} above {amount}{unit}", threshold.clause, metric)


def _territory_lines(terms: LicenseTerms) -> list[Line]:
    return [
        Line(
            f"Use it in {_countries(item.excluded)}",
            item.clause,
            load_vocabulary().words("territory_basis", item.basis),
        )
        for item in terms.territory
        if item.excluded
    ]


def _countries(codes: frozenset[str]) -> str:
    rest = sorted(codes - EU_MEMBERS) if codes >= EU_MEMBERS else sorted(codes)
    return ", ".join((["the European Union"] if codes >= EU_MEMBERS else []) + rest)


def _restriction_lines(terms: LicenseTerms) -> list[Line]:
    if not terms.restricted_topics:
        return []
    vocabulary = load_vocabulary()
    topics = [vocabulary.words("use_restriction", code) for code in sorted(terms.restricted_topics)]
    note = "; ".join(topics[:6]) + (f"; and {len(topics) - 6} more" if len(topics) > 6 else "")  # noqa: PLR2004 (lines)
    return [Line("Use it for a restricted purpose", terms.restrictions_clause, note)]
