"""Events as workers send them: numbered by their sender, stored once, cut where they are too long.

The pure half (what a batch means) stands before the half that writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from registry.jobs.attempts import AttemptCredentials, attempt_lock
from registry.jobs.errors import WorkerMessageError
from registry.jobs.jsonvalues import storable
from registry.jobs.models import EventSource, Job, JobEvent
from registry.jobs.states import Directive, directive_for

KINDS = frozenset({"step", "eval", "log", "phase", "artifact", "warning"})
MAX_BATCH = 1000
MAX_LINE_CHARACTERS = 16 * 1024
MAX_LOG_BYTES = 10 * 1024 * 1024
MAX_PAYLOAD_CHARACTERS = 64 * 1024
_MAX_SEQUENCE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """One event of a batch, checked: number, moment, kind and a payload that any database can store."""

    sequence: int
    at: datetime
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventsAccepted:
    """What became of a batch."""

    accepted: int
    duplicates: int
    last_sequence: int
    directive: Directive


def batch_parse(raw: Any) -> list[IncomingEvent]:
    """Checks a decoded batch.

    Raises:
        WorkerMessageError: it is no list of events, too long, or an event lacks a number, a time or a known type.
    """
    if not isinstance(raw, list) or len(raw) > MAX_BATCH:
        raise WorkerMessageError(f"send a list of at most {MAX_BATCH} events")
    return [_event_parse(index, event) for index, event in enumerate(raw)]


def _event_parse(index: int, raw: Any) -> IncomingEvent:
    if not isinstance(raw, Mapping):
        raise WorkerMessageError("an event must be an object", field=f"{index}")
    sequence, moment, kind = _sequence(index, raw.get("seq")), raw.get("t"), raw.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise WorkerMessageError(f"`type` must be one of {', '.join(sorted(KINDS))}", field=f"{index}.type")
    payload = storable({key: value for key, value in raw.items() if key not in {"seq", "t", "type"}})
    return IncomingEvent(sequence, _moment(index, moment), kind, _shortened(kind, payload))


def _sequence(index: int, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_SEQUENCE:
        return value
    raise WorkerMessageError("`seq` must be a whole number from 1", field=f"{index}.seq")


def _moment(index: int, seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise WorkerMessageError("`t` must be seconds since 1970", field=f"{index}.t") from None


def _shortened(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Cuts what is too long and says by how much."""
    if kind == "log":
        line = str(payload.get("line", ""))
        payload["line"] = line[:MAX_LINE_CHARACTERS]
        if len(line) > MAX_LINE_CHARACTERS:
            payload["cut"] = len(line) - MAX_LINE_CHARACTERS
    size = sum(len(str(key)) + len(str(value)) for key, value in payload.items())
    return payload if size <= MAX_PAYLOAD_CHARACTERS else {"cut": size, "message": "this event was too large to keep"}


# --- writing ---------------------------------------------------------------------------------------------------
def events_append(*, job_id: str, credentials: AttemptCredentials, events: Sequence[IncomingEvent]) -> EventsAccepted:
    """Stores the events of a batch that are new for this attempt, in four queries (SQLite splits large inserts).

    Raises:
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    by_sequence = {event.sequence: event for event in events}
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        known = JobEvent.objects.filter(
            job=job, source=EventSource.WORKER, attempt=job.attempt, sequence__in=by_sequence
        ).values_list("sequence", flat=True)
        for sequence in known:
            del by_sequence[sequence]
        fresh = [by_sequence[sequence] for sequence in sorted(by_sequence)]
        JobEvent.objects.bulk_create(_rows(job, fresh))
        job.save(update_fields=["log_bytes", "phase"])
    return EventsAccepted(
        accepted=len(fresh),
        duplicates=len(events) - len(fresh),
        last_sequence=max((event.sequence for event in events), default=0),
        directive=directive_for(job.stop_mode),
    )


def _rows(job: Job, events: Sequence[IncomingEvent]) -> list[JobEvent]:
    """Builds the rows, counts the log against its cap and remembers the phase."""
    rows = []
    for event in events:
        kind, payload = event.kind, event.payload
        if kind == "phase":
            job.phase = str(payload.get("name", ""))[:32]
        if kind == "log":
            kept = _within_cap(job, payload)
            if kept is None:
                continue
            kind, payload = kept
        rows.append(
            JobEvent(job=job, attempt=job.attempt, sequence=event.sequence, at=event.at, kind=kind, payload=payload)
        )
    return rows


def _within_cap(job: Job, payload: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Returns what to store for a log line: itself, one notice where the cap is crossed, nothing after that."""
    before = job.log_bytes
    job.log_bytes += len(payload["line"].encode())
    if job.log_bytes <= MAX_LOG_BYTES:
        return "log", payload
    if before > MAX_LOG_BYTES:
        return None
    return "warning", {
        "code": "log_full",
        "message": f"the log reached {MAX_LOG_BYTES} bytes; later lines are left out",
    }
