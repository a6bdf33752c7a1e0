"""The worker protocol's client: one method a route, retries with back-off, answers sorted into a few outcomes.

Two identities: the worker secret registers and claims (`HubClient`); everything about a claimed job goes under the
job's token and its fencing token (`JobClient`), so that a worker which lost its lease is refused, whatever it believes.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from workers.claim import Claim, parse_claim

_HTTP_SERVER_ERROR = 500
_RETRIED = frozenset({429})
PATIENCE_SECONDS = 1800.0  # for what must arrive: longer than the hub's restart, shorter than a person's patience
_LONGEST_PAUSE = 15.0
_LAST_PATIENCE, _LAST_PAUSE = 5.0, 0.2  # once the worker itself has to go
_CHUNK = 1024 * 1024


class HubError(Exception):
    """The hub did not do what was asked."""


class HubAwayError(HubError):
    """No answer, or only server errors, for as long as the caller was willing to wait."""


class StaleAttemptError(HubError):
    """This attempt no longer owns the job: another has taken over, or the job has ended. Drop everything."""


class NotClaimableError(HubError):
    """The job is taken, ended, gone, or the gate said no: nothing to do."""


class RefusedError(HubError):
    """The hub understood and refused (4xx): sending the same again will not help. `code` is its problem code."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class _Transport:
    """Sends requests with one set of headers and retries what may pass.

    `pause(seconds)` waits between tries and returns whether the worker is shutting down (`threading.Event.wait`).
    """

    def __init__(self, base_url: str, headers: dict[str, str], pause: Callable[[float], bool]) -> None:
        self._client = httpx2.Client(base_url=base_url, headers=headers, timeout=httpx2.Timeout(30, connect=10))
        self._pause = pause

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, *, patience: float = 0.0, **options: Any) -> dict[str, Any]:
        """Returns the JSON answer; keeps trying through connection errors, 429 and 5xx for `patience` seconds.

        Raises:
            HubAwayError: the patience ran out.
            RefusedError: any other 4xx.
        """
        deadline, pause = time.monotonic() + patience, 0.25
        while True:
            problem = "no answer"
            try:
                response = self._client.request(method, path, **options)
            except httpx2.TransportError as error:
                problem = type(error).__name__
            else:
                if response.is_success:
                    answer = response.json() if response.content else {}
                    return answer if isinstance(answer, dict) else {"items": answer}
                if response.status_code < _HTTP_SERVER_ERROR and response.status_code not in _RETRIED:
                    raise _refusal(response)
                problem = f"status {response.status_code}"
            if time.monotonic() + pause > deadline:
                raise HubAwayError(f"{method} {path}: {problem}")
            # Jitter, so that a fleet does not return in step when the hub comes back.
            if self._pause(pause * (0.5 + random.random() / 2)):  # noqa: S311 (spreads load, guards nothing)
                deadline = min(deadline, time.monotonic() + _LAST_PATIENCE)
                time.sleep(_LAST_PAUSE)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _refusal(response: httpx2.Response) -> RefusedError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or response.reason_phrase)
    return RefusedError(response.status_code, str(problem.get("code") or "unknown"), detail[:500])


def _wait(seconds: float) -> bool:
    return threading.Event().wait(seconds)


