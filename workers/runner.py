"""From a doorbell to a finished attempt: claim, scratch folder, child, supervision, clean-up."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from workers.capabilities import describe
from workers.claim import Claim
from workers.events import EventBuffer
from workers.hub import HubAwayError, HubClient, HubError, JobClient, NotClaimableError, RefusedError, StaleAttemptError
from workers.mirror import fetch_checkpoints
from workers.process import ChildProcess, child_environment
from workers.settings import WorkerSettings
from workers.supervisor import Supervisor

logger = logging.getLogger(__name__)

_UNREGISTERED = 422
_FORGOTTEN_AFTER = 2 * 24 * 3600


def run_job(
    settings: WorkerSettings, job_id: str, shutdown: threading.Event, *, child_module: str = "workers.child"
) -> dict[str, Any] | None:
    """Claims and runs one job.

    Args:
        settings: this worker.
        job_id: from the doorbell.
        shutdown: set when the worker has to go.
        child_module: what runs in the child process.

    Returns:
        The report sent to the hub; `None` when there was nothing to claim or the lease was lost on the way.
    """
    claim = _claim(settings, job_id)
    if claim is None:
        return None
    scratch = _scratch(settings, claim)
    hub_url = settings.hub_url or claim.hub_url
    with JobClient(claim, hub_url, shutdown.wait) as hub:
        events = EventBuffer()
        try:
            if claim.has_checkpoint:
                _fetch(hub, scratch, events)
            environment = child_environment(
                hub_url=hub_url, job_token=claim.job_token, scratch=scratch, threads=settings.threads
            )
            child = ChildProcess(scratch / "claim.json", environment, scratch, child_module)
        except StaleAttemptError:
            return None
        report = Supervisor(
            claim,
            hub,
            child,
            memory_bytes=settings.memory_bytes,
            grace_seconds=settings.grace_seconds,
            shutdown=shutdown,
            events=events,
        ).run()
    _clean(scratch, report)
    return report


def register(settings: WorkerSettings) -> None:
    """Tells the hub about this worker.

    Raises:
        HubError: it could not be told, or refused.
    """
    with HubClient(settings.hub_url, settings.worker_secret) as hub:
        hub.register(settings.name, settings.queues, describe(settings.memory_bytes, settings.threads))


def register_forever(settings: WorkerSettings, stop: threading.Event, every: float = 60.0) -> None:
    """Registers now and every minute until `stop`; a hub that is away is tried again."""
    while not stop.is_set():
        try:
            register(settings)
        except HubError as error:
            logger.warning("the hub at %s did not take the registration: %s", settings.hub_url, error)
        stop.wait(every)


def remove_forgotten(scratch: Path, now: float) -> None:
    """Removes job folders that nothing has touched for two days: leftovers of workers that were killed."""
    if not scratch.is_dir():
        return
    for folder in scratch.iterdir():
        if folder.is_dir() and now - folder.stat().st_mtime > _FORGOTTEN_AFTER:
            shutil.rmtree(folder, ignore_errors=True)


def _claim(settings: WorkerSettings, job_id: str) -> Claim | None:
    with HubClient(settings.hub_url, settings.worker_secret) as hub:
        try:
            try:
                return hub.claim(job_id, settings.name)
            except RefusedError as error:
                if error.status != _UNREGISTERED:
                    raise
                # The hub has lost its memory of us (a fresh database): introduce ourselves and ask again.
                register(settings)
                return hub.claim(job_id, settings.name)
        except (NotClaimableError, HubAwayError) as error:
            logger.info("%s is not ours to run: %s", job_id, error)
            return None


def _scratch(settings: WorkerSettings, claim: Claim) -> Path:
    """Returns the job's folder with the claim in it. Checkpoints of an earlier attempt on this machine stay."""
    scratch = settings.scratch / claim.job_id
    settings.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("inputs", "output", "home", "tmp"):
        shutil.rmtree(scratch / name, ignore_errors=True)
    (scratch / "checkpoints").mkdir(parents=True, exist_ok=True)
    os.utime(scratch, (time.time(), time.time()))
    claim_file = scratch / "claim.json"
    claim_file.unlink(missing_ok=True)
    descriptor = os.open(claim_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it holds the job's token
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(claim.raw, file)
    return scratch


def _fetch(hub: JobClient, scratch: Path, events: EventBuffer) -> None:
    def reject(reason: str) -> None:
        events.add("warning", {"message": reason, "code": "checkpoint_corrupt"})

    try:
        fetch_checkpoints(hub, scratch / "checkpoints", reject)
    except HubAwayError as error:
        reject(f"mirrored checkpoints could not be fetched: {error}")


def _clean(scratch: Path, report: dict[str, Any] | None) -> None:
    """Removes the job's folder, but for an attempt that will be continued: its checkpoints may be needed here."""
    if report is not None and report.get("failure_code") == "worker_lost":
        return
    shutil.rmtree(scratch, ignore_errors=True)
