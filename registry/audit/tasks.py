"""Celery tasks of the audit application."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from registry.audit.relay import outbox_prune, relay_due

# Long enough to look up what was told to whom after an incident.
KEPT = timedelta(days=7)


@shared_task(name="registry.audit.tasks.relay_outbox", ignore_result=True)
def relay_outbox() -> int:
    """Delivers due messages of the outbox; returns how many. Called after commits and every few seconds."""
    return relay_due()


@shared_task(name="registry.audit.tasks.prune_outbox", ignore_result=True)
def prune_outbox(kept_seconds: float = KEPT.total_seconds()) -> int:
    """Forgets messages that were delivered longer ago; returns how many."""
    return outbox_prune(sent_before=timezone.now() - timedelta(seconds=kept_seconds))
