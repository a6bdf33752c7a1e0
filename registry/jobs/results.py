"""How an attempt ends: what it reports is checked, settled against what was asked of it, and written once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.audit.services import audit_record
from registry.catalogue.lineage import edges_set
from registry.jobs import outgoing
from registry.jobs.attempts import AttemptCredentials, attempt_lock, credentials_match
from registry.jobs.checkpoints import checkpoints_drop
from registry.jobs.errors import StaleAttemptError, WorkerMessageError
from registry.jobs.failures import FAILURES
from registry.jobs.jsonvalues import storable
from registry.jobs.lifecycle import job_fail, job_move, lease_lost
from registry.jobs.models import Job
from registry.jobs.states import TERMINAL, State, settled
from registry.repositories.models import RepositoryCommit

MAX_METRICS_CHARACTERS = 512 * 1024
_MAX_MESSAGE, _MAX_TAIL = 2000, 100
_WITH_OUTPUT = frozenset({State.SUCCEEDED, State.STOPPED_WITH_OUTPUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker says at the end.

    Attributes:
        state: the terminal state it claims.
        failure_code, message: why it failed, in the closed list's words and in its own.
        metrics: `{"final": {name: {value, low, high, n}}, "before": …, "baselines": {name: …}, …}`.
        output_commit: the publishing commit.
        peak_memory_bytes, wall_seconds: as measured.
        log_tail: last lines, for the report of a failure.
    """

    state: State
    failure_code: str = ""
    message: str = ""
    metrics: Mapping[str, Any]
    output_commit: str = ""
    peak_memory_bytes: int | None = None
    wall_seconds: float | None = None
    log_tail: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """Where the job stands after the report."""

    state: State
    requeued: bool


def report_check(report: Report) -> Report:
    """Returns the report in the form in which it is stored.

    Raises:
        WorkerMessageError: not a terminal state, a failure without a known code, or metrics without their interval.
    """
    if report.state not in TERMINAL:
        raise WorkerMessageError(f"`state` must be one of {', '.join(sorted(TERMINAL))}", field="state")
    if (report.state == State.FAILED) != bool(report.failure_code) or report.failure_code not in {"", *FAILURES}:
        raise WorkerMessageError(
            "`failure_code` must be one of the closed list, for a failure only", field="failure_code"
        )
    metrics = storable(dict(report.metrics))
    if len(json.dumps(metrics)) > MAX_METRICS_CHARACTERS:
        raise WorkerMessageError(f"`metrics` must have at most {MAX_METRICS_CHARACTERS} characters", field="metrics")
    _check_intervals("metrics.final", metrics.get("final", {}))
    _check_intervals("metrics.before", metrics.get("before") or {})
    for name, baseline in (metrics.get("baselines") or {}).items():
        _check_intervals(f"metrics.baselines.{name}", baseline)
    return Report(
        state=report.state,
        failure_code=report.failure_code,
        message=storable(report.message)[:_MAX_MESSAGE],
        metrics=metrics,
        output_commit=report.output_commit,
        peak_memory_bytes=report.peak_memory_bytes,
        wall_seconds=report.wall_seconds,
        log_tail=[storable(str(line))[:_MAX_MESSAGE] for line in list(report.log_tail)[-_MAX_TAIL:]],
    )


def _check_intervals(field: str, measured: Any) -> None:
    """A metric is a measurement: value, bounds of its interval, number of rows (design: jobs, Evaluation)."""
    if not isinstance(measured, Mapping):
        raise WorkerMessageError(f"`{field}` must be an object of metrics", field=field)
    for name, metric in measured.items():
        if not isinstance(metric, Mapping) or not all(
            _is_number(metric.get(key)) for key in ("value", "low", "high", "n")
        ):
            raise WorkerMessageError(
                f"`{field}.{name}` needs numbers for `value`, `low`, `high` and `n`", field=f"{field}.{name}"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def attempt_finish(*, job_id: str, credentials: AttemptCredentials, report: Report) -> Finished:
    """Ends the attempt, and with it the job unless another attempt may try. Sending the same report again is harmless.

    Raises:
        WorkerMessageError: the report is not well formed, or names no commit of the output repository.
        JobStateError: the job is not in a state from which it may end so.
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    checked = report_check(report)
    with transaction.atomic():
        try:
            job = attempt_lock(job_id, credentials)
        except StaleAttemptError:
            ended = credentials_match(job_id, credentials)
            if ended is None:
                raise
            return Finished(State(ended.state), requeued=False)
        if checked.failure_code and FAILURES[checked.failure_code].requeue:
            lease_lost(job, checked.message or "the worker gave the job up", log_tail=checked.log_tail)
            return Finished(State(job.state), requeued=job.state == State.QUEUED)
        _settle(job, checked)
    return Finished(State(job.state), requeued=False)


def _settle(job: Job, report: Report) -> None:
    published = _is_published(job, report)
    final = settled(job.stop_mode, report.state, published=published)
    measured: dict[str, Any] = {
        "metrics": report.metrics,
        "peak_memory_bytes": report.peak_memory_bytes or job.peak_memory_bytes,
        "wall_seconds": report.wall_seconds,
        "log_tail": list(report.log_tail) if final == State.FAILED else [],
    }
    if final == State.FAILED:
        job_fail(job, _failure_code(job, report), report.message, **measured)
    elif final in _WITH_OUTPUT:
        if job.spec["output"] is None and job.state == State.RUNNING:
            job_move(job, State.FINALIZING)  # with nothing to publish, workers go from measuring to reporting
        if not published:
            raise WorkerMessageError(
                "`output_commit` must name a commit of the output repository", field="output_commit"
            )
        job_move(job, final, output_commit=report.output_commit, progress=1.0, **measured)
        _confirm_lineage(job)
    else:
        job_move(job, final, **measured)
    checkpoints_drop(job)
    audit_record(action="job.finish", target=f"job:{job.pk}", details={"state": final, "code": job.failure_code})


def _failure_code(job: Job, report: Report) -> str:
    return "license_revoked" if job.stop_mode == "license" else report.failure_code


def _is_published(job: Job, report: Report) -> bool:
    """True if the commit is the output repository's, or if there is nothing to publish."""
    if job.spec["output"] is None:
        return not report.output_commit
    return RepositoryCommit.objects.filter(repository=job.output_id, oid=report.output_commit).exists()


def _confirm_lineage(job: Job) -> None:
    """What a job made, the catalogue may state as confirmed rather than declared."""
    if job.kind == "finetune" and job.output is not None:
        edges_set(repository=job.output, edges=outgoing.lineage_edges(job), source="confirmed")
