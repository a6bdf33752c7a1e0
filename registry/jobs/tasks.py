"""Celery tasks of the jobs application: thin shells over services."""

from __future__ import annotations

from celery import shared_task

from registry.jobs.lifecycle import lost_jobs_requeue, silent_doorbells_ring


@shared_task(name="registry.jobs.tasks.requeue_lost_jobs", ignore_result=True)
def requeue_lost_jobs() -> dict[str, int]:
    """Takes jobs back from silent workers and rings again for those that no message reached; says how many of each."""
    return {"lost": len(lost_jobs_requeue()), "rung": len(silent_doorbells_ring())}