class HubClient:
    """What a worker may do before it has a job."""

    def __init__(self, hub_url: str, worker_secret: str, pause: Callable[[float], bool] = _wait) -> None:
        headers = {"Authorization": f"Bearer {worker_secret}"}
        self._transport = _Transport(f"{hub_url}/api/v1/worker", headers, pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def register(self, name: str, queues: Sequence[str], capabilities: dict[str, Any]) -> dict[str, Any]:
        """Says who this worker is and what it can do."""
        body = {"name": name, "queues": list(queues), "capabilities": capabilities}
        return self._transport.send("POST", "/register", json=body, patience=60)

    def claimable(self, queues: Sequence[str]) -> list[str]:
        """Returns the ids of jobs that wait on these queues, oldest first."""
        return list(self._transport.send("GET", "/jobs", params={"queue": list(queues)}, patience=5)["jobs"])

    def claim(self, job_id: str, worker: str) -> Claim:
        """Takes the lease of a job.

        Raises:
            NotClaimableError: somebody else has it, it ended, or it never was.
            RefusedError: 422 when the worker is not registered; 401 when the secret is wrong.
            HubAwayError: the hub did not answer within a minute; the doorbell will ring again.
        """
        try:
            return parse_claim(
                self._transport.send("POST", f"/jobs/{job_id}/claim", json={"worker": worker}, patience=60)
            )
        except RefusedError as error:
            if error.status in {404, 409, 412}:
                raise NotClaimableError(f"{job_id}: {error}") from error
            raise


class JobClient:
    """What the holder of a job's lease may do. Every method raises `StaleAttemptError` once the lease is lost."""

    def __init__(self, claim: Claim, hub_url: str = "", pause: Callable[[float], bool] = _wait) -> None:
        headers = {"Authorization": f"Bearer {claim.job_token}", "X-Fencing-Token": str(claim.fencing_token)}
        base = f"{hub_url or claim.hub_url}/api/v1/worker/jobs/{claim.job_id}"
        self._transport = _Transport(base, headers, pause)
        # Signed links carry their own permission; the job's token stays with the hub's own routes.
        self._plain = httpx2.Client(timeout=httpx2.Timeout(120, connect=10), follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()
        self._plain.close()

    def _send(self, method: str, path: str, *, patience: float = 0.0, **options: Any) -> dict[str, Any]:
        try:
            return self._transport.send(method, path, patience=patience, **options)
        except RefusedError as error:
            # A revoked token (401) and a foreign job (404) are how a lost lease looks once the hub has cleaned up.
            if error.status in {401, 404, 412}:
                raise StaleAttemptError(str(error)) from error
            raise

    def heartbeat(self, *, progress: float, phase: str, peak_memory_bytes: int) -> str:
        """Prolongs the lease; returns the hub's directive."""
        body = {"progress": progress, "phase": phase, "peak_memory_bytes": peak_memory_bytes}
        return str(self._send("POST", "/heartbeat", json=body)["directive"])

    def state(self, state: str) -> str:
        """Moves the job on (`running`, `finalizing`); returns the hub's directive."""
        return str(self._send("POST", "/state", json={"state": state}, patience=PATIENCE_SECONDS)["directive"])

    def events(self, events: Sequence[dict[str, Any]]) -> tuple[int, str]:
        """Delivers events; returns the highest sequence number the hub now holds, and its directive."""
        body = "".join(json.dumps(event, allow_nan=False) + "\n" for event in events)
        answer = self._send("POST", "/events", content=body.encode(), headers={"Content-Type": "application/x-ndjson"})
        return int(answer["last_seq"]), str(answer["directive"])

    def resolved(self, values: dict[str, Any]) -> None:
        """Writes back what `auto` became."""
        self._send("POST", "/resolved", json={"values": values}, patience=60)

    def checkpoint_store(self, step: int, folder: Path, files: Sequence[dict[str, Any]]) -> None:
        """Mirrors a whole checkpoint: asks for links, uploads what the hub lacks, then records the checkpoint."""
        listing = [{key: file[key] for key in ("path", "sha256", "size")} for file in files]
        links = self._send("POST", "/checkpoints/links", json={"files": listing}, patience=60)["files"]
        for link in links:
            upload = link["upload"]
            if upload is not None:
                self._put(upload, folder / str(link["path"]))
        self._send("POST", "/checkpoints", json={"step": step, "files": listing}, patience=60)

    def checkpoints(self) -> list[dict[str, Any]]:
        """Returns the mirrored checkpoints, newest first, with signed links to their files."""
        return list(self._send("GET", "/checkpoints", patience=60)["checkpoints"])

    def download(self, url: str, target: Path) -> None:
        """Fetches a signed link into `target`.

        Raises:
            HubAwayError: the link did not deliver the whole body.
        """
        try:
            with self._plain.stream("GET", url) as response, target.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes(_CHUNK):
                    file.write(chunk)
        except httpx2.HTTPError as error:
            raise HubAwayError(f"checkpoint file: {type(error).__name__}") from error

    def finish(self, body: dict[str, Any]) -> dict[str, Any]:
        """Reports how the attempt ended; keeps trying, since nobody else can say it."""
        return self._send("POST", "/finish", json=body, patience=PATIENCE_SECONDS)

    def _put(self, upload: dict[str, Any], path: Path) -> None:
        headers = {**(upload.get("headers") or {}), "Content-Length": str(path.stat().st_size)}
        try:
            response = self._plain.request(
                upload.get("method", "PUT"), upload["url"], content=_chunks(path), headers=headers
            )
            response.raise_for_status()
        except httpx2.HTTPError as error:
            raise HubAwayError(f"checkpoint upload: {type(error).__name__}") from error


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
