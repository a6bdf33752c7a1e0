"""Delivers due messages of the outbox: each at least once, and by one relay at a time; forgets sent ones later.

A relay claims a message in a short transaction that moves `due_at` past the longest delivery, delivers it outside any
transaction (a handler may talk to a broker or another host, and must not hold SQLite's one write lock meanwhile), and
notes the outcome if the claim is still its own. A relay that dies in between leaves a message that falls due again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from registry.audit.models import OutboxMessage
from registry.audit.outbox import handler_for

BATCH = 100
CLAIM = timedelta(minutes=5)  # longer than any delivery takes
PRUNE_BATCH = 1000  # rows that one short transaction deletes
_FIRST_DELAY_SECONDS = 5
_LONGEST_DELAY_SECONDS = 3600
logger = logging.getLogger(__name__)


def back_off(attempts: int) -> timedelta:
    """Returns how long to wait after the given number of failed attempts: 5 s, doubling, at most an hour."""
    return timedelta(seconds=min(_FIRST_DELAY_SECONDS * 2 ** min(attempts - 1, 20), _LONGEST_DELAY_SECONDS))


def relay_due(*, limit: int = BATCH) -> int:
    """Delivers up to `limit` due messages, oldest due first, and returns how many were delivered.

    A message whose handler fails stays, is tried again after a back-off and does not hold up the others.
    """
    delivered = 0
    for _ in range(limit):
        message = _claim_next()
        if message is None:
            break
        error = _deliver(message.topic, message.payload)
        _note(message, error)
        delivered += error is None
    return delivered


def _claim_next() -> OutboxMessage | None:
    """Takes the next due message for this relay alone.

    PostgreSQL skips rows that another relay is claiming; on SQLite the transaction is IMMEDIATE, so claims queue.
    """
    with transaction.atomic():
        message = (
            OutboxMessage.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            .filter(sent_at__isnull=True, due_at__lte=timezone.now())
            .order_by("due_at", "pk")
            .first()
        )
        if message is not None:
            message.attempts += 1
            message.due_at = timezone.now() + CLAIM
            message.save(update_fields=["attempts", "due_at"])
    return message


def _deliver(topic: str, payload: Mapping[str, Any]) -> Exception | None:
    try:
        handler_for(topic)(payload)
    except Exception as error:  # noqa: BLE001 (the process's edge: whatever a handler raises is noted and retried)
        return error
    return None


def _note(message: OutboxMessage, error: Exception | None) -> None:
    # `attempts` is the claim's mark: if it moved on, another relay holds the message now and its note counts.
    claimed = OutboxMessage.objects.filter(pk=message.pk, attempts=message.attempts, sent_at__isnull=True)
    if error is None:
        claimed.update(sent_at=timezone.now(), last_error="")
        return
    logger.warning(
        "outbox message %s (%s) failed, attempt %s", message.pk, message.topic, message.attempts, exc_info=error
    )
    claimed.update(
        due_at=timezone.now() + back_off(message.attempts), last_error=f"{type(error).__name__}: {error}"[:500]
    )


def outbox_prune(*, sent_before: datetime) -> int:
    """Deletes messages that were delivered before a moment, a batch a transaction; returns how many.

    Messages that still wait, however old, stay: nothing that must be told is lost.
    """
    count = 0
    while True:
        sent = OutboxMessage.objects.filter(sent_at__lt=sent_before).order_by("pk")
        deleted, _ = OutboxMessage.objects.filter(pk__in=list(sent.values_list("pk", flat=True)[:PRUNE_BATCH])).delete()
        count += deleted
        if deleted < PRUNE_BATCH:
            return count
