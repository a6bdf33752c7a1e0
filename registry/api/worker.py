"""What workers say: register, claim, then everything about a claimed job under its own token and fencing token.

These addresses read their own credentials: the worker secret, and tokens of attempts, of which they also know those
that are stale (412) where the rest of the hub would only say that they do not work (401).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.accounts.credentials import parse_authorization
from registry.accounts.errors import InvalidCredentialsError
from registry.api import worker_bodies as bodies
from registry.api.jobs_parsers import BoundedJSONParser, EventsJSONParser, EventsNDJSONParser
from registry.errors import BadRequestError
from registry.http import iso_z
from registry.jobs import outgoing, selectors, services
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.checkpoints import files_parse
from registry.jobs.errors import CheckpointNotFoundError, WorkerCredentialsError
from registry.jobs.events import batch_parse
from registry.jobs.lifecycle import LEASE
from registry.jobs.results import Report
from registry.jobs.states import State

PROTOCOL = 1
HEARTBEAT_SECONDS = 15
_LEASE_SECONDS = int(LEASE.total_seconds())


@extend_schema(exclude=True)
class WorkerView(APIView):
    """Base of the protocol's addresses."""

    own_credentials: ClassVar[bool] = True  # the principal middleware leaves the header to us
    authentication_classes = []
    parser_classes = [BoundedJSONParser]


def _bearer(request: Request) -> str:
    try:
        return parse_authorization(request.headers.get("Authorization", "")).secret
    except InvalidCredentialsError:
        raise WorkerCredentialsError("send `Authorization: Bearer …`") from None


def _check_worker_secret(request: Request) -> None:
    shown = _bearer(request).encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(shown, settings.WORKER_SECRET.encode()):
        raise WorkerCredentialsError("this is not the worker secret of this hub")


def _attempt(request: Request) -> AttemptCredentials:
    number = request.headers.get("X-Fencing-Token", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):  # noqa: PLR2004 (fits 63 bits)
        raise BadRequestError("send the claim's fencing token in `X-Fencing-Token`")
    return AttemptCredentials(_bearer(request), int(number))


# --- with the worker secret ------------------------------------------------------------------------------------
class RegisterView(WorkerView):
    """`/register`."""

    def post(self, request: Request) -> Response:
        """Writes down what a worker says of itself."""
        _check_worker_secret(request)
        worker = services.worker_register(**bodies.checked(bodies.RegisterBody(data=request.data)))
        return Response(
            {
                "worker": worker.name,
                "protocol": PROTOCOL,
                "lease_seconds": _LEASE_SECONDS,
                "heartbeat_seconds": HEARTBEAT_SECONDS,
            }
        )


class WaitingView(WorkerView):
    """`/jobs`."""

    def get(self, request: Request) -> Response:
        """Lists jobs that wait on the given queues (all without any), for workers that no message reached."""
        _check_worker_secret(request)
        queues = request.query_params.getlist("queue") or ["jobs-cpu", "jobs-gpu"]
        return Response({"jobs": selectors.claimable_jobs([queue.removeprefix("jobs-") for queue in queues])})


class ClaimView(WorkerView):
    """`/jobs/{id}/claim`."""

    def post(self, request: Request, job_id: str) -> Response:
        """Gives a queued job to the worker that asks first."""
        _check_worker_secret(request)
        name = bodies.checked(bodies.ClaimBody(data=request.data))["worker"]
        return Response(_claim_body(services.job_claim(job_id=job_id, worker_name=name)))


def _claim_body(claimed: Claimed) -> dict[str, Any]:
    job = claimed.job
    newest = job.checkpoints.order_by("-step").first()
    return {
        "job": {
            "id": job.pk,
            "kind": job.kind,
            "task": job.task,
            "requested_by": job.requested_by.username,
            "created_at": iso_z(job.created_at),
        },
        "spec": job.spec,
        "resolved": job.resolved,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "fencing_token": job.fencing_token,
        "job_token": claimed.secret,
        "hub_url": settings.PUBLIC_URL,
        "lease_seconds": _LEASE_SECONDS,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "wall_seconds_left": job.spec["limits"]["wall_seconds"],
        "directive": claimed.directive,
        "checkpoint": None if newest is None else {"step": newest.step, "attempt": newest.attempt},
        "lineage": outgoing.lineage_of(job),
        "license": outgoing.license_of(job),
        "output": outgoing.output_of(job),
        "decision_ids": job.decision_ids,
        "spec_digest": job.spec_digest,
        "estimate": job.estimate,
    }


