"""One attempt of one worker at a job: claim, heartbeat, progress, end. Every write carries the attempt's fencing token.

Order of things: the claim is one conditional update that raises attempt and fencing token together, so of two workers
one gets the job; it replaces the job's access token, so whatever a former attempt still sends is refused, here with
`stale_attempt` and on the hub's other addresses because its token is revoked.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from registry.accounts.models import AccessToken
from registry.accounts.secrets import secret_digest
from registry.jobs import rights, tokens
from registry.jobs.errors import (
    JobNotClaimableError,
    JobNotFoundError,
    StaleAttemptError,
    WorkerCredentialsError,
    WorkerMessageError,
)
from registry.jobs.jsonvalues import storable
from registry.jobs.lifecycle import LEASE, event_add, job_fail, job_lock, job_move, stop_apply
from registry.jobs.models import Job, Worker
from registry.jobs.states import Directive, State, StopMode, directive_for

_STALE = "this attempt no longer holds the job: stop it and write nothing more"


@dataclass(frozen=True, slots=True)
class AttemptCredentials:
    """What a worker shows with each message: the attempt's access token and its fencing token."""

    secret: str
    fencing_token: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that a worker now holds, and the secret of the attempt's own access token (shown this once)."""

    job: Job
    secret: str

    @property
    def directive(self) -> Directive:
        """What the worker is to do at once: a job may be claimed only to publish what an earlier attempt left."""
        return directive_for(self.job.stop_mode)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the hub answers to a sign of life."""

    job: Job
    directive: Directive


def attempt_lock(job_id: str, credentials: AttemptCredentials) -> Job:
    """Returns the job, locked, if these credentials are those of the attempt that holds it. One query when they are.

    Raises:
        WorkerCredentialsError: the token is unknown or has expired.
        JobNotFoundError: the token is of another job.
        StaleAttemptError: another attempt holds the job, or it is queued again, or it has ended.
    """
    job = _locked_with_token(job_id)
    if job is None or not _is_of_attempt(job, credentials):
        raise _refusal(job_id, credentials)
    if not job.is_live:
        raise StaleAttemptError(_STALE, state=job.state)
    if job.token is not None and job.token.is_expired(timezone.now()):
        raise WorkerCredentialsError("the job's token has expired for want of heartbeats: claim the job again")
    return job


def _locked_with_token(job_id: str) -> Job | None:
    return Job.objects.select_for_update(of=("self",)).select_related("token").filter(pk=job_id).first()


def _is_of_attempt(job: Job, credentials: AttemptCredentials) -> bool:
    return (
        job.token is not None
        and hmac.compare_digest(job.token.secret_sha256, secret_digest(credentials.secret))
        and credentials.fencing_token == job.fencing_token
    )


def _refusal(job_id: str, credentials: AttemptCredentials) -> Exception:
    token = AccessToken.objects.filter(secret_sha256=secret_digest(credentials.secret)).first()
    if token is None:
        return WorkerCredentialsError("the job's token is not known here")
    if token.scopes.get("job") != job_id:
        return JobNotFoundError("there is no such job")
    return StaleAttemptError(_STALE)


def credentials_match(job_id: str, credentials: AttemptCredentials) -> Job | None:
    """Returns an ended job if these credentials are those of its last attempt: a report sent twice, not a stale one."""
    job = _locked_with_token(job_id)
    return job if job is not None and job.is_terminal and _is_of_attempt(job, credentials) else None


# --- claim -----------------------------------------------------------------------------------------------------
def job_claim(*, job_id: str, worker_name: str) -> Claimed:
    """Gives a queued job to a worker, if it is the first to ask and the gate still allows the job.

    Raises:
        WorkerMessageError: the worker has not registered.
        JobNotFoundError: there is no such job.
        JobNotClaimableError: another worker has it, it has ended, or the gate refused it now (it then has failed).
    """
    worker = Worker.objects.filter(name=worker_name).first()
    if worker is None:
        raise WorkerMessageError("register this worker first", field="worker")
    denial = _denial_of_queued(job_id)
    with transaction.atomic():
        if not _take(job_id, worker):
            raise JobNotClaimableError("the job is not waiting for a worker", job=job_id)
        job = job_lock(job_id)
        event_add(job, "state", {"from": State.QUEUED, "to": State.STARTING, "worker": worker.name})
        if denial is None:
            secret = tokens.attempt_token_issue(job)
            if job.stop_mode:
                stop_apply(job, StopMode(job.stop_mode), by="")
            return Claimed(job, secret)
        job_fail(job, "license_blocked", denial)
    raise JobNotClaimableError("the license gate no longer allows this job", job=job_id)


def _denial_of_queued(job_id: str) -> str | None:
    """Asks the gate before the transaction: facts take queries, and a lock held meanwhile would stop other writers."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise JobNotFoundError("there is no such job")
    if job.state != State.QUEUED:
        raise JobNotClaimableError("the job is not waiting for a worker", job=job_id, state=job.state)
    return rights.denial_of(job)


def _take(job_id: str, worker: Worker) -> bool:
    """The one conditional update: true for exactly one of several workers that ask at once."""
    now = timezone.now()
    waiting = Job.objects.filter(pk=job_id, state=State.QUEUED, attempt__lt=F("max_attempts"))
    return bool(
        waiting.update(
            state=State.STARTING,
            attempt=F("attempt") + 1,
            fencing_token=F("fencing_token") + 1,
            worker=worker,
            lease_expires_at=now + LEASE,
            started_at=Coalesce("started_at", now),
        )
    )


# --- while it runs ---------------------------------------------------------------------------------------------
def attempt_heartbeat(
    *,
    job_id: str,
    credentials: AttemptCredentials,
    progress: float | None = None,
    phase: str | None = None,
    peak_memory_bytes: int | None = None,
) -> Pulse:
    """Prolongs the lease and the job's token, and says whether to go on.

    Raises:
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    said = {"progress": progress, "phase": phase, "peak_memory_bytes": peak_memory_bytes}
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        changes["lease_expires_at"] = timezone.now() + LEASE
        for name, value in changes.items():
            setattr(job, name, value)
        job.save(update_fields=list(changes))
        tokens.attempt_token_prolong(job)
    if job.stop_mode != StopMode.LICENSE:
        job = _license_checked(job, credentials)
    return Pulse(job, directive_for(job.stop_mode))


def _license_checked(job: Job, credentials: AttemptCredentials) -> Job:
    """Stops the job if the gate no longer allows it. The gate is asked outside the transaction that takes the lock."""
    denial = rights.denial_of(job)
    if denial is None:
        return job
    with transaction.atomic():
        locked = attempt_lock(job.pk, credentials)
        if locked.stop_mode != StopMode.LICENSE:
            stop_apply(locked, StopMode.LICENSE, by="", reason=denial)
    return locked


def attempt_advance(*, job_id: str, credentials: AttemptCredentials, state: State) -> Pulse:
    """Moves the job to `running` or `finalizing`; the present state again, or any while stopping, changes nothing.

    Raises:
        JobStateError: the table does not allow the step.
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        if job.state not in {state, State.STOPPING}:
            job_move(job, state)
    return Pulse(job, directive_for(job.stop_mode))


def attempt_resolve(*, job_id: str, credentials: AttemptCredentials, values: Mapping[str, Any]) -> Pulse:
    """Writes down what `auto` became, by dotted path of the spec; later values replace earlier ones.

    Raises:
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        kept = storable(values)
        event_add(job, "resolved", {"values": kept}, resolved={**job.resolved, **kept})
    return Pulse(job, directive_for(job.stop_mode))
