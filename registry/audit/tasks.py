"""Celery tasks of the audit application."""

from __future__ import annotations

from celery import shared_task

from registry.audit.relay import relay_due


@shared_task(name="registry.audit.tasks.relay_outbox", ignore_result=True)
def relay_outbox() -> int:
    """Delivers due messages of the outbox; returns how many. Called after commits and every few seconds."""
    return relay_due()