# --- with the attempt's token ----------------------------------------------------------------------------------
class HeartbeatView(WorkerView):
    """`/jobs/{id}/heartbeat`."""

    def post(self, request: Request, job_id: str) -> Response:
        """Prolongs the lease and says whether to go on."""
        said = bodies.checked(bodies.HeartbeatBody(data=request.data))
        pulse = services.attempt_heartbeat(job_id=job_id, credentials=_attempt(request), **said)
        expires = pulse.job.lease_expires_at
        lease = iso_z(expires) if expires else None
        return Response({"directive": pulse.directive, "state": pulse.job.state, "lease_expires_at": lease})


class StateView(WorkerView):
    """`/jobs/{id}/state`."""

    def post(self, request: Request, job_id: str) -> Response:
        """Moves the job on."""
        state = State(bodies.checked(bodies.StateBody(data=request.data))["state"])
        pulse = services.attempt_advance(job_id=job_id, credentials=_attempt(request), state=state)
        return Response({"state": pulse.job.state, "directive": pulse.directive})


class EventsView(WorkerView):
    """`/jobs/{id}/events`."""

    parser_classes = [EventsJSONParser, EventsNDJSONParser]

    def post(self, request: Request, job_id: str) -> Response:
        """Stores a batch of events."""
        done = services.events_append(job_id=job_id, credentials=_attempt(request), events=batch_parse(request.data))
        return Response(
            {
                "accepted": done.accepted,
                "duplicates": done.duplicates,
                "last_seq": done.last_sequence,
                "directive": done.directive,
            }
        )


class ResolvedView(WorkerView):
    """`/jobs/{id}/resolved`."""

    def post(self, request: Request, job_id: str) -> Response:
        """Writes down what `auto` became."""
        values = bodies.checked(bodies.ResolvedBody(data=request.data))["values"]
        pulse = services.attempt_resolve(job_id=job_id, credentials=_attempt(request), values=values)
        return Response({"directive": pulse.directive})


class CheckpointLinksView(WorkerView):
    """`/jobs/{id}/checkpoints/links`."""

    def post(self, request: Request, job_id: str) -> Response:
        """Says where to put the bytes of a checkpoint's files."""
        files = files_parse(bodies.checked(bodies.FilesBody(data=request.data))["files"])
        links, directive = services.checkpoint_links(job_id=job_id, credentials=_attempt(request), files=files)
        return Response(
            {
                "files": [
                    {"path": file.path, "sha256": file.sha256, "upload": _upload(links[file.path])} for file in files
                ],
                "directive": directive,
            }
        )


def _upload(url: str | None) -> dict[str, Any] | None:
    return None if url is None else {"method": "PUT", "url": url, "headers": {}}


class CheckpointsView(WorkerView):
    """`/jobs/{id}/checkpoints`."""

    def get(self, request: Request, job_id: str) -> Response:
        """Lists the whole checkpoints, newest first."""
        return Response({"checkpoints": services.checkpoints_of_attempt(job_id=job_id, credentials=_attempt(request))})

    def post(self, request: Request, job_id: str) -> Response:
        """Records a checkpoint whose bytes have arrived."""
        body = bodies.checked(bodies.CheckpointBody(data=request.data))
        kept = services.checkpoint_record(
            job_id=job_id, credentials=_attempt(request), step=body["step"], files=files_parse(body["files"])
        )
        return Response({"step": kept.step, "kept": kept.kept, "directive": kept.directive}, status=201)


class LatestCheckpointView(WorkerView):
    """`/jobs/{id}/checkpoints/latest`."""

    def get(self, request: Request, job_id: str) -> Response:
        """Returns the newest whole checkpoint."""
        found = services.checkpoints_of_attempt(job_id=job_id, credentials=_attempt(request))
        if not found:
            raise CheckpointNotFoundError("the job has no checkpoint yet: start from the beginning")
        return Response(found[0])


class FinishView(WorkerView):
    """`/jobs/{id}/finish`."""

    class _Parser(BoundedJSONParser):
        limit = 2 * 1024 * 1024

    parser_classes = [_Parser]

    def post(self, request: Request, job_id: str) -> Response:
        """Ends the attempt."""
        report = _report(bodies.checked(bodies.FinishBody(data=request.data)))
        done = services.attempt_finish(job_id=job_id, credentials=_attempt(request), report=report)
        return Response({"state": done.state, "requeued": done.requeued})


def _report(body: Mapping[str, Any]) -> Report:
    said = {key: value for key, value in body.items() if value is not None}
    return Report(**{**said, "state": State(body["state"])})
