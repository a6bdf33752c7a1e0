"""Reads of jobs: which ones a caller may see, lists, events, curves and logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from registry.accounts.permissions import token_allows_globally
from registry.accounts.principal import Principal
from registry.jobs.errors import JobDeniedError, JobNotFoundError
from registry.jobs.models import Job, JobEvent
from registry.jobs.states import TERMINAL, State
from registry.storage.links import sign_claims

EVENTS_SALT = "job-events"
_STREAM_SECONDS = 6 * 3600
_MAX_PAGE = 100
_MAX_EVENTS = 1000
_CURVE_POINTS = 500
_RELATED = ("requested_by", "base", "dataset", "output", "worker")


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page (None at the end)."""

    items: list[Job]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class LossCurve:
    """What a chart of a run shows: training points and evaluation points, by optimizer step."""

    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    total_steps: int | None


def visible_jobs(principal: Principal) -> QuerySet[Job]:
    """Returns the jobs a caller may see: their own, those that write to a namespace they administer, all for staff.

    A job's own token sees that job alone.
    """
    rows = Job.objects.select_related(*_RELATED)
    if not principal.is_authenticated:
        return rows.none()
    if "job" in principal.scopes:
        return rows.filter(pk=principal.scopes["job"])
    if principal.is_staff:
        return rows
    administered = [namespace for namespace, role in principal.memberships.items() if role == "admin"]
    namespaces = [principal.namespace_id, *administered]
    return rows.filter(Q(requested_by=principal.user_id) | Q(output__namespace__in=namespaces))


def job_get(principal: Principal, job_id: str) -> Job:
    """Returns a job that the caller may see (and then also stop), in one query.

    Raises:
        JobNotFoundError: there is none, or the caller may not know of it.
        JobDeniedError: the token may not read jobs.
    """
    _check_may_read(principal)
    job = None if "\0" in job_id else visible_jobs(principal).filter(pk=job_id[:32]).first()
    if job is None:
        raise JobNotFoundError(f"there is no job `{job_id[:64]}`")
    return job


def jobs_list(
    principal: Principal, *, state: str = "", cursor: str | None = None, limit: int = 20, everyone: bool = False
) -> JobPage:
    """Returns a page of jobs, newest first.

    Args:
        principal: whose jobs.
        state: only those in this state; `unfinished` for all that have not ended.
        cursor: `next_cursor` of the page before: the id of its last job, since ids sort by time.
        limit: 1 to 100.
        everyone: also the jobs of others that the caller may see.

    Raises:
        JobDeniedError: the token may not read jobs.
    """
    _check_may_read(principal)
    rows = visible_jobs(principal)
    if not everyone:
        rows = rows.filter(requested_by=principal.user_id)
    if state:
        rows = rows.exclude(state__in=TERMINAL) if state == "unfinished" else rows.filter(state=state)
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    size = max(1, min(limit, _MAX_PAGE))
    items = list(rows.order_by("-pk")[: size + 1])
    return JobPage(items[:size], items[size - 1].pk if len(items) > size else None)


def _check_may_read(principal: Principal) -> None:
    if (
        principal.is_authenticated
        and "job" not in principal.scopes
        and not token_allows_globally(principal, "jobs.read")
    ):
        raise JobDeniedError("this token may not read jobs: use one with the scope `jobs.read`")


def claimable_jobs(queues: list[str], limit: int = 20) -> list[str]:
    """Returns ids of jobs that wait on these capabilities (`cpu`, `gpu`), oldest first."""
    waiting = Job.objects.filter(state=State.QUEUED, queue__in=queues)
    return list(waiting.order_by("created_at", "pk").values_list("pk", flat=True)[:limit])


# --- events ----------------------------------------------------------------------------------------------------
def events_after(job_id: str, after_id: int = 0, limit: int = 500) -> list[dict[str, Any]]:
    """Returns a job's events after an event id, in order: `{id, attempt, sequence, at, kind, payload}`.

    Writers hold the job's row, so ids of one job become visible in order and a reader that goes on from the last id
    it saw misses nothing.
    """
    rows = JobEvent.objects.filter(job_id=job_id, pk__gt=after_id).order_by("pk")
    page = rows.values("id", "attempt", "sequence", "at", "kind", "payload")[: max(1, min(limit, _MAX_EVENTS))]
    return [dict(row) for row in page]


def event_stream_url(job: Job) -> str:
    """Returns the address of a job's live events (SSE on the data plane), signed for six hours."""
    token = sign_claims({"job": job.pk}, salt=EVENTS_SALT, expires_in=_STREAM_SECONDS)
    return f"{settings.OBJECT_URL}/events/jobs/{job.pk}?token={token}"


def loss_curve(job: Job) -> LossCurve:
    """Returns the training curve, thinned to about 500 points; a resumed attempt replaces the steps it repeats."""
    rows = JobEvent.objects.filter(job=job, kind__in=["step", "eval"]).order_by("pk").values_list("kind", "payload")
    steps: dict[int, dict[str, Any]] = {}
    evaluations: dict[tuple[str, int], dict[str, Any]] = {}
    total: int | None = None
    for kind, payload in rows:
        step = payload.get("step")
        if not isinstance(step, int):
            continue
        if kind == "step":
            steps[step] = {key: payload.get(key) for key in ("step", "loss", "lr", "epoch")}
            total = payload.get("total_steps") or total
        else:
            evaluations[payload.get("phase", ""), step] = {
                key: payload.get(key) for key in ("step", "phase", "metrics")
            }
    points = [steps[step] for step in sorted(steps)]
    stride = -(-len(points) // _CURVE_POINTS) or 1
    thinned = points[::stride]
    if points and thinned[-1] is not points[-1]:
        thinned.append(points[-1])
    return LossCurve(thinned, sorted(evaluations.values(), key=lambda point: point["step"]), total)


def log_lines(job: Job) -> Iterator[str]:
    """Yields the kept log, a line at a time, saying where something was cut."""
    rows = JobEvent.objects.filter(job=job, kind__in=["log", "warning"]).order_by("pk")
    for kind, attempt, payload in rows.values_list("kind", "attempt", "payload").iterator(chunk_size=1000):
        if kind == "warning":
            yield f"[{attempt}] warning: {payload.get('message', '')}"
            continue
        cut = f" … [{payload['cut']} more characters left out]" if "cut" in payload else ""
        yield f"[{attempt}] {payload.get('line', '')}{cut}"
