"""Jobs: the list, one job with its live curve and log, stopping it, and asking for a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.access.errors import GateDeniedError
from registry.errors import DomainError
from registry.http import PrincipalRequest
from registry.jobs import selectors, services
from registry.jobs.failures import explain
from registry.jobs.models import Job, JobState
from registry.jobs.submission import JobRequestResult
from registry.web import job_view
from registry.web.common import done, form_errors_add, refused, signed_in
from registry.web.job_forms import FIELD_OF, EvaluateForm, FinetuneForm
from registry.web.preferences import purpose_of

_FILTERS = (("", "All"), ("unfinished", "Unfinished"), ("succeeded", "Succeeded"), ("failed", "Failed"))
_LOG_LINES = 400


@signed_in
@require_safe
def job_list(request: PrincipalRequest) -> HttpResponse:
    """Lists the viewer's jobs, newest first."""
    state = request.GET.get("state", "")
    state = state if state in JobState.values or state == "unfinished" else ""
    page = selectors.jobs_list(request.principal, state=state, cursor=request.GET.get("cursor") or None)
    context = {"section": "jobs", "jobs": page, "state": state, "filters": _FILTERS}
    return render(request, "web/job_list.html", context)


@signed_in
@require_safe
def job_detail(request: PrincipalRequest, job_id: str) -> HttpResponse:
    """Shows one job; its script goes on from the events that are already on the page."""
    job = selectors.job_get(request.principal, job_id)
    context = {
        "section": "jobs",
        "job": job,
        "view": job_view.job_view(job),
        "explanation": explain(job.failure_code),
        "stream_url": "" if job.is_terminal else selectors.event_stream_url(job),
        "log": job_view.last_log_lines(job, _LOG_LINES),
    }
    return render(request, "web/job_detail.html", context)


@signed_in
@require_POST
def job_stop(request: PrincipalRequest, job_id: str) -> HttpResponse:
    """Asks the job to end: `mode` is `cancel` or `keep`."""
    job = selectors.job_get(request.principal, job_id)
    mode = "keep" if request.POST.get("mode") == "keep" else "cancel"
    target = f"/jobs/{job.pk}"
    try:
        stopped = services.job_stop(principal=request.principal, job=job, mode=mode)
    except DomainError as error:
        return refused(request, error, target)
    if stopped.state == JobState.CANCELLED:
        return done(request, "The job is cancelled. Its log stays.", target)
    kept = "It finishes on its best checkpoint and publishes that." if mode == "keep" else "It publishes nothing."
    return done(request, f"The job is told to stop. {kept}", target)


@signed_in
@require_http_methods(["GET", "POST"])
def job_new(request: PrincipalRequest) -> HttpResponse:
    """Asks for a job: `check` shows decision and estimate without queueing anything, `submit` queues it."""
    kind = "evaluate" if (request.POST or request.GET).get("kind") == "evaluate" else "finetune"
    form = _form(request, kind)
    result: JobRequestResult | None = None
    decision: Mapping[str, Any] | None = None
    if form.is_bound and form.is_valid():
        spec = form.spec()
        try:
            if "submit" in request.POST:
                queued = services.job_request(principal=request.principal, spec=spec)
                return redirect("web:job", _queued(queued.job).pk)
            result = services.job_request(principal=request.principal, spec=spec, dry_run=True)
        except GateDeniedError as error:
            decision = error.details["decision"]
            form.add_error(None, error.message[:1].upper() + error.message[1:])
        except DomainError as error:
            form_errors_add(form, error, fields=FIELD_OF)
    status = 422 if form.is_bound and form.errors else 200
    checks = [check for check in result.checks if not check.name.startswith("gate.")] if result else []
    context = {
        "section": "jobs",
        "kind": kind,
        "form": form,
        "result": result,
        "plain_checks": checks,
        "decision": decision,
    }
    return render(request, "web/job_new.html", context, status=status)


def _queued(job: Job | None) -> Job:
    """Returns the job of a request that was not a dry run."""
    if job is None:
        raise DomainError("the request was checked, but no job was queued: send it again")
    return job


def _form(request: PrincipalRequest, kind: str) -> FinetuneForm | EvaluateForm:
    """Returns the form: filled from a post, or from what the address already says (base, dataset)."""
    made = FinetuneForm if kind == "finetune" else EvaluateForm
    if request.method == "POST":
        return made(request.POST)
    return made(initial=_initial(request.GET, request, kind))


def _initial(query: QueryDict, request: PrincipalRequest, kind: str) -> dict[str, str]:
    initial = {name: str(query[name]) for name in ("model", "dataset") if name in query}
    if kind == "finetune" and "model" in initial:
        initial["output"] = f"{request.principal.username}/{initial['model'].rpartition('/')[2]}-tuned"
    purpose = purpose_of(request)
    return initial | ({"purpose": purpose} if purpose else {})
