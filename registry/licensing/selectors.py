"""Reads of licensing, each with its permission: licenses, offers, requests, entitlements, decisions, receipts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from registry.accounts.principal import Principal
from registry.licensing.errors import (
    DecisionNotFoundError,
    EntitlementNotFoundError,
    LicenseNotFoundError,
    OfferNotFoundError,
    ReceiptNotFoundError,
    RequestNotFoundError,
)
from registry.licensing.models import (
    Acceptance,
    AccessRequest,
    DecisionRecord,
    Entitlement,
    License,
    LicenseText,
    Offer,
    Receipt,
)
from registry.licensing.permissions import (
    RepositoryRow,
    administers,
    require_admin,
    require_user,
    within_scopes,
)

_FINE_GRAINED = "fineGrained"


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """One page of decisions, newest first; `next_cursor` is None on the last."""

    items: tuple[DecisionRecord, ...]
    next_cursor: str | None


def licenses_list(*, category: str = "", search: str = "") -> QuerySet[License]:
    """Returns the catalogue by id, without the terms themselves."""
    rows = License.objects.defer("terms")
    if category:
        rows = rows.filter(category=category)
    if search:
        rows = rows.filter(Q(pk__icontains=search) | Q(name__icontains=search) | Q(hf_license_name__icontains=search))
    return rows


def license_get(license_id: str) -> License:
    """Returns a license of the catalogue.

    Raises:
        LicenseNotFoundError: there is none by that id.
    """
    row = License.objects.filter(pk=license_id).first()
    if row is None:
        raise LicenseNotFoundError(f"the catalogue has no license `{license_id[:100]}`")
    return row


def license_texts(license_id: str) -> QuerySet[LicenseText]:
    """Returns a license's texts, the current one first."""
    return LicenseText.objects.filter(license_id=license_id).order_by("-is_current", "-created_at")


def offers_of(repository: RepositoryRow) -> QuerySet[Offer]:
    """Returns the published offers of a repository, oldest first; whoever sees the repository may see them."""
    return (
        Offer.objects.filter(repository_id=repository.pk, status=Offer.Status.PUBLISHED)
        .select_related("license")
        .order_by("pk")
    )


def offer_get(offer_id: int) -> Offer:
    """Returns an offer with its repository; the caller's right to the repository is for the view to ask.

    Raises:
        OfferNotFoundError: there is none by that id.
    """
    row = Offer.objects.select_related("license", "repository__namespace").filter(pk=offer_id).first()
    if row is None:
        raise OfferNotFoundError(f"there is no offer {offer_id}")
    return row


