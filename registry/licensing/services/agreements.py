"""Offers and the agreements on them: making and withdrawing offers, accepting a text, taking an acceptance back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.licensing.errors import (
    AcceptanceNotFoundError,
    LicenseNotFoundError,
    OfferClosedError,
    OfferInvalidError,
    TextChangedError,
)
from registry.licensing.models import Acceptance, Acquisition, License, LicenseText, Offer
from registry.licensing.permissions import RepositoryRow, require_admin, require_assent, require_user, target_of
from registry.licensing.question import PURPOSES


@transaction.atomic
def offer_create(
    *,
    principal: Principal | None,
    repository: RepositoryRow,
    license_id: str,
    acquisition: str,
    title: str,
    description: str = "",
    purposes: Sequence[str] = (),
    territory: Sequence[str] = (),
    price: str = "",
    contact_url: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Offer:
    """Publishes one more way to get a repository.

    Args:
        principal: an admin of the repository; None for the operator's command line.
        repository: what is offered.
        license_id: id in the catalogue.
        acquisition: `open`, `click-through`, `request`, `purchase` or `invitation`.
        title: what people choose by.
        description: one or two sentences.
        purposes: purposes it covers; none means: as the license says.
        territory: ISO 3166-1 alpha-2 codes; none means everywhere.
        price: in words, for offers to buy.
        contact_url: where to buy or ask.
        starts_at: from when; now if None.
        ends_at: until when; without end if None.

    Raises:
        LicensingDeniedError: the caller is no admin of the repository.
        LicenseNotFoundError: the catalogue has no such license.
        OfferInvalidError: a value is not acceptable; details name the field.
    """
    require_admin(principal, repository)
    begin = starts_at or timezone.now()
    _check_choices(acquisition, purposes, territory)
    _check_form(title, contact_url, begin, ends_at)
    if not License.objects.filter(pk=license_id).exists():
        raise LicenseNotFoundError(f"the catalogue has no license `{license_id}`", field="license")
    offer = Offer.objects.create(
        repository_id=repository.pk,
        title=title.strip(),
        description=description,
        license_id=license_id,
        acquisition=acquisition,
        purposes=sorted(set(purposes)),
        territory=sorted(set(territory)),
        price=price,
        contact_url=contact_url,
        starts_at=begin,
        ends_at=ends_at,
    )
    details = {"offer": offer.pk, "license": license_id, "acquisition": acquisition}
    audit_record(action="offer.create", target=target_of(repository), principal=principal, details=details)
    return offer


def _check_choices(acquisition: str, purposes: Sequence[str], territory: Sequence[str]) -> None:
    if acquisition not in Acquisition.values:
        raise OfferInvalidError(
            f"`{acquisition}` is no acquisition: use {', '.join(Acquisition.values)}", field="acquisition"
        )
    for purpose in purposes:
        if purpose not in PURPOSES:
            raise OfferInvalidError(f"`{purpose}` is no purpose: use {', '.join(PURPOSES)}", field="purposes")
    for code in territory:
        if len(code) != 2 or not code.isascii() or not code.isupper():  # noqa: PLR2004 (alpha-2)
            raise OfferInvalidError(f"`{code}` is no ISO 3166-1 alpha-2 code", field="territory")


def _check_form(title: str, contact_url: str, starts_at: datetime, ends_at: datetime | None) -> None:
    if not title.strip():
        raise OfferInvalidError("an offer needs a title", field="title")
    if contact_url:
        _check_url(contact_url)
    if ends_at is not None and ends_at <= starts_at:
        raise OfferInvalidError("an offer ends after it starts", field="ends_at")


def _check_url(url: str) -> None:
    try:
        URLValidator(schemes=["http", "https", "mailto"])(url)
    except ValidationError:
        raise OfferInvalidError("the contact must be an http(s) address", field="contact_url") from None


@transaction.atomic
def offer_withdraw(*, principal: Principal | None, offer: Offer, repository: RepositoryRow) -> Offer:
    """Ends an offer for those who come; entitlements on it stay until they end. Withdrawing twice changes nothing.

    Raises:
        LicensingDeniedError: the caller is no admin of the repository.
    """
    require_admin(principal, repository)
    if offer.status != Offer.Status.WITHDRAWN:
        offer.status = Offer.Status.WITHDRAWN
        offer.save(update_fields=["status"])
        audit_record(
            action="offer.withdraw", target=target_of(repository), principal=principal, details={"offer": offer.pk}
        )
    return offer


def current_text(license_id: str) -> LicenseText | None:
    """Returns the current text of a license; None where the hub holds none."""
    return LicenseText.objects.filter(license_id=license_id, is_current=True).first()


def offer_accept(*, principal: Principal, offer: Offer, repository: RepositoryRow, text_sha256: str) -> Acceptance:
    """Accepts the terms of an offer. Arguments and errors as of `license_accept`.

    Raises:
        OfferClosedError: the offer is withdrawn, not yet on, or over.
    """
    now = timezone.now()
    running = offer.starts_at <= now and (offer.ends_at is None or now < offer.ends_at)
    if offer.status != Offer.Status.PUBLISHED or not running:
        raise OfferClosedError(f"the offer `{offer.title}` is not open for acceptance now", offer=offer.pk)
    return license_accept(
        principal=principal,
        repository=repository,
        license_id=offer.license_id,
        text_sha256=text_sha256,
        offer=offer,
    )


@transaction.atomic
def license_accept(
    *,
    principal: Principal,
    repository: RepositoryRow,
    license_id: str,
    text_sha256: str,
    offer: Offer | None = None,
) -> Acceptance:
    """Records that the caller accepts a license text for a repository, quoting the hash of what was read.

    Accepting the same text twice returns the first acceptance.

    Args:
        principal: the person who accepts.
        repository: for what.
        license_id: id in the catalogue.
        text_sha256: hash of the text that was read; empty where the hub holds none and the link was shown.
        offer: the offer whose terms these are; None for the repository's own license.

    Raises:
        AuthenticationError: nobody is signed in.
        LicenseNotFoundError: the catalogue has no such license.
        TextChangedError: the hash is not that of the current text; details name it.
    """
    user_id = require_assent(principal, repository)
    license_row = License.objects.filter(pk=license_id).only("pk", "version", "name").first()
    if license_row is None:
        raise LicenseNotFoundError(f"the catalogue has no license `{license_id}`", field="license")
    text = current_text(license_id)
    current = text.sha256 if text is not None else ""
    if text_sha256 != current:
        raise TextChangedError(
            f"that is not the hash of the current text of {license_row.name}: read the text again and accept it",
            current=current,
            field="text_sha256",
        )
    live = Acceptance.objects.filter(
        user_id=user_id,
        repository_id=repository.pk,
        license_id=license_id,
        text_sha256=current,
        withdrawn_at__isnull=True,
    )
    known = live.first()
    if known is not None:
        return known
    try:
        with transaction.atomic():
            acceptance = Acceptance.objects.create(
                user_id=user_id,
                repository_id=repository.pk,
                offer=offer,
                license_id=license_id,
                license_version=license_row.version,
                text_sha256=current,
            )
    except IntegrityError:  # a second click at the same moment
        return live.get()
    details = {"license": license_id, "text_sha256": current, "offer": offer.pk if offer else None}
    audit_record(action="acceptance.create", target=target_of(repository), principal=principal, details=details)
    return acceptance


@transaction.atomic
def acceptance_withdraw(*, principal: Principal, acceptance_id: int) -> None:
    """Takes the caller's own acceptance back; what it allowed is refused from the next request on.

    Raises:
        AuthenticationError: nobody is signed in.
        AcceptanceNotFoundError: the caller has no live acceptance by that id.
    """
    row = (
        Acceptance.objects.select_for_update()
        .filter(pk=acceptance_id, user_id=require_user(principal), withdrawn_at__isnull=True)
        .first()
    )
    if row is None:
        raise AcceptanceNotFoundError(f"you have no live acceptance {acceptance_id}")
    row.withdrawn_at = timezone.now()
    row.save(update_fields=["withdrawn_at"])
    audit_record(
        action="acceptance.withdraw",
        target=f"acceptance:{row.pk}",
        principal=principal,
        details={"license": row.license_id, "repository": row.repository_id},
    )
