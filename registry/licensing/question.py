"""What the gate is asked and told: one question, and the facts gathered for it. Values only, no behaviour with effects.

A fact is what a selector read; nothing here is looked up later, and the clock is an argument of `decide`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from registry.licensing.terms import LicenseTerms
from registry.licensing.terms_case import Model, Subject

ACTIONS = ("view-metadata", "download", "use", "modify", "evaluate", "distribute", "push", "export")
PURPOSES = ("research", "evaluation", "internal", "commercial-product", "hosted-service")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as far as the gate cares.

    Attributes:
        user_id: None for an anonymous caller.
        token_problem: `expired`, `revoked`, `invalid` or empty.
        token_purpose, token_environment: what the token is bound to; empty if it is not.
        default_purpose: the profile's default.
        organization_id: organization the token acts for.
        is_active: the account is not suspended.
    """

    user_id: int | None = None
    username: str = ""
    token_problem: str = ""
    token_purpose: str = ""
    token_environment: str = ""
    default_purpose: str = ""
    organization_id: int | None = None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class AccessQuestion:
    """May this asker do this with these files, for this purpose?"""

    asker: Asker
    action: str
    repository: str
    commit: str = ""
    paths: tuple[str, ...] = ()
    purpose: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class LicenseFact:
    """A license as it stands now. `terms` is None where the catalogue has no entry of that name.

    `text_sha256` is the current text's digest, empty where the hub holds no text (then the link counts as the text).
    `status` is how far the declaration could be understood: `stated`, `unstated`, `unknown`, `ambiguous`.
    """

    id: str
    terms: LicenseTerms | None
    terms_sha256: str = ""
    text_sha256: str = ""
    status: str = "stated"
    declared: str = ""

    @property
    def name(self) -> str:
        """The license's name for people."""
        return self.terms.name if self.terms is not None else (self.declared or self.id)


@dataclass(frozen=True, slots=True)
class OfferFact:
    """One published offer. `id` is None for the main offer: the repository's own license and its `gated`."""

    id: int | None
    title: str
    license: LicenseFact
    acquisition: str
    purposes: tuple[str, ...] = ()
    territory: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    price: str = ""
    contact_url: str = ""


@dataclass(frozen=True, slots=True)
class AncestorFact:
    """A model this one derives from: relation as in the license vocabulary, name, page (empty if not here), license."""

    relation: str
    name: str
    license: LicenseFact
    page: str = ""


@dataclass(frozen=True, slots=True)
class AcceptanceFact:
    """A live assent of the asker.

    `text_sha256` is the newest text that it covers: later changes that are not material count as accepted with it.
    `here` is False for one given on another repository.
    """

    id: int
    license_id: str
    version: str
    text_sha256: str
    here: bool = True


@dataclass(frozen=True, slots=True)
class RequestFact:
    """The asker's access request on this repository."""

    id: int
    status: str
    expires_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EntitlementFact:
    """A right of the asker, or of an organization the asker belongs to, on one offer."""

    id: int
    offer_id: int
    status: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyFact:
    """What a governance rule of the asker's organization says: `deny` or `warn`, with its code and sentence."""

    effect: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gate is told.

    Attributes:
        visible: the asker may know that the repository exists.
        disabled: an operator disabled it.
        token_allows: the token's role and scopes cover the repository and the action.
        is_member, may_write: the asker's standing in the owning namespace.
        kind, name, page: repository type, `owner/name`, path of its page.
        gated: acquisition of the main offer in Hugging Face's words: empty, `auto` or `manual`.
        license: the license of the repository (concluded, else declared).
        offers: published offers beside the main one.
        subject: what is known of the asker for the terms (kind of organization, place, figures).
    """

    visible: bool
    kind: str
    name: str
    page: str
    license: LicenseFact
    disabled: bool = False
    token_allows: bool = True
    is_member: bool = False
    may_write: bool = False
    gated: str = ""
    offers: tuple[OfferFact, ...] = ()
    ancestors: tuple[AncestorFact, ...] = ()
    acceptances: tuple[AcceptanceFact, ...] = ()
    request: RequestFact | None = None
    entitlements: tuple[EntitlementFact, ...] = ()
    policy: tuple[PolicyFact, ...] = ()
    subject: Subject = field(default_factory=Subject)
    model: Model = field(default_factory=Model)