def acceptances_of(principal: Principal) -> QuerySet[Acceptance]:
    """Returns the caller's live acceptances, newest first.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    mine = Acceptance.objects.filter(user_id=require_user(principal), withdrawn_at__isnull=True)
    rows = mine.filter(within_scopes(principal, "repository"))
    if principal.token_role == _FINE_GRAINED:  # its scopes name repositories, not what a person agreed to elsewhere
        rows = rows.none()
    return rows.select_related("repository").order_by("-accepted_at")


def access_requests_of(principal: Principal, repository: RepositoryRow, *, status: str = "") -> QuerySet[AccessRequest]:
    """Returns a repository's access requests for those who may decide them, oldest first.

    Raises:
        AuthenticationError, LicensingDeniedError: the caller has no write access.
    """
    require_admin(principal, repository, "write")
    rows = AccessRequest.objects.filter(repository_id=repository.pk).select_related("user", "decided_by").order_by("pk")
    if status == AccessRequest.Status.REJECTED:
        return rows.filter(status__in=[AccessRequest.Status.REJECTED, AccessRequest.Status.REVOKED])
    return rows.filter(status=status) if status else rows


def access_request_get(principal: Principal, request_id: int) -> AccessRequest:
    """Returns a request to its requester and to those who may decide it.

    Raises:
        RequestNotFoundError: it is missing, or not the caller's to see.
    """
    rows = AccessRequest.objects.filter(within_scopes(principal, "repository"))
    row = rows.select_related("user", "repository__namespace").filter(pk=request_id).first()
    mine = row is not None and principal.user_id is not None and row.user_id == principal.user_id
    if row is None or not (mine or administers(principal, row.repository, "write")):
        raise RequestNotFoundError(f"there is no access request {request_id}")
    return row


def entitlements_of(principal: Principal, offer: Offer) -> QuerySet[Entitlement]:
    """Returns an offer's entitlements for its repository's admins and staff, oldest first.

    Raises:
        AuthenticationError, LicensingDeniedError: the caller is no admin of the repository.
    """
    require_admin(principal, offer.repository)
    return offer.entitlements.select_related("user", "organization__namespace").order_by("pk")


def entitlement_get(principal: Principal, entitlement_id: int) -> Entitlement:
    """Returns an entitlement to those who may change it.

    Raises:
        EntitlementNotFoundError: it is missing, or not the caller's to administer.
    """
    row = (
        Entitlement.objects.select_related("offer__repository__namespace", "user", "organization__namespace")
        .filter(pk=entitlement_id)
        .first()
    )
    if row is None or not administers(principal, row.offer.repository):
        raise EntitlementNotFoundError(f"there is no entitlement {entitlement_id}")
    return row


def decisions_of(principal: Principal, *, cursor: str = "", limit: int = 50, denied: bool = False) -> DecisionPage:
    """Returns the caller's own decisions, newest first.

    Args:
        principal: who asks.
        cursor: `next_cursor` of the page before.
        limit: at most so many.
        denied: only what was refused.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    rows = DecisionRecord.objects.filter(_own(principal)).order_by("-pk")
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    if denied:
        rows = rows.exclude(verdict="allow")
    found = list(rows[: limit + 1])
    return DecisionPage(tuple(found[:limit]), found[limit - 1].pk if len(found) > limit else None)


def decision_get(principal: Principal, decision_id: str) -> DecisionRecord:
    """Returns a decision to whom it was given, to the repository's admins, and to staff.

    Raises:
        DecisionNotFoundError: it is missing, or not the caller's to see.
    """
    rows = DecisionRecord.objects.filter(within_scopes(principal, "repository"))
    row = rows.select_related("repository__namespace").filter(pk=decision_id).first()
    if row is None or not _may_see(principal, row):
        raise DecisionNotFoundError(f"there is no decision `{decision_id[:64]}` that you may see")
    return row


def _may_see(principal: Principal, row: DecisionRecord) -> bool:
    if principal.user_id is None:
        return False
    mine = row.user_id == principal.user_id and _within(principal, row)
    administered = row.repository is not None and administers(principal, row.repository)
    return mine or administered or _is_staff(principal)


def _is_staff(principal: Principal) -> bool:
    return principal.is_staff and principal.token_role != _FINE_GRAINED


def _own(principal: Principal) -> Q:
    """The caller's own decisions; a fine-grained token sees those it was given itself, nothing of other repositories.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    mine = Q(user_id=require_user(principal))
    return mine & Q(token_id=principal.token_id) if principal.token_role == _FINE_GRAINED else mine


def _within(principal: Principal, row: DecisionRecord) -> bool:
    return principal.token_role != _FINE_GRAINED or row.token_id == principal.token_id


def receipts_of(principal: Principal) -> QuerySet[Receipt]:
    """Returns the caller's receipts, newest first.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    given = DecisionRecord.objects.filter(_own(principal))
    return Receipt.objects.filter(decision__in=given).select_related("decision").order_by("-pk")


def receipt_get(principal: Principal, receipt_id: str) -> Receipt:
    """Returns one of the caller's receipts; staff see all.

    Raises:
        ReceiptNotFoundError: it is missing, or not the caller's to see.
    """
    rows = Receipt.objects.filter(within_scopes(principal, "decision__repository"))
    row = rows.select_related("decision").filter(pk=receipt_id).first()
    mine = row is not None and principal.user_id is not None and row.user_id == principal.user_id
    if row is None or not ((mine and _within(principal, row.decision)) or _is_staff(principal)):
        raise ReceiptNotFoundError(f"there is no receipt `{receipt_id[:64]}` that you may see")
    return row
