"""Runs one attempt of one job: child process, relay of events, heartbeats, limits, directives, the final report.

One thread owns all decisions (`run`); pipe readers and the checkpoint mirror only feed it. What can end an attempt:

| cause | what the child gets | what the hub is told |
|---|---|---|
| the recipe is done | - | `succeeded` or `stopped_with_output` with the commit |
| the recipe failed | - | `failed` with its code |
| directive `stop_keep` | command `stop_keep`; killed if it does not answer within the grace | `stopped_with_output` |
| directive `stop_cancel` | SIGTERM, killed after the grace | `cancelled` |
| directive `license_revoked` | SIGTERM, killed after the grace | `failed` / `license_revoked` |
| wall time, memory | SIGTERM, killed after the grace; memory: killed | `failed` / `timeout`, `oom_host` |
| the worker shuts down | SIGTERM (saves a checkpoint), killed after the grace | `failed` / `worker_lost` (requeued) |
| the child dies by a signal not ours | - | `failed` / `worker_lost` (requeued) |
| the lease is lost (412) | killed at once | nothing: the attempt is no longer ours |
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.checkpoints import Checkpoint
from workers.claim import Claim
from workers.events import EventBuffer
from workers.failures import FailureCode
from workers.hub import HubAwayError, HubError, JobClient, RefusedError, StaleAttemptError
from workers.mirror import CheckpointMirror
from workers.process import ChildProcess, LogLine, Record

logger = logging.getLogger(__name__)

_TICK = 0.2
_SEND_EVERY = 1.0
_RETRY_LONGEST = 15.0
_PATIENCE = 600.0  # for the last events; beyond it the report alone is sent
_EVENT_KINDS = frozenset({"step", "eval", "log", "phase", "artifact", "warning"})


@dataclass(frozen=True)
class Ending:
    """Why the supervisor is ending the child, and what it will report."""

    state: str
    code: FailureCode | None = None
    message: str = ""


CANCELLED = Ending("cancelled")
REVOKED = Ending("failed", FailureCode.LICENSE_REVOKED, "a license this job relies on was withdrawn while it ran")
OUT_OF_TIME = Ending("failed", FailureCode.TIMEOUT, "the job used up its wall time")
SHUT_DOWN = Ending("failed", FailureCode.WORKER_LOST, "the worker was shut down")


@dataclass
class _Progress:
    fraction: float = 0.0
    phase: str = "starting"
    peak_memory: int = 0
    result: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Supervisor:
    """One attempt under supervision.

    Args:
        claim: what the hub handed out.
        hub: client bound to this attempt.
        child: the started child.
        memory_bytes: resident size above which the child is killed.
        grace_seconds: between asking and killing.
        shutdown: set when the worker itself has to go.
    """

    def __init__(  # noqa: PLR0913 (the attempt, its two partners and three limits)
        self,
        claim: Claim,
        hub: JobClient,
        child: ChildProcess,
        *,
        memory_bytes: int,
        grace_seconds: float,
        shutdown: threading.Event,
        events: EventBuffer | None = None,
    ) -> None:
        self._claim, self._hub, self._child = claim, hub, child
        self._memory_bytes, self._grace, self._shutdown = memory_bytes, grace_seconds, shutdown
        self._events = EventBuffer() if events is None else events
        self._mirror = CheckpointMirror(hub)
        self._progress = _Progress()
        self._started = time.monotonic()
        self._next_beat = self._started
        self._next_send = self._started
        self._retry_pause = _SEND_EVERY
        self._ending: Ending | None = None
        self._kill_at: float | None = None
        self._keep_asked = False

    def run(self) -> dict[str, Any] | None:
        """Supervises until the child is gone and the hub knows how it ended.

        Returns:
            The report that was sent, or `None` when the lease was lost.
        """
        try:
            self._obey(self._claim.directive)
            while (status := self._child.poll()) is None:
                self._handle_next()
                self._check_limits()
                self._beat_when_due()
                self._send_when_due()
            self._mirror.close(self._grace)
            return self._report(status)
        except StaleAttemptError as error:
            logger.warning("%s: the lease is lost, the attempt is dropped: %s", self._claim.job_id, error)
            return None
        except HubAwayError as error:
            logger.warning("%s: the hub stayed away beyond the lease: %s", self._claim.job_id, error)
            return None
        except RefusedError as error:
            logger.exception("%s: the hub refused what this worker sent", self._claim.job_id)
            self._child.kill()
            return self._tell(self._failed("failed", FailureCode.INTERNAL, f"the hub refused the worker: {error}"))
        finally:
            self._child.close()
            self._mirror.close(0)

    # --- what the child says ---------------------------------------------------------------------------------

    def _handle_next(self) -> None:
        """Waits briefly for messages of the child and handles those that are there."""
        if self._child.exited():
            self._child.kill()  # whatever is left of its group would hold the pipes open
        try:
            message = self._child.messages.get(timeout=_TICK)
            for _ in range(1000):
                self._handle(message)
                message = self._child.messages.get_nowait()
        except queue.Empty:
            return

    def _handle(self, message: Record | LogLine) -> None:
        if isinstance(message, LogLine):
            self._events.add_log(message.line, message.stream)
            return
        content = dict(message.content)
        kind = str(content.pop("type", ""))
        if kind in _EVENT_KINDS:
            self._note(kind, content)
            self._events.add(kind, content)
        elif kind == "result":
            self._progress.result = content
        elif kind == "failure":
            self._progress.failure = content
        elif kind == "running":
            self._obey(self._hub.state("running"))
        elif kind == "ask_publish":
            self._answer_publish()
        elif kind == "resolved":
            self._hub.resolved(content["values"])
        elif kind == "checkpoint":
            self._mirror.offer(Checkpoint(content["step"], Path(content["path"]), tuple(content["files"])))
        elif kind == "stopping":
            self._kill_at = None  # the child has heard; from here on only the wall time bounds it
        else:
            self._events.add_log(f"[a record of unknown type `{kind[:40]}`]", "stderr")

    def _note(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "phase":
            self._progress.phase = str(content.get("name", ""))
        elif kind == "step" and content.get("total_steps"):
            self._progress.fraction = content["step"] / content["total_steps"]

    def _answer_publish(self) -> None:
        """Lets the child publish unless the hub has meanwhile said otherwise."""
        self._deliver_events()
        self._obey(self._hub.state("finalizing"))
        if self._ending is None:
            self._child.send("publish")

    # --- what the hub says -----------------------------------------------------------------------------------

    def _obey(self, directive: str) -> None:
        if directive == "stop_keep" and not self._keep_asked:
            self._keep_asked = True
            self._child.send("stop_keep")
            self._kill_at = time.monotonic() + self._grace
        elif directive == "stop_cancel":
            self._end(CANCELLED)
        elif directive == "license_revoked":
            self._end(REVOKED)

    def _end(self, ending: Ending) -> None:
        """Asks the child to go; the first reason stands."""
        if self._ending is None:
            self._ending = ending
            self._kill_at = time.monotonic() + self._grace
            if ending is not SHUT_DOWN:  # only an attempt that will be continued is worth a last checkpoint
                self._child.send("stop_cancel")
            self._child.terminate()

    def _beat_when_due(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + self._claim.heartbeat_seconds
        try:
            self._obey(
                self._hub.heartbeat(
                    progress=min(1.0, self._progress.fraction),
                    phase=self._progress.phase,
                    peak_memory_bytes=self._progress.peak_memory,
                )
            )
        except HubAwayError as error:
            logger.warning("%s: no heartbeat: %s", self._claim.job_id, error)
            self._next_beat = now + min(5.0, self._claim.heartbeat_seconds)

    def _send_when_due(self) -> None:
        now = time.monotonic()
        if now < self._next_send:
            return
        try:
            self._deliver_batch()
            self._retry_pause = _SEND_EVERY
        except HubAwayError:
            self._retry_pause = min(2 * self._retry_pause, _RETRY_LONGEST)
        self._next_send = now + self._retry_pause

    def _deliver_batch(self) -> None:
        batch = self._events.batch()
        if batch:
            last, directive = self._hub.events(batch)
            self._events.confirm(last)
            self._obey(directive)

    def _deliver_events(self) -> None:
        """Sends all that is buffered, waiting for the hub while there is lease left to wait for."""
        deadline, pause = time.monotonic() + _PATIENCE, 0.2
        while len(self._events):
            try:
                self._deliver_batch()
            except HubAwayError:
                if time.monotonic() > deadline:
                    raise
                self._shutdown.wait(pause)
                pause = min(2 * pause, _RETRY_LONGEST)

    # --- limits ----------------------------------------------------------------------------------------------

    def _check_limits(self) -> None:
        now = time.monotonic()
        resident, peak = self._child.memory()
        self._progress.peak_memory = max(self._progress.peak_memory, peak)
        if resident > self._memory_bytes:
            self._end(_out_of_memory(resident, self._memory_bytes))
            self._child.kill()
        if now - self._started > self._claim.wall_seconds_left:
            self._end(OUT_OF_TIME)
        if self._shutdown.is_set():
            self._end(SHUT_DOWN)
        if self._kill_at is not None and now > self._kill_at:
            self._kill_at = None
            if self._ending is None:
                self._ending = CANCELLED  # asked to stop and keep, but it never answered: there is nothing to keep
            self._child.kill()

    # --- the end ---------------------------------------------------------------------------------------------

    def _report(self, status: int) -> dict[str, Any]:
        body = self._verdict(status)
        body |= {
            "peak_memory_bytes": self._progress.peak_memory,
            "wall_seconds": round(time.monotonic() - self._started, 3),
        }
        try:
            self._deliver_events()
        except HubAwayError as error:
            logger.warning("%s: the last events were not delivered: %s", self._claim.job_id, error)
        return self._tell(body)

    def _tell(self, body: dict[str, Any]) -> dict[str, Any]:
        """Reports the end; a hub that cannot be told will find the lease expired."""
        try:
            answer = self._hub.finish(body)
            logger.info("%s: %s", self._claim.job_id, answer)
        except StaleAttemptError:
            raise
        except HubError:
            logger.exception("%s: the hub could not be told how the job ended", self._claim.job_id)
        return body

    def _verdict(self, status: int) -> dict[str, Any]:
        """Says how the attempt ended. A commit that has landed is a fact, whatever was asked for afterwards."""
        result, failure = self._progress.result, self._progress.failure
        if result is not None:
            stopped = bool(result.pop("stopped", False))
            return {"state": "stopped_with_output" if stopped else "succeeded", **result}
        if self._ending is not None:
            return self._failed(self._ending.state, self._ending.code, self._ending.message)
        if failure is not None:
            return self._failed("failed", FailureCode(failure["code"]), failure["message"])
        if status < 0:
            return self._failed(
                "failed", FailureCode.WORKER_LOST, f"the training process was killed by signal {-status}"
            )
        return self._failed(
            "failed", FailureCode.INTERNAL, f"the training process ended with status {status} and no result"
        )

    def _failed(self, state: str, code: FailureCode | None, message: str) -> dict[str, Any]:
        if code is None:
            return {"state": state}
        return {"state": state, "failure_code": code.value, "message": message, "log_tail": self._events.log_tail}


def _out_of_memory(resident: int, limit: int) -> Ending:
    gib = 1024**3
    return Ending(
        "failed",
        FailureCode.OOM_HOST,
        f"the job held {resident / gib:.1f} GiB of memory where this worker allows {limit / gib:.1f} GiB",
    )
