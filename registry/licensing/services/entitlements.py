"""Entitlements: granting, suspending, resuming, revoking; one table says what may follow what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from django.db import transaction
from django.utils import timezone

from registry.accounts.models import Organization, User
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.licensing.errors import EntitlementInvalidError, EntitlementTransitionError
from registry.licensing.models import Acquisition, Entitlement, EntitlementEvent, Offer
from registry.licensing.permissions import RepositoryRow, require_admin, target_of
from registry.licensing.question import PURPOSES

Status = Entitlement.Status
# (stored status, action) -> next status. A revoked entitlement stays revoked: a new one is granted instead.
TRANSITIONS: Mapping[tuple[str, str], Status] = MappingProxyType(
    {
        (Status.ACTIVE, "suspend"): Status.SUSPENDED,
        (Status.SUSPENDED, "resume"): Status.ACTIVE,
        (Status.ACTIVE, "revoke"): Status.REVOKED,
        (Status.SUSPENDED, "revoke"): Status.REVOKED,
    }
)
_GRANTABLE = frozenset({Acquisition.PURCHASE, Acquisition.INVITATION})
_MAX_REASON = 500


@transaction.atomic
def entitlement_grant(
    *,
    principal: Principal | None,
    offer: Offer,
    repository: RepositoryRow,
    reason: str,
    user: User | None = None,
    organization: Organization | None = None,
    purposes: Sequence[str] = (),
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Entitlement:
    """Gives a user or an organization the right to an offer.

    Args:
        principal: an admin of the repository or staff; None for the operator's command line.
        offer: an offer to buy or by invitation.
        repository: the offer's repository.
        reason: why; kept with the entitlement.
        user: the holder; or
        organization: the holder.
        purposes: purposes it covers; none means every purpose.
        starts_at: from when; now if None.
        ends_at: until when; without end if None.

    Raises:
        LicensingDeniedError: the caller is no admin of the repository.
        EntitlementInvalidError: a value is not acceptable; details name the field.
    """
    require_admin(principal, repository)
    begin = starts_at or timezone.now()
    _check(offer, reason, purposes, begin, ends_at)
    if (user is None) == (organization is None):
        raise EntitlementInvalidError("name one holder: a user or an organization", field="holder")
    row = Entitlement.objects.create(
        offer=offer,
        user=user,
        organization=organization,
        purposes=sorted(set(purposes)),
        starts_at=begin,
        ends_at=ends_at,
        granted_by_id=principal.user_id if principal else None,
    )
    _event(row, "grant", principal, reason, repository)
    return row


def _check(offer: Offer, reason: str, purposes: Sequence[str], starts_at: datetime, ends_at: datetime | None) -> None:
    _check_reason(reason)
    if offer.acquisition not in _GRANTABLE:
        raise EntitlementInvalidError(
            f"the offer is `{offer.acquisition}`: entitlements are granted on purchase and invitation offers",
            field="offer",
        )
    if offer.status == Offer.Status.WITHDRAWN:
        raise EntitlementInvalidError("the offer is withdrawn", field="offer")
    for purpose in purposes:
        if purpose not in PURPOSES:
            raise EntitlementInvalidError(f"`{purpose}` is no purpose: use {', '.join(PURPOSES)}", field="purposes")
    if ends_at is not None and ends_at <= starts_at:
        raise EntitlementInvalidError("an entitlement ends after it starts", field="ends_at")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise EntitlementInvalidError("a reason is required", field="reason")
    if len(reason) > _MAX_REASON:
        raise EntitlementInvalidError(f"a reason has at most {_MAX_REASON} characters", field="reason")


def entitlement_suspend(
    *, principal: Principal | None, entitlement: Entitlement, repository: RepositoryRow, reason: str
) -> Entitlement:
    """Takes an entitlement out of force until it is resumed. Errors as of `entitlement_revoke`."""
    return _change("suspend", principal, entitlement, repository, reason)


def entitlement_resume(
    *, principal: Principal | None, entitlement: Entitlement, repository: RepositoryRow, reason: str
) -> Entitlement:
    """Puts a suspended entitlement back in force. Errors as of `entitlement_revoke`."""
    return _change("resume", principal, entitlement, repository, reason)


def entitlement_revoke(
    *, principal: Principal | None, entitlement: Entitlement, repository: RepositoryRow, reason: str
) -> Entitlement:
    """Ends an entitlement for good; what it allowed is refused from the next request on.

    Raises:
        LicensingDeniedError: the caller is no admin of the repository.
        EntitlementInvalidError: no reason is given.
        EntitlementTransitionError: its state does not allow this change.
    """
    return _change("revoke", principal, entitlement, repository, reason)


@transaction.atomic
def _change(
    action: str, principal: Principal | None, entitlement: Entitlement, repository: RepositoryRow, reason: str
) -> Entitlement:
    require_admin(principal, repository)
    _check_reason(reason)
    row = Entitlement.objects.select_for_update(of=("self",)).get(pk=entitlement.pk)
    following = TRANSITIONS.get((row.status, action))
    if following is None:
        raise EntitlementTransitionError(
            f"the entitlement is {row.status}: `{action}` cannot follow", current=row.status
        )
    row.status = following
    row.save(update_fields=["status"])
    _event(row, action, principal, reason, repository)
    return row


def _event(row: Entitlement, action: str, principal: Principal | None, reason: str, repository: RepositoryRow) -> None:
    EntitlementEvent.objects.create(
        entitlement=row, actor_id=principal.user_id if principal else None, action=action, reason=reason
    )
    audit_record(
        action=f"entitlement.{action}",
        target=target_of(repository),
        principal=principal,
        details={"entitlement": row.pk, "offer": row.offer_id, "reason": reason},
    )
