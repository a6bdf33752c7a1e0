"""Jobs in the native API: request, list, read, follow, stop."""

from __future__ import annotations

import json
from typing import Any, cast

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.accounts.principal import Principal
from registry.api.jobs_parsers import BoundedJSONParser
from registry.errors import AuthenticationError, NotFoundError
from registry.http import PrincipalRequest, iso_z
from registry.jobs import selectors, services, specs
from registry.jobs.failures import FAILURES
from registry.jobs.models import Job
from registry.jobs.states import State
from registry.jobs.submission import JobRequestResult

_DRY_RUN = OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Only say what would become of it")


def principal_of(request: Request) -> Principal:
    """Returns who asks, as the middleware settled it."""
    return cast("PrincipalRequest", request._request).principal  # noqa: SLF001 (REST framework has no public name)


class JobQuery(serializers.Serializer[Any]):
    """Query of the list."""

    state = serializers.ChoiceField(choices=["", "unfinished", *State], default="")
    cursor = serializers.RegexField(r"^job_[0-9a-z]{26}$", default=None)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    everyone = serializers.BooleanField(default=False)


class EventQuery(serializers.Serializer[Any]):
    """Query of the events."""

    after = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=500)


class RequestQuery(serializers.Serializer[Any]):
    """Query of a request."""

    dry_run = serializers.BooleanField(default=False)


class StopBody(serializers.Serializer[Any]):
    """How to stop."""

    mode = serializers.ChoiceField(choices=["cancel", "keep"], default="cancel")


def _checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class JobsView(APIView):
    """`/api/v1/jobs`."""

    parser_classes = [BoundedJSONParser]

    @extend_schema(operation_id="jobs_list", parameters=[JobQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Lists the caller's jobs, newest first, a page at a time."""
        principal = principal_of(request)
        if not principal.is_authenticated:
            raise AuthenticationError("sign in first: send a token in the Authorization header")
        page = selectors.jobs_list(principal, **_checked(JobQuery(data=request.query_params)))
        return Response({"items": [job_summary(job) for job in page.items], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="jobs_create",
        parameters=[_DRY_RUN],
        request=OpenApiTypes.OBJECT,
        responses={201: OpenApiTypes.OBJECT, 200: OpenApiTypes.OBJECT},
        description="The body follows `/api/v1/jobs/schemas/{kind}`.",
    )
    def post(self, request: Request) -> Response:
        """Queues a job (201), or says what would become of it (`?dry_run=1`, 200)."""
        dry_run = _checked(RequestQuery(data=request.query_params))["dry_run"]
        result = services.job_request(principal=principal_of(request), spec=request.data, dry_run=dry_run)
        if result.job is None:
            return Response(_outcome(result))
        body = {**job_detail(result.job), "checks": _outcome(result)["checks"], "decisions": result.decisions}
        return Response(body, status=201, headers={"Location": f"/api/v1/jobs/{result.job.pk}"})


class JobView(APIView):
    """`/api/v1/jobs/{id}`."""

    @extend_schema(operation_id="jobs_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, job_id: str) -> Response:
        """Returns one job with its spec, state, metrics and the address of its live events."""
        return Response(job_detail(selectors.job_get(principal_of(request), job_id)))


class JobEventsView(APIView):
    """`/api/v1/jobs/{id}/events`."""

    @extend_schema(operation_id="jobs_events", parameters=[EventQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, job_id: str) -> Response:
        """Returns events after an id, in order; ask again from `last_id` (live: the stream in `events_url`)."""
        job = selectors.job_get(principal_of(request), job_id)
        query = _checked(EventQuery(data=request.query_params))
        events = selectors.events_after(job.pk, query["after"], query["limit"])
        last = events[-1]["id"] if events else query["after"]
        rows = [{**event, "at": iso_z(event["at"])} for event in events]
        return Response({"items": rows, "last_id": last, "state": job.state})


class JobStopView(APIView):
    """`/api/v1/jobs/{id}/stop`."""

    parser_classes = [BoundedJSONParser]

    @extend_schema(operation_id="jobs_stop", request=StopBody, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, job_id: str) -> Response:
        """Asks a job to end early; asking again changes nothing."""
        principal = principal_of(request)
        job = selectors.job_get(principal, job_id)
        mode = _checked(StopBody(data=request.data))["mode"]
        return Response(job_summary(services.job_stop(principal=principal, job=job, mode=mode)))


class JobLogView(APIView):
    """`/api/v1/jobs/{id}/log`."""

    @extend_schema(operation_id="jobs_log", responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request, job_id: str) -> HttpResponse:
        """Returns the kept log as text, at most about 10 MiB."""
        job = selectors.job_get(principal_of(request), job_id)
        text = "".join(f"{line}\n" for line in selectors.log_lines(job))
        response = HttpResponse(text, content_type="text/plain; charset=utf-8")
        response["X-Content-Type-Options"] = "nosniff"
        return response


class JobSchemaView(APIView):
    """`/api/v1/jobs/schemas/{kind}`."""

    @extend_schema(operation_id="jobs_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, kind: str) -> HttpResponse:
        """Returns the JSON schema of a kind of job."""
        del request
        if kind not in specs.KINDS:
            raise NotFoundError(f"there is no kind `{kind[:64]}`: use one of {', '.join(specs.KINDS)}")
        return HttpResponse(json.dumps(specs.schema(kind)), content_type="application/schema+json")


# --- rendering -------------------------------------------------------------------------------------------------
def job_summary(job: Job) -> dict[str, Any]:
    """Renders what lists show."""
    return {
        "id": job.pk,
        "kind": job.kind,
        "task": job.task,
        "state": job.state,
        "stop_mode": job.stop_mode,
        "phase": job.phase,
        "progress": job.progress,
        "requested_by": job.requested_by.username,
        "purpose": job.purpose,
        "model": job.spec["base" if job.kind == "finetune" else "model"],
        "dataset": {key: job.spec["data"][key] for key in ("repo", "revision")},
        "output": _output(job),
        "failure": _failure(job),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "created_at": iso_z(job.created_at),
        "started_at": iso_z(job.started_at) if job.started_at else None,
        "finished_at": iso_z(job.finished_at) if job.finished_at else None,
    }


def job_detail(job: Job) -> dict[str, Any]:
    """Renders one job whole."""
    return {
        **job_summary(job),
        "spec": job.spec,
        "spec_digest": job.spec_digest,
        "resolved": job.resolved,
        "estimate": job.estimate,
        "decision_ids": job.decision_ids,
        "metrics": job.metrics,
        "peak_memory_bytes": job.peak_memory_bytes,
        "wall_seconds": job.wall_seconds,
        "worker": job.worker.name if job.worker else None,
        "events_url": selectors.event_stream_url(job),
    }


def _output(job: Job) -> dict[str, Any] | None:
    wanted = job.spec["output"]
    if wanted is None:
        return None
    return {"repo": wanted["repo"], "branch": wanted["branch"], "commit": job.output_commit or None}


def _failure(job: Job) -> dict[str, Any] | None:
    if not job.failure_code:
        return None
    return {
        "code": job.failure_code,
        "message": job.failure_message,
        "retryable": FAILURES[job.failure_code].retryable,
        "log_tail": job.log_tail,
    }


def _outcome(result: JobRequestResult) -> dict[str, Any]:
    return {
        "dry_run": result.job is None,
        "ok": result.ok,
        "estimate": result.estimate,
        "decisions": result.decisions,
        "checks": [{"name": check.name, "ok": check.ok, "message": check.message} for check in result.checks],
        "spec": result.spec,
    }
