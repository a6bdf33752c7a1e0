"""The notebook that the checks on one license write into: reasons, and which display duties came due."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.licensing.terms import LicenseTerms, load_vocabulary
from registry.licensing.terms_case import TermsReason

# What an exclusion by purpose is called for each category (vocabulary 1.13).
_PURPOSE_REASON = {"non-commercial": "NON_COMMERCIAL_ONLY", "research-only": "RESEARCH_ONLY"}


@dataclass(slots=True)
class Findings:
    """Collects what the checks on one license find.

    Attributes:
        terms: the license under examination.
        reasons: findings so far, in the order of the checks.
        over_display_threshold: a display threshold is exceeded, or its figure is missing (vocabulary 4.4).
    """

    terms: LicenseTerms
    reasons: list[TermsReason] = field(default_factory=list)
    over_display_threshold: bool = False

    def add(self, code: str, outcome: str, clause: str = "", *, fact: str = "", more: str = "") -> None:
        """Notes a finding; `more` says what is particular about it."""
        meaning = load_vocabulary().words("reason", code)
        sentence = f"{self.terms.name}: {meaning}" + (f" ({more})" if more else "")
        reason = TermsReason(code, outcome, self.terms.id, clause, fact, sentence)
        if reason not in self.reasons:
            self.reasons.append(reason)

    def ask(self, code: str, clause: str = "", *, fact: str = "", more: str = "") -> None:
        """Notes that a fact is missing or a person must read."""
        self.add(code, "needs-information", clause, fact=fact, more=more)

    def refuse(self, code: str, clause: str = "", *, fact: str = "", more: str = "") -> None:
        """Notes that the text offers no path."""
        self.add(code, "deny", clause, fact=fact, more=more)

    def refuse_unless_bought(self, code: str, clause: str = "", *, fact: str = "", more: str = "") -> None:
        """Notes a refusal that a separate license can lift, where the text offers one (vocabulary 4.3)."""
        outcome = "needs-entitlement" if self.terms.entitlement_available else "deny"
        self.add(code, outcome, clause, fact=fact, more=more)

    def remark(self, code: str, clause: str = "", *, fact: str = "", more: str = "") -> None:
        """Notes something the reader should know that blocks nothing."""
        self.add(code, "allow", clause, fact=fact, more=more)

    @property
    def purpose_reason(self) -> str:
        """The reason code for a purpose outside this license's grant."""
        return _PURPOSE_REASON.get(self.terms.category, "PURPOSE_PROHIBITED")
