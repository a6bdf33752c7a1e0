"""Moves of a job along the table of `states`, each with its event, and the two ways to end one early.

Functions that take a `job` expect a row locked by the caller's transaction (`job_lock`): the lock also keeps a job's
events in the order of their ids, which the live stream relies on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry.accounts.permissions import token_allows_globally
from registry.accounts.principal import Principal
from registry.audit.services import audit_record, outbox_add
from registry.jobs import tokens
from registry.jobs.errors import JobDeniedError, JobNotFoundError, JobStateError
from registry.jobs.failures import FAILURES, explain
from registry.jobs.models import EventSource, Job, JobEvent
from registry.jobs.states import LIVE, TERMINAL, State, StopMode, after_lost_lease, may_move, stronger_stop

RING_TOPIC = "jobs.ring"
LEASE = timedelta(seconds=90)
# Re-ringing a doorbell that nobody answered: after a minute first, then at doubling intervals up to half an hour, so
# that a hub without workers does not fill its broker.
_FIRST_RING, _LAST_RING = timedelta(minutes=1), timedelta(minutes=30)


def job_lock(job_id: str) -> Job:
    """Returns the job, locked until the caller's transaction ends.

    Raises:
        JobNotFoundError: there is no such job.
    """
    try:
        return Job.objects.select_for_update().get(pk=job_id)
    except Job.DoesNotExist:
        raise JobNotFoundError("there is no such job") from None


def job_move(job: Job, target: State, *, payload: dict[str, Any] | None = None, **fields: Any) -> None:
    """Moves a locked job, writes `fields` with it in one update, and adds the transition's event.

    Raises:
        JobStateError: the table does not allow the step.
    """
    origin = State(job.state)
    if not may_move(origin, target):
        raise JobStateError(f"a job that is {origin} cannot become {target}", state=origin)
    changes: dict[str, Any] = {**fields, "state": target}
    if target in TERMINAL:
        changes |= {"finished_at": timezone.now(), "lease_expires_at": None}
    event_add(job, "state", {"from": origin, "to": target, **(payload or {})}, **changes)
    if target in TERMINAL or target == State.QUEUED:
        tokens.attempt_token_revoke(job)


def event_add(job: Job, kind: str, payload: dict[str, Any], **changes: Any) -> None:
    """Adds one event of the hub's own and saves `changes` of the locked job together with its event count."""
    job.hub_events += 1
    for name, value in changes.items():
        setattr(job, name, value)
    job.save(update_fields=["hub_events", *changes])
    JobEvent.objects.create(
        job=job, source=EventSource.HUB, attempt=job.attempt, sequence=job.hub_events, kind=kind, payload=payload
    )


def job_fail(job: Job, code: str, message: str = "", **fields: Any) -> None:
    """Ends a locked job as failed with a code of the closed list; what to do about it is added from there."""
    text = f"{message.rstrip('.')}. {explain(code)}" if message else explain(code)
    job_move(
        job,
        State.FAILED,
        payload={"code": code, "message": text, "retryable": FAILURES[code].retryable},
        failure_code=code,
        failure_message=text,
        **fields,
    )


def job_ring(job: Job) -> None:
    """Tells workers of a queued job, by the outbox: the message leaves after the transaction."""
    job.rung_at = timezone.now()
    job.save(update_fields=["rung_at"])
    outbox_add(topic=RING_TOPIC, payload={"job": job.pk})


