"""Writes of the jobs application, gathered for its callers; each lives in the module of its noun."""

from registry.jobs.attempts import attempt_advance, attempt_heartbeat, attempt_resolve, job_claim
from registry.jobs.checkpoints import checkpoint_links, checkpoint_record, checkpoints_of_attempt
from registry.jobs.events import events_append
from registry.jobs.lifecycle import job_stop, lost_jobs_requeue, silent_doorbells_ring
from registry.jobs.possession import job_object_attach, job_objects_release
from registry.jobs.results import attempt_finish
from registry.jobs.submission import job_request
from registry.jobs.workers import worker_register

__all__ = [
    "attempt_advance",
    "attempt_finish",
    "attempt_heartbeat",
    "attempt_resolve",
    "checkpoint_links",
    "checkpoint_record",
    "checkpoints_of_attempt",
    "events_append",
    "job_claim",
    "job_object_attach",
    "job_objects_release",
    "job_request",
    "job_stop",
    "lost_jobs_requeue",
    "silent_doorbells_ring",
    "worker_register",
]
