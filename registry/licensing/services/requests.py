"""Access requests: asking, deciding, granting, taking back (hub-api 5.6; statuses in `AccessRequest.Status`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.licensing.errors import NotGatedError, RequestConflictError, RequestInvalidError
from registry.licensing.forms import GatedForm, check_answers
from registry.licensing.models import AccessRequest, Acquisition, Offer
from registry.licensing.permissions import RepositoryRow, require_admin, require_assent, target_of

Status = AccessRequest.Status
_SETTABLE = {"pending": Status.PENDING, "accepted": Status.ACCEPTED, "rejected": Status.REJECTED}
_CLOSED = frozenset({Status.REJECTED, Status.REVOKED})
_MAX_REASON = 500


def is_requestable(repository: RepositoryRow) -> bool:
    """True if something here is granted on request: the main offer, or a published one (one query if not gated)."""
    if repository.gated:
        return True
    return Offer.objects.filter(
        repository_id=repository.pk, status=Offer.Status.PUBLISHED, acquisition=Acquisition.REQUEST
    ).exists()


@transaction.atomic
def access_request_create(
    *, principal: Principal, repository: RepositoryRow, form: GatedForm, answers: Mapping[str, Any]
) -> AccessRequest:
    """Asks for access. `gated: auto` accepts at once; asking again while pending replaces the answers.

    Args:
        principal: who asks.
        repository: for what.
        form: the owner's form (`forms.gated_form` of the card).
        answers: label -> answer.

    Raises:
        AuthenticationError: nobody is signed in.
        NotGatedError: nothing is granted on request here.
        RequestInvalidError: an answer is missing or does not fit.
        RequestConflictError: the request was rejected or access was taken back.
    """
    user_id = require_assent(principal, repository)
    if not is_requestable(repository):
        raise NotGatedError(f"`{repository.full_name}` is not gated: there is nothing to ask for")
    kept, problems = check_answers(form, answers)
    if problems:
        raise RequestInvalidError("the form is not filled in as the owner asks", errors=problems)
    row = AccessRequest.objects.select_for_update().filter(repository_id=repository.pk, user_id=user_id).first()
    if row is None:
        row = AccessRequest(repository_id=repository.pk, user_id=user_id)
    elif row.status in _CLOSED:
        raise RequestConflictError("the owner closed this request: ask them to open it again", current=row.status)
    elif row.status == Status.ACCEPTED and not _has_ended(row.expires_at):
        return row
    automatic = repository.gated == "auto"
    row.status = Status.ACCEPTED if automatic else Status.PENDING
    row.organization_id = principal.organization_id
    row.fields = kept
    row.decided_at = timezone.now() if automatic else None
    row.expires_at = None
    row.save()
    details = {"request": row.pk, "status": row.status}
    audit_record(action="access_request.create", target=target_of(repository), principal=principal, details=details)
    return row


def _has_ended(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= timezone.now()


@transaction.atomic
def access_request_decide(
    *,
    principal: Principal | None,
    request: AccessRequest,
    repository: RepositoryRow,
    status: str,
    reason: str = "",
    expires_at: datetime | None = None,
) -> AccessRequest:
    """Accepts or rejects a request, or puts it back to pending; rejecting an accepted one takes the access back.

    Args:
        principal: somebody with write access to the repository; None for the operator's command line.
        request: the request.
        repository: its repository.
        status: `pending`, `accepted` or `rejected`.
        reason: told to the requester.
        expires_at: when the access given ends.

    Raises:
        LicensingDeniedError: the caller has no write access.
        RequestInvalidError: the status is none of the three, or the end is in the past.
        RequestConflictError: the request has that status already.
    """
    require_admin(principal, repository, "write")
    if status not in _SETTABLE:
        raise RequestInvalidError(f"`{status}` is no status: use {', '.join(_SETTABLE)}", field="status")
    if expires_at is not None and _has_ended(expires_at):
        raise RequestInvalidError("the end of the access must lie in the future", field="expires_at")
    if len(reason) > _MAX_REASON:
        raise RequestInvalidError(f"a reason has at most {_MAX_REASON} characters", field="reason")
    row = AccessRequest.objects.select_for_update().get(pk=request.pk)
    if row.seen_status == status:
        raise RequestConflictError(f"the request is {status} already", current=status)
    before = row.status
    row.status = _SETTABLE[status]
    if before == Status.ACCEPTED and status == "rejected":
        row.status = Status.REVOKED
    _decided(row, principal, reason, expires_at)
    details = {"request": row.pk, "from": before, "to": row.status, "reason": reason}
    audit_record(action="access_request.decide", target=target_of(repository), principal=principal, details=details)
    return row


def _decided(row: AccessRequest, principal: Principal | None, reason: str, expires_at: datetime | None) -> None:
    pending = row.status == Status.PENDING
    row.decided_at = None if pending else timezone.now()
    row.decided_by_id = None if pending or principal is None else principal.user_id
    row.reason = reason
    row.expires_at = expires_at if row.status == Status.ACCEPTED else None
    row.save()


@transaction.atomic
def access_request_grant(
    *,
    principal: Principal | None,
    repository: RepositoryRow,
    user: User,
    expires_at: datetime | None = None,
) -> AccessRequest:
    """Gives a user access without being asked (hub-api 5.6, grant).

    Raises:
        LicensingDeniedError: the caller has no write access.
        NotGatedError: nothing is granted on request here.
        RequestConflictError: the user has access already.
    """
    require_admin(principal, repository, "write")
    if not is_requestable(repository):
        raise NotGatedError(f"`{repository.full_name}` is not gated: everybody has access")
    row = AccessRequest.objects.select_for_update().filter(repository_id=repository.pk, user=user).first()
    if row is not None and row.status == Status.ACCEPTED and not _has_ended(row.expires_at):
        raise RequestConflictError(f"{user.username} has access already", current=row.status)
    row = row or AccessRequest(repository_id=repository.pk, user=user)
    row.status = Status.ACCEPTED
    row.granted = True
    _decided(row, principal, "", expires_at)
    details = {"request": row.pk, "user": user.username}
    audit_record(action="access_request.grant", target=target_of(repository), principal=principal, details=details)
    return row
