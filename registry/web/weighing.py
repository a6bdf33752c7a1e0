"""The gate's answer as pages show it: one of three tones, always with its word and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from registry.licensing.gate import Decision

Tone = Literal["allow", "cond", "deny"]
WORDS: Final[Mapping[Tone, str]] = {"allow": "Allowed", "cond": "Conditional", "deny": "Not allowed"}
TONES: Final[tuple[Tone, ...]] = ("allow", "cond", "deny")


_FREE: Final = "nothing to do until you pass it on"
# A row has room for a few words; codes without any here show the gate's own sentence.
_PLAIN: Final[Mapping[str, str]] = {
    "AUTH_REQUIRED": "sign in first",
    "ACCEPTANCE_REQUIRED": "accept the terms first",
    "ACCEPTANCE_SUPERSEDED": "the terms changed: accept them anew",
    "OFFER_SELECTION_REQUIRED": "choose an offer and accept its terms",
    "REQUEST_REQUIRED": "ask the owner for access",
    "REQUEST_PENDING": "your request waits for the owner",
    "REQUEST_REJECTED": "the owner denied your request",
    "GRANT_EXPIRED": "the access you were given has ended",
    "GRANT_REVOKED": "the owner took your access back",
    "TERMS_PROHIBIT": "its license leaves out {purpose}",
    "FACT_REQUIRED": "the text leaves this case open: a person decides",
    "TERRITORY_BLOCKED": "not licensed where you are",
    "TERRITORY_UNKNOWN": "depends on where you are",
    "LICENSE_UNKNOWN": "nobody knows yet what is permitted",
    "ENTITLEMENT_REQUIRED": "has to be bought",
    "THRESHOLD_EXCEEDED": "too large a user for these terms",
}


def _warned(code: str, sentence: str) -> str:
    """Returns a warning in a few words."""
    if code == "WARN_LINEAGE":
        return "what it derives from is not fully known"
    return "no license is stated" if sentence.startswith("no license") else sentence


def tone_of(verdict: str, *, warned: bool = False) -> Tone:
    """Returns the tone of a verdict: whatever has a way forward is conditional, and so is an allow with a warning."""
    if verdict == "allow":
        return "cond" if warned else "allow"
    return "cond" if verdict.startswith("needs-") else "deny"


@dataclass(frozen=True, slots=True)
class Weighing:
    """A decision, ready for a row or a ticket."""

    decision: Decision

    @property
    def tone(self) -> Tone:
        """`allow`, `cond` or `deny`: colour, icon and word follow from it."""
        return tone_of(self.decision.verdict, warned=bool(self.decision.warnings))

    @property
    def word(self) -> str:
        """The word beside the icon."""
        return WORDS[self.tone]

    @property
    def summary(self) -> str:
        """What a row says in a line; the repository's page has the whole reason."""
        decision = self.decision
        if decision.verdict == "allow":
            return _warned(decision.warnings[0].code, decision.warnings[0].sentence) if decision.warnings else _FREE
        purpose = decision.purpose.replace("-", " ") or "this"
        plain = _PLAIN.get(decision.code)
        return plain.format(purpose=purpose) if plain else self.sentence

    @property
    def sentence(self) -> str:
        """Why, in one sentence; the license is named beside it."""
        return self.decision.sentence


def balance(weighings: Iterable[Weighing]) -> list[tuple[Tone, str, int]]:
    """Returns (tone, word, count) for each tone, in the order of the scale."""
    counts = dict.fromkeys(TONES, 0)
    for weighing in weighings:
        counts[weighing.tone] += 1
    return [(tone, WORDS[tone], counts[tone]) for tone in TONES]
