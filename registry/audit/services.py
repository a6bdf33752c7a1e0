"""Writes of the audit trail and the outbox. Both join the caller's transaction: they stand or fall with the change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from registry.audit.doorbell import ring
from registry.audit.models import AuditEntry, OutboxMessage


class Actor(Protocol):
    """Who did it: what the trail needs of a `Principal`."""

    @property
    def user_id(self) -> int | None:
        """Primary key of the user; None if nobody is signed in."""

    @property
    def username(self) -> str:
        """Name of the user; empty if nobody is signed in."""


def audit_record(
    *, action: str, target: str, principal: Actor | None = None, details: Mapping[str, Any] | None = None
) -> AuditEntry:
    """Adds one entry to the trail.

    Args:
        action: `noun.verb`, for example `entitlement.revoke`.
        target: `kind:name`, for example `model:acme/x`.
        principal: who did it; None for the system and its operator's command line.
        details: JSON-serialisable facts; never secrets.
    """
    return AuditEntry.objects.create(
        action=action,
        target=target[:300],
        actor=principal.username if principal else "",
        actor_id=principal.user_id if principal else None,
        details=dict(details or {}),
    )


def outbox_add(*, topic: str, payload: Mapping[str, Any], due_at: datetime | None = None) -> OutboxMessage:
    """Adds a message that must leave once the caller's transaction is committed.

    The row is the truth. After the commit a doorbell rings for the relay, so that delivery is immediate while the
    broker is up; if it is down, the periodic relay sends the message later and the request does not notice.

    Args:
        topic: name under which a handler is registered (`registry.audit.outbox.register`).
        payload: JSON-serialisable; what the handler needs, usually ids.
        due_at: earliest moment of delivery; now if None.
    """
    message = OutboxMessage.objects.create(topic=topic, payload=dict(payload), due_at=due_at or timezone.now())
    if due_at is None:
        transaction.on_commit(ring, robust=True)
    return message
