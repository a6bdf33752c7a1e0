"""The answer of the gate as a value: what the caller sees, the trail stores and the tests compare is the same thing."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registry.licensing.codes import Code, Group, Verdict
from registry.licensing.question import AccessQuestion, Facts
from registry.licensing.terms import LicenseTerms


@dataclass(frozen=True, slots=True)
class Check:
    """One check in order: its group, `pass`, `fail`, `warn` or `skip`, and a sentence in plain words."""

    group: Group
    state: str
    sentence: str
    code: Code | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        return {
            "group": self.group.name.lower(),
            "order": int(self.group),
            "state": self.state,
            "code": self.code.value if self.code else "",
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: code, the license and clause it rests on, the fact looked at, a sentence."""

    code: str
    license: str
    clause: str
    fact: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DecisionDuty:
    """Something the caller takes on by going ahead."""

    code: str
    license: str
    clause: str
    text: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DecisionWarning:
    """Something to know that does not block."""

    code: str
    sentence: str
    license: str = ""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A way forward: kind, label, address and method."""

    kind: str
    label: str
    url: str
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class OfferAnswer:
    """What one offer would take: its verdict and code by itself."""

    offer_id: int | None
    title: str
    license: str
    acquisition: str
    verdict: Verdict
    code: Code
    sentence: str
    price: str = ""
    contact_url: str = ""


@dataclass(frozen=True)
class Decision:
    """The answer to one question.

    `inputs` are the question and facts it rests on; they are kept for the digest and never rendered. `id` is the
    record's id once the answer is stored.
    """

    verdict: Verdict
    code: Code
    sentence: str
    purpose: str
    checks: tuple[Check, ...]
    engine_version: str
    reasons: tuple[Reason, ...] = ()
    duties: tuple[DecisionDuty, ...] = ()
    warnings: tuple[DecisionWarning, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    offers: tuple[OfferAnswer, ...] = ()
    offer_id: int | None = None
    entitlement_id: int | None = None
    acceptance_id: int | None = None
    license: str = ""
    license_text_sha256: str = ""
    purpose_assumed: bool = False
    inputs: tuple[AccessQuestion, Facts] | None = field(default=None, compare=False, repr=False)
    id: str = field(default="", compare=False)

    @property
    def allowed(self) -> bool:
        """True if the caller may go ahead."""
        return self.verdict is Verdict.ALLOW

    @functools.cached_property
    def inputs_digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON of question and facts; computed when first read."""
        return digest_of_inputs(self.inputs)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON: everything but the inputs themselves."""
        plain = dataclasses.asdict
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "code": self.code.value,
            "sentence": self.sentence,
            "purpose": self.purpose,
            "purpose_assumed": self.purpose_assumed,
            "checks": [check.as_dict() for check in self.checks],
            "reasons": [plain(reason) for reason in self.reasons],
            "duties": [plain(duty) for duty in self.duties],
            "warnings": [plain(warning) for warning in self.warnings],
            "remedies": [plain(remedy) for remedy in self.remedies],
            "offers": [_plain_offer(offer) for offer in self.offers],
            "offer": self.offer_id,
            "entitlement": self.entitlement_id,
            "acceptance": self.acceptance_id,
            "license": self.license,
            "license_text_sha256": self.license_text_sha256,
            "inputs_digest": self.inputs_digest,
            "engine_version": self.engine_version,
        }


def _plain_offer(offer: OfferAnswer) -> dict[str, Any]:
    return {**dataclasses.asdict(offer), "verdict": offer.verdict.value, "code": offer.code.value}


def digest_of_inputs(inputs: tuple[AccessQuestion, Facts] | None) -> str:
    """Returns the SHA-256 (hex) of question and facts in canonical JSON; sets and unordered tuples are sorted first."""
    canonical = json.dumps(_canonical(inputs), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, LicenseTerms):
        return value.id  # the entry itself is named by its digest beside it (LicenseFact.terms_sha256)
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value):
        return {item.name: _canonical(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, (tuple, frozenset)):
        return sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
