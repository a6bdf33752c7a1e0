"""One offer before the gate: what it would take to go ahead under it (groups 3 to 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.licensing.codes import Code, Verdict
from registry.licensing.decision import DecisionWarning, OfferAnswer, Reason, Remedy
from registry.licensing.gate_terms import (
    Failure,
    Weighing,
    acceptance_of,
    as_reason,
    failures_of,
    outcome_of,
    primary,
    warnings_of,
)
from registry.licensing.question import EntitlementFact, Facts, LicenseFact, OfferFact
from registry.licensing.terms_case import TermsOutcome

# Least burdensome first.
BURDEN = {"open": 0, "click-through": 1, "request": 2, "invitation": 3, "purchase": 4}
_MAIN = {"": "open", "auto": "click-through", "manual": "request"}
EXPIRING_SOON = timedelta(days=14)
# From the nearest miss to the furthest: which of several entitlements that do not help is worth telling.
_ENTITLEMENT_MISSES = (
    Code.ENTITLEMENT_SCOPE,
    Code.ENTITLEMENT_NOT_STARTED,
    Code.ENTITLEMENT_SUSPENDED,
    Code.ENTITLEMENT_EXPIRED,
    Code.ENTITLEMENT_REVOKED,
)
_ENTITLEMENT_WORDS = {
    Code.ENTITLEMENT_SCOPE: "the entitlement held does not cover this purpose",
    Code.ENTITLEMENT_NOT_STARTED: "the entitlement held has not started yet",
    Code.ENTITLEMENT_SUSPENDED: "the entitlement held is suspended",
    Code.ENTITLEMENT_EXPIRED: "the entitlement held has expired",
    Code.ENTITLEMENT_REVOKED: "the entitlement held was revoked",
}


@dataclass(frozen=True, slots=True)
class OfferResult:
    """What one offer came to."""

    offer: OfferFact
    failures: tuple[Failure, ...]
    allow_code: Code
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[DecisionWarning, ...] = ()
    outcome: TermsOutcome | None = None
    entitlement_id: int | None = None
    acceptance_id: int | None = None

    @property
    def satisfied(self) -> bool:
        """True if nothing stands in the way under this offer."""
        return not self.failures

    @property
    def burden(self) -> tuple[int, int]:
        """Sort key: least burdensome first, the main offer before others, then the oldest."""
        return BURDEN[self.offer.acquisition], self.offer.id or 0

    def answer(self) -> OfferAnswer:
        """Returns the offer's line in a decision."""
        first = primary(self.failures) if self.failures else None
        return OfferAnswer(
            offer_id=self.offer.id,
            title=self.offer.title,
            license=self.offer.license.id,
            acquisition=self.offer.acquisition,
            verdict=first.verdict if first else Verdict.ALLOW,
            code=first.code if first else self.allow_code,
            sentence=first.sentence if first else "nothing stands in the way under this offer",
            price=self.offer.price,
            contact_url=self.offer.contact_url,
        )


def available_offers(facts: Facts, now: datetime) -> list[OfferFact]:
    """Returns the main offer and the published ones that are on now, in an order that does not depend on the input's.

    An explicit open offer under the repository's own license is the main offer in other words.
    """
    main = OfferFact(None, "Main offer", facts.license, _MAIN.get(facts.gated, "request"))
    running = [offer for offer in facts.offers if _is_running(offer.starts_at, offer.ends_at, now)]
    return [main, *sorted(running, key=lambda offer: offer.id or 0)]


