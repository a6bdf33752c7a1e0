"""The License panel of a repository: the verdict, the terms in words, the ways to get it, and the forms they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django import forms

from registry.accounts.principal import Principal
from registry.licensing.decision import Decision, DecisionDuty, OfferAnswer
from registry.licensing.forms import FormField, GatedForm, gated_form
from registry.licensing.models import AccessRequest, License, LicenseText
from registry.licensing.terms import LicenseTerms, TermsError, parse_terms
from registry.repositories.models import Repository
from registry.web.weighing import Weighing
from registry.web.wording import Sheet, sheet_of

_MAX_OPTIONS: Final = 300
# Reasons of the terms (license vocabulary 3) that an acceptance of that license puts right.
_ACCEPTANCE_REASONS: Final = frozenset({"ACCEPTANCE_MISSING", "ACCEPTANCE_STALE"})
_ASKABLE: Final = frozenset({"REQUEST_REQUIRED", "GRANT_EXPIRED"})
_ACTION: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("Use", "#use"),
    "click-through": ("Read and accept", "/license#accept"),
    "request": ("Ask for access", "/license#request"),
    "purchase": ("Buy", ""),
    "invitation": ("Contact the owner", ""),
}


_MAIN_TITLE: Final[Mapping[str, str]] = {
    "open": "Under its license",
    "click-through": "After accepting",
    "request": "On request",
}


@dataclass(frozen=True, slots=True)
class OfferView:
    """One way to get the repository, with the button that starts it."""

    answer: OfferAnswer
    current: bool
    label: str
    url: str

    @property
    def title(self) -> str:
        """The offer's name; the main one, which has none, is called by how it is obtained."""
        return self.answer.title if self.answer.offer_id is not None else _MAIN_TITLE[self.answer.acquisition]

    @property
    def sentence(self) -> str:
        """What it takes, or that it is there."""
        if self.answer.verdict != "allow":
            return self.answer.sentence
        return "free, nothing to accept" if self.answer.acquisition == "open" else "yours to use"


@dataclass(frozen=True, slots=True)
class Assent:
    """A license to accept here: its text, or None where only a link is held, and the offer it belongs to."""

    license: License
    text: LicenseText | None
    offer_id: int | None


