"""Celery tasks of the jobs application: thin shells over services."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from registry.jobs.lifecycle import lost_jobs_requeue, silent_doorbells_ring
from registry.jobs.possession import job_objects_release

# As long as the collector spares what nothing names (`registry.repositories.tasks`).
GRACE = timedelta(hours=24)


@shared_task(name="registry.jobs.tasks.requeue_lost_jobs", ignore_result=True)
def requeue_lost_jobs() -> dict[str, int]:
    """Takes jobs back from silent workers and rings again for those that no message reached; says how many of each."""
    return {"lost": len(lost_jobs_requeue()), "rung": len(silent_doorbells_ring())}


@shared_task(name="registry.jobs.tasks.prune_checkpoints", ignore_result=True)
def prune_checkpoints(grace_seconds: float = GRACE.total_seconds()) -> int:
    """Gives up checkpoint bytes of jobs that ended longer ago, and uploads that never became a checkpoint; how many."""
    return job_objects_release(older_than=timezone.now() - timedelta(seconds=grace_seconds))