def _is_running(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> bool:
    return (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)


def weigh_offer(weighing: Weighing, offer: OfferFact, now: datetime, inherited: Sequence[Failure]) -> OfferResult:
    """Runs every check of one offer; `inherited` are the failures that the ancestors' terms add."""
    failures = [*_compliance(weighing, offer), *_covered_purpose(weighing, offer), *inherited]
    if offer.acquisition in {"purchase", "invitation"}:
        return _weigh_entitled(weighing, offer, now, failures)
    return _weigh_public(weighing, offer, now, failures)


def _compliance(weighing: Weighing, offer: OfferFact) -> list[Failure]:
    place = weighing.subject.territory
    if not offer.territory or place in offer.territory:
        return []
    if place is None:
        remedy = Remedy("fact", "State your country", "/settings/profile")
        sentence = f"the offer `{offer.title}` holds in certain countries only, and yours is not known"
        return [Failure(Code.TERRITORY_UNKNOWN, Verdict.NEEDS_INFORMATION, sentence, remedies=(remedy,))]
    return [Failure(Code.TERRITORY_BLOCKED, Verdict.DENY, f"the offer `{offer.title}` does not hold in {place}")]


def _covered_purpose(weighing: Weighing, offer: OfferFact) -> list[Failure]:
    if not offer.purposes or weighing.purpose in offer.purposes:
        return []
    sentence = f"the offer `{offer.title}` covers {', '.join(sorted(offer.purposes))}, not {weighing.purpose}"
    return [Failure(Code.PURPOSE_MISMATCH, Verdict.DENY, sentence)]


# --- open, click-through, request -------------------------------------------------------------------------------
def _weigh_public(weighing: Weighing, offer: OfferFact, now: datetime, failures: list[Failure]) -> OfferResult:
    terms = offer.license.terms
    outcome = None if terms is None else outcome_of(weighing, terms)
    if terms is None or outcome is None:
        failures += _unknown_license(weighing, offer.license)
    else:
        failures += failures_of(weighing, terms, outcome)
    acceptance = acceptance_of(offer.license, [item for item in weighing.facts.acceptances if item.here])
    granted = _granted(weighing.facts, now)
    if offer.acquisition == "click-through" and acceptance is None and not granted:
        failures += _assent_missing(weighing, offer.license, failures)
    if offer.acquisition == "request" and not granted:
        failures.append(_request_missing(weighing, now))
    return OfferResult(
        offer=offer,
        failures=tuple(failures),
        allow_code=_allow_code(offer, needs_assent=terms is not None and terms.acceptance_required),
        reasons=() if outcome is None else tuple(as_reason(reason) for reason in outcome.reasons),
        warnings=(*warnings_of(weighing, offer.license, outcome), *_grant_expiring(offer, weighing.facts, now)),
        outcome=outcome,
        acceptance_id=acceptance.id if acceptance is not None else None,
    )


def _allow_code(offer: OfferFact, *, needs_assent: bool) -> Code:
    if offer.acquisition == "request":
        return Code.ALLOWED_GRANTED
    return Code.ALLOWED_ACCEPTED if offer.acquisition == "click-through" or needs_assent else Code.ALLOWED_PUBLIC


def _unknown_license(weighing: Weighing, license: LicenseFact) -> list[Failure]:  # noqa: A002 (the domain's word)
    """Without known terms a download is a matter of warning; anything further needs a person to say what is granted."""
    if weighing.question.action == "download":
        return []
    named = f"the license `{license.declared}` is not in the catalogue" if license.declared else "no license is stated"
    remedy = Remedy("read", "Ask the owner to state a license", weighing.licenses_page)
    sentence = f"{named}, so it is not known whether this is permitted"
    return [Failure(Code.LICENSE_UNKNOWN, Verdict.NEEDS_INFORMATION, sentence, remedies=(remedy,))]


def _granted(facts: Facts, now: datetime) -> bool:
    request = facts.request
    return (
        request is not None
        and request.status == "accepted"
        and (request.expires_at is None or now < request.expires_at)
    )


def _assent_missing(weighing: Weighing, license: LicenseFact, failures: Sequence[Failure]) -> list[Failure]:  # noqa: A002 (the domain's word)
    """The owner asks for a click; unless the terms themselves already asked for it."""
    if any(item.code in {Code.ACCEPTANCE_REQUIRED, Code.ACCEPTANCE_SUPERSEDED} for item in failures):
        return []
    remedy = Remedy("accept", f"Read and accept {license.name}", weighing.licenses_page)
    if any(item.here and item.license_id == license.id for item in weighing.facts.acceptances):
        sentence = f"the text of {license.name} changed since you accepted it"
        return [Failure(Code.ACCEPTANCE_SUPERSEDED, Verdict.NEEDS_ACCEPTANCE, sentence, remedies=(remedy,))]
    sentence = f"the owner asks you to accept {license.name} first"
    return [Failure(Code.ACCEPTANCE_REQUIRED, Verdict.NEEDS_ACCEPTANCE, sentence, remedies=(remedy,))]


def _request_missing(weighing: Weighing, now: datetime) -> Failure:
    request, page = weighing.facts.request, weighing.licenses_page
    ask = (Remedy("request", "Ask the owner for access", page),)
    if request is None:
        return Failure(Code.REQUEST_REQUIRED, Verdict.NEEDS_REQUEST, "the owner grants access on request", remedies=ask)
    if request.status == "pending":
        see = (Remedy("wait", "See your request", page),)
        sentence = "your request is waiting for the owner's answer"
        return Failure(Code.REQUEST_PENDING, Verdict.NEEDS_REQUEST, sentence, remedies=see)
    if request.status == "accepted" and request.expires_at is not None and request.expires_at <= now:
        return Failure(Code.GRANT_EXPIRED, Verdict.NEEDS_REQUEST, "the access you were given has ended", remedies=ask)
    why = f": {request.reason}" if request.reason else ""
    if request.status == "revoked":
        return Failure(Code.GRANT_REVOKED, Verdict.DENY, f"the owner took your access back{why}")
    return Failure(Code.REQUEST_REJECTED, Verdict.DENY, f"the owner rejected your request{why}")


def _grant_expiring(offer: OfferFact, facts: Facts, now: datetime) -> list[DecisionWarning]:
    if offer.acquisition != "request" or not _granted(facts, now) or facts.request is None:
        return []
    return _expiring(facts.request.expires_at, now, "the access you were given")


def _expiring(ends_at: datetime | None, now: datetime, what: str) -> list[DecisionWarning]:
    if ends_at is None or ends_at - now > EXPIRING_SOON:
        return []
    return [DecisionWarning(Code.WARN_EXPIRING, f"{what} ends on {ends_at.date().isoformat()}")]


# --- purchase, invitation ---------------------------------------------------------------------------------------
def _weigh_entitled(weighing: Weighing, offer: OfferFact, now: datetime, failures: list[Failure]) -> OfferResult:
    """An entitlement in force is a separate agreement: it replaces the offer's public terms (vocabulary 4.2)."""
    mine = sorted((item for item in weighing.facts.entitlements if item.offer_id == offer.id), key=lambda item: item.id)
    held = next((item for item in mine if _problem(item, weighing.purpose, now) is None), None)
    if held is None:
        failures.append(_entitlement_missing(weighing, offer, mine, now))
        return OfferResult(offer, tuple(failures), Code.ALLOWED_ENTITLED)
    sentence = f"a separate agreement governs: entitlement {held.id} on `{offer.title}`"
    return OfferResult(
        offer=offer,
        failures=tuple(failures),
        allow_code=Code.ALLOWED_ENTITLED,
        reasons=(Reason("ENTITLEMENT_HELD", offer.license.id, "", "entitlements", sentence),),
        warnings=tuple(_expiring(held.ends_at, now, "the entitlement")),
        entitlement_id=held.id,
    )


def _problem(item: EntitlementFact, purpose: str, now: datetime) -> Code | None:
    """Returns why an entitlement does not help now; None if it is in force for this purpose."""
    if item.status == "revoked":
        return Code.ENTITLEMENT_REVOKED
    if item.status == "suspended":
        return Code.ENTITLEMENT_SUSPENDED
    if item.starts_at is not None and now < item.starts_at:
        return Code.ENTITLEMENT_NOT_STARTED
    if item.ends_at is not None and item.ends_at <= now:
        return Code.ENTITLEMENT_EXPIRED
    return Code.ENTITLEMENT_SCOPE if item.purposes and purpose not in item.purposes else None


def _entitlement_missing(
    weighing: Weighing, offer: OfferFact, mine: Sequence[EntitlementFact], now: datetime
) -> Failure:
    url = offer.contact_url or weighing.licenses_page
    price = f" ({offer.price})" if offer.price else ""
    remedy = Remedy("buy" if offer.acquisition == "purchase" else "contact", f"{offer.title}{price}", url)
    problems = {_problem(item, weighing.purpose, now) for item in mine}
    for code in _ENTITLEMENT_MISSES:
        if code in problems:
            sentence = f"{_ENTITLEMENT_WORDS[code]}: `{offer.title}`"
            return Failure(code, Verdict.NEEDS_ENTITLEMENT, sentence, remedies=(remedy,))
    way = "has to be bought" if offer.acquisition == "purchase" else "is by invitation of the owner"
    sentence = f"the offer `{offer.title}` {way}{price}"
    return Failure(Code.ENTITLEMENT_REQUIRED, Verdict.NEEDS_ENTITLEMENT, sentence, remedies=(remedy,))