@dataclass(frozen=True)
class LicensePanel:
    """Everything that the ticket and the License page read."""

    repository: Repository
    page: str
    license: License | None
    decision: Decision
    principal: Principal

    @property
    def weighing(self) -> Weighing:
        """Tone, word and sentence."""
        return Weighing(self.decision)

    @cached_property
    def terms(self) -> LicenseTerms | None:
        """The license's terms; None where there is no license, or an entry that does not follow the vocabulary."""
        if self.license is None:
            return None
        try:
            return parse_terms(self.license.terms)
        except TermsError:
            return None

    @cached_property
    def sheet(self) -> Sheet | None:
        """The terms in plain words."""
        return sheet_of(self.terms) if self.terms is not None else None

    @property
    def inherited(self) -> list[DecisionDuty]:
        """Duties that come from an ancestor's license."""
        own = self.license.pk if self.license is not None else ""
        return [duty for duty in self.decision.duties if duty.license != own]

    @property
    def offers(self) -> list[OfferView]:
        """The ways to get it, as the gate weighed them for this viewer."""
        return [self._offer(answer) for answer in self.decision.offers]

    def _offer(self, answer: OfferAnswer) -> OfferView:
        current = self.decision.allowed and answer.offer_id == self.decision.offer_id
        label, target = _ACTION.get(answer.acquisition, ("See", ""))
        if answer.verdict == "needs-acceptance" and self.principal.is_authenticated:
            label, target = _ACTION["click-through"]
        elif answer.verdict == "allow":
            label, target = "Use", "#use"
        elif not self.principal.is_authenticated and not answer.contact_url:
            label, target = "Sign in", f"/accounts/login/?next={self.page}/license"
        elif answer.contact_url:
            target = answer.contact_url
        return OfferView(
            answer, current, label, f"{self.page}{target}" if target.startswith(("#", "/license")) else target
        )

    @cached_property
    def text(self) -> LicenseText | None:
        """The text that stands now; None where the hub holds only a link."""
        return self.license.texts.filter(is_current=True).first() if self.license is not None else None

    @cached_property
    def access_request(self) -> AccessRequest | None:
        """The viewer's own request, if there is one."""
        if self.principal.user_id is None:
            return None
        return AccessRequest.objects.filter(repository=self.repository, user_id=self.principal.user_id).first()

    @cached_property
    def to_accept(self) -> list[Assent]:
        """What the viewer would have to accept: the offers' licenses that ask for it, and inherited ones that do."""
        if self.gated_form.fields and self.repository.gated == "auto":
            return []  # the owner's form comes with the same click
        wanted: dict[str, int | None] = {
            answer.license: answer.offer_id
            for answer in self.decision.offers
            if answer.verdict == "needs-acceptance" and answer.license
        }
        for reason in self.decision.reasons:
            if reason.code in _ACCEPTANCE_REASONS and reason.license:
                wanted.setdefault(reason.license, None)
        rows = License.objects.filter(pk__in=wanted)
        texts = {text.license_id: text for text in LicenseText.objects.filter(license__in=wanted, is_current=True)}
        return [Assent(row, texts.get(row.pk), wanted[row.pk]) for row in rows]

    @cached_property
    def gated_form(self) -> GatedForm:
        """The owner's questions."""
        profile = getattr(self.repository, "profile", None)
        return gated_form(profile.card_data if profile is not None else None)

    @property
    def is_automatic(self) -> bool:
        """True if the owner's form opens the files at once (`gated: auto`)."""
        return self.repository.gated == "auto"

    @property
    def wants_request(self) -> bool:
        """True if the page shows the owner's form or the state of the viewer's request."""
        if self.access_request is not None:
            return True
        if self.decision.allowed:
            return False
        asks = any(answer.acquisition == "request" and answer.verdict != "allow" for answer in self.decision.offers)
        return asks or (self.is_automatic and not self.to_accept)

    @property
    def may_ask(self) -> bool:
        """True if sending the form would change something."""
        if self.decision.allowed:
            return False
        if self.access_request is None:
            return True
        return any(answer.code in _ASKABLE for answer in self.decision.offers)


class RequestForm(forms.Form):
    """The owner's questions as a form; what an answer must be is checked by the service, the kinds help to give it."""

    def __init__(self, form: GatedForm, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.questions = {f"field_{index}": field.name for index, field in enumerate(form.fields)}
        for name, field in zip(self.questions, form.fields, strict=True):
            self.fields[name] = _field(field)

    @property
    def answers(self) -> dict[str, Any]:
        """The answers by question; the form must be valid."""
        return {label: _plain(self.cleaned_data[name]) for name, label in self.questions.items()}

    @property
    def names(self) -> dict[str, str]:
        """Question -> name of its field, for messages that come back."""
        return {label: name for name, label in self.questions.items()}


def _field(field: FormField) -> forms.Field:
    label = field.name[:200]
    if field.kind == "select":
        return forms.ChoiceField(
            label=label, choices=[("", "Choose"), *((value, text) for text, value in field.options[:_MAX_OPTIONS])]
        )
    if field.kind == "checkbox":
        return forms.BooleanField(label=label)
    if field.kind == "date_picker":
        return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}))
    if field.kind == "country":
        return forms.CharField(label=label, min_length=2, max_length=2, help_text="Two-letter code, for example DE.")
    return forms.CharField(label=label, max_length=1000)


def _plain(value: Any) -> Any:
    """Returns what the service stores: dates as text."""
    return value if isinstance(value, bool | str) else str(value)
