"""Rings the workers' doorbell: a Celery message by task name, with a job's id and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.celery import app
from registry.jobs.models import Job
from registry.jobs.states import State

TASK = "workers.run_job"
# Messages nobody takes are re-sent from the database, so an old one may go.
_EXPIRES_SECONDS = 1800


def queue_for(spec: Mapping[str, Any]) -> str:
    """Returns the capability that a job needs: `gpu` or `cpu`."""
    return "gpu" if spec["limits"]["gpus"] else "cpu"


def queue_name(queue: str) -> str:
    """Returns the broker's queue for a capability."""
    return f"jobs-{queue}"


def ring_deliver(payload: Mapping[str, Any]) -> None:
    """Delivers an outbox message of topic `jobs.ring`; a job that is no longer queued needs no ring.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached; the outbox tries again.
    """
    queue = Job.objects.filter(pk=payload["job"], state=State.QUEUED).values_list("queue", flat=True).first()
    if queue is not None:
        app.send_task(TASK, args=[payload["job"]], queue=queue_name(queue), expires=_EXPIRES_SECONDS, retry=False)
