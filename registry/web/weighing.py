"""The gate's answer as pages show it: one of three tones, always with its word and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from registry.licensing.gate import Decision

Tone = Literal["allow", "cond", "deny"]
WORDS: Final[Mapping[Tone, str]] = {"allow": "Allowed", "cond": "Conditional", "deny": "Not allowed"}
TONES: Final[tuple[Tone, ...]] = ("allow", "cond", "deny")


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
        """What a row says in a line: the reason or warning, else the first duty, else that there is none."""
        decision = self.decision
        if decision.verdict != "allow":
            return decision.sentence
        if decision.warnings:
            return decision.warnings[0].sentence
        return decision.duties[0].sentence if decision.duties else "nothing to do"

    @property
    def sentence(self) -> str:
        """Why, in one sentence."""
        return self.decision.sentence


def balance(weighings: Iterable[Weighing]) -> list[tuple[Tone, str, int]]:
    """Returns (tone, word, count) for each tone, in the order of the scale."""
    counts = dict.fromkeys(TONES, 0)
    for weighing in weighings:
        counts[weighing.tone] += 1
    return [(tone, WORDS[tone], counts[tone]) for tone in TONES]
