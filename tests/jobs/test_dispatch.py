"""The doorbell: the database is the truth, the message a hint that may be lost, late or repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu import Connection

from registry.audit.models import OutboxMessage
from registry.audit.relay import relay_due
from registry.celery import app
from registry.jobs.dispatch import TASK, queue_for, ring_deliver
from registry.jobs.models import Job
from registry.jobs.services import silent_doorbells_ring
from registry.jobs.tasks import requeue_lost_jobs

pytestmark = pytest.mark.django_db


def _messages(queue: str = "jobs-cpu") -> list[tuple[str, list[Any]]]:
    """Takes what waits in a queue of the broker in memory: task name and arguments."""
    found = []
    with Connection(app.conf.broker_url) as broker:
        waiting = broker.SimpleQueue(queue, no_ack=True)
        while waiting.qsize():
            message = waiting.get(block=False)
            arguments, _, _ = message.payload
            found.append((message.headers["task"], arguments))
        waiting.close()
    return found


@pytest.fixture(autouse=True)
def _empty_queues() -> None:
    for queue in ("jobs-cpu", "jobs-gpu"):
        _messages(queue)


def test_the_outbox_brings_the_id_to_the_queue_of_the_capability(job: Job) -> None:
    relay_due()
    assert _messages() == [(TASK, [job.pk])]


def test_a_gpu_job_rings_another_queue(request_job: Callable[..., Job]) -> None:
    job = request_job(limits={"gpus": 1})
    assert (queue_for(job.spec), job.queue) == ("gpu", "gpu")
    ring_deliver({"job": job.pk})
    assert _messages("jobs-gpu") == [(TASK, [job.pk])]
    assert _messages("jobs-cpu") == []


def test_a_job_that_no_longer_waits_needs_no_ring(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state="starting")
    ring_deliver({"job": job.pk})
    ring_deliver({"job": "job_gone"})
    assert _messages() == []


def _rung_after(seconds: float) -> list[str]:
    return silent_doorbells_ring(now=timezone.now() + timedelta(seconds=seconds))


def test_a_job_that_no_message_reached_is_rung_for_again(job: Job) -> None:
    assert _rung_after(30) == []
    assert _rung_after(61) == [job.pk]
    assert OutboxMessage.objects.filter(topic="jobs.ring").count() == 2


def test_rings_become_rarer_and_never_stop(job: Job) -> None:
    def waited(hours: float, last_ring_minutes: float) -> list[str]:
        now: datetime = timezone.now()
        Job.objects.filter(pk=job.pk).update(
            created_at=now - timedelta(hours=hours), rung_at=now - timedelta(minutes=last_ring_minutes)
        )
        return silent_doorbells_ring(now=now)

    assert waited(hours=0.5, last_ring_minutes=5) == []
    assert waited(hours=5, last_ring_minutes=29) == []
    assert waited(hours=5, last_ring_minutes=31) == [job.pk]


def test_the_beat_task_does_both(job: Job) -> None:
    old = timezone.now() - timedelta(minutes=10)
    Job.objects.filter(pk=job.pk).update(state="running", attempt=1, lease_expires_at=old)
    assert requeue_lost_jobs() == {"lost": 1, "rung": 0}
    job.refresh_from_db()
    assert job.state == "queued"
    relay_due()
    assert _messages() == [(TASK, [job.pk])] * 2  # the first ring, and the one of the requeue