# --- stopping --------------------------------------------------------------------------------------------------
def job_stop(*, principal: Principal, job: Job, mode: str = StopMode.CANCEL) -> Job:
    """Asks a job to end early; asking again changes nothing, and `keep` after `cancel` stays a cancel.

    A queued job is cancelled at once, unless it holds a checkpoint of an earlier attempt that `keep` can publish.

    Args:
        principal: must manage the job (requester, admin of the output's namespace, staff).
        job: as `selectors.job_get` returned it.
        mode: `cancel` drops the output and keeps the logs; `keep` finalises on the best checkpoint.

    Raises:
        JobDeniedError: the token may not control jobs.
        JobStateError: an evaluation has no partial result to keep.
    """
    if not token_allows_globally(principal, "jobs.write"):
        raise JobDeniedError("this token may not stop jobs: use a write token, or one with the scope `jobs.write`")
    if mode == StopMode.KEEP and job.kind == "evaluate":
        raise JobStateError("an evaluation of part of the rows is no result: cancel it instead", state=job.state)
    with transaction.atomic():
        locked = job_lock(job.pk)
        if not locked.is_terminal and stronger_stop(locked.stop_mode, mode) != locked.stop_mode:
            stop_apply(locked, StopMode(mode), by=principal.username)
            audit_record(action="job.stop", target=f"job:{job.pk}", principal=principal, details={"mode": mode})
    return locked


def stop_apply(job: Job, mode: StopMode, *, by: str, reason: str = "") -> None:
    """Sets a stop on a locked, unfinished job and takes the permission to publish unless output is to be kept."""
    payload = {"stop": mode, "by": by} | ({"reason": reason} if reason else {})
    if job.state == State.QUEUED:
        if mode == StopMode.KEEP and job.checkpoints.exists():
            event_add(job, "stop", payload, stop_mode=mode)
        else:
            job_move(job, State.CANCELLED, payload=payload, stop_mode=mode)
        return
    if job.state == State.STOPPING:
        event_add(job, "stop", payload, stop_mode=mode)
    else:
        job_move(job, State.STOPPING, payload=payload, stop_mode=mode)
    if mode != StopMode.KEEP:
        tokens.attempt_token_restrict(job)


# --- lost workers ----------------------------------------------------------------------------------------------
def lost_jobs_requeue(*, now: datetime | None = None) -> list[str]:
    """Takes jobs from workers that fell silent; returns the ids. Safe to run at any time and from several processes."""
    moment = now or timezone.now()
    overdue = Job.objects.filter(state__in=LIVE, lease_expires_at__lt=moment)
    lost = []
    for job_id in overdue.order_by("lease_expires_at").values_list("pk", flat=True):
        with transaction.atomic():
            job = overdue.select_for_update(skip_locked=True).filter(pk=job_id).first()
            if job is not None:
                lease_lost(job, "no word for 90 seconds")
                lost.append(job_id)
    return lost


def lease_lost(job: Job, reason: str, *, log_tail: Sequence[str] = ()) -> None:
    """Decides where a locked live job goes whose worker is gone."""
    target = after_lost_lease(job.stop_mode, attempts_remain=job.attempts_remain)
    if target == State.FAILED:
        code = "license_revoked" if job.stop_mode == StopMode.LICENSE else "worker_lost"
        job_fail(job, code, reason, log_tail=list(log_tail))
    elif target == State.QUEUED:
        job_move(job, target, payload={"lost": True, "reason": reason}, lease_expires_at=None, worker=None, phase="")
        job_ring(job)
    else:
        job_move(job, target, payload={"lost": True, "reason": reason})


def silent_doorbells_ring(*, now: datetime | None = None) -> list[str]:
    """Rings again for queued jobs that no worker took, and returns their ids: a wiped broker loses no job."""
    moment = now or timezone.now()
    waiting = Job.objects.filter(state=State.QUEUED).order_by("created_at")
    rung = []
    for job_id, created_at, rung_at in waiting.values_list("pk", "created_at", "rung_at"):
        if rung_at is not None and moment - rung_at < min(max(rung_at - created_at, _FIRST_RING), _LAST_RING):
            continue
        with transaction.atomic():
            job = waiting.select_for_update(skip_locked=True).filter(pk=job_id, rung_at=rung_at).first()
            if job is not None:
                job_ring(job)
                rung.append(job_id)
    return rung
