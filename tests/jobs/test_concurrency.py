"""Races, with real threads and committed transactions: one claim, one place in the quota, one order of events."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from registry.accounts.principal import Principal
from registry.errors import DomainError
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.errors import JobNotClaimableError, JobQuotaError
from registry.jobs.events import batch_parse
from registry.jobs.models import Job, JobEvent, Worker
from registry.jobs.selectors import events_after
from registry.jobs.services import events_append, job_claim, job_request, job_stop

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Runs `act(0…count-1)` in threads that start together; domain errors are results."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return act(number)
        except DomainError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_many_workers_that_claim_at_once_one_gets_the_job(job: Job, worker: Worker) -> None:
    results = _at_once(6, lambda _: job_claim(job_id=job.pk, worker_name=worker.name))
    won = [result for result in results if isinstance(result, Claimed)]
    assert len(won) == 1
    assert all(isinstance(result, Claimed | JobNotClaimableError) for result in results)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.fencing_token) == ("starting", 1, 1)


def test_requests_at_once_do_not_overrun_the_quota(
    inputs: None, owner: Principal, finetune: dict[str, Any], settings: Any
) -> None:
    settings.MAX_UNFINISHED_JOBS = 2
    results = _at_once(
        5, lambda number: job_request(principal=owner, spec=finetune | {"output": {"repo": f"alice/out{number}"}})
    )
    refused = [result for result in results if isinstance(result, DomainError)]
    assert (len(refused), {type(error) for error in refused}) == (3, {JobQuotaError})
    assert Job.objects.count() == 2


def test_events_and_stops_at_once_keep_one_order(
    job: Job, claim: Callable[[Job], tuple[Claimed, AttemptCredentials]], owner: Principal
) -> None:
    _, credentials = claim(job)

    def act(number: int) -> Any:
        if number == 0:
            return job_stop(principal=owner, job=job)
        batch = [{"seq": number * 10 + k, "t": 1, "type": "step"} for k in range(10)]
        return events_append(job_id=job.pk, credentials=credentials, events=batch_parse(batch))

    results = _at_once(5, act)
    assert not [result for result in results if isinstance(result, Exception)]
    ids = [event["id"] for event in events_after(job.pk)]
    assert ids == sorted(ids)
    assert JobEvent.objects.filter(job=job, kind="step").count() == 40
    job.refresh_from_db()
    assert (job.state, job.stop_mode) == ("stopping", "cancel")
