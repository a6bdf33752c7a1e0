"""Jobs, their attempts' events and checkpoints, and the workers that run them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from registry.accounts.models import AccessToken, Organization, User
from registry.identifiers import new_id
from registry.jobs.states import LIVE, TERMINAL
from registry.repositories.models import Repository
from registry.storage.models import LargeObject


def new_job_id() -> str:
    """Returns a fresh `job_…` id."""
    return new_id("job")


class JobState(models.TextChoices):
    """States of a job (design: jobs, States). The transition table is in `states.py`."""

    QUEUED = "queued", "Queued"
    STARTING = "starting", "Starting"
    RUNNING = "running", "Running"
    FINALIZING = "finalizing", "Finalizing"
    STOPPING = "stopping", "Stopping"
    SUCCEEDED = "succeeded", "Succeeded"
    STOPPED_WITH_OUTPUT = "stopped_with_output", "Stopped, output kept"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class Job(models.Model):
    """One request for work on a model and its whole life. The row is the truth; the broker is a doorbell."""

    id = models.CharField(max_length=32, primary_key=True, default=new_job_id)
    kind = models.CharField(max_length=16)
    task = models.CharField(max_length=32)
    spec = models.JSONField(help_text="The request with defaults expanded and revisions resolved")
    spec_digest = models.CharField(max_length=64)
    resolved = models.JSONField(default=dict, help_text="Values for `auto` that the worker settled on")
    requested_by = models.ForeignKey(User, models.CASCADE, related_name="jobs")
    organization = models.ForeignKey(
        Organization,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="That the request was made for",
    )
    environment = models.CharField(max_length=16, blank=True)
    base = models.ForeignKey(
        Repository, models.SET_NULL, null=True, related_name="+", help_text="The model that is trained or evaluated"
    )
    dataset = models.ForeignKey(Repository, models.SET_NULL, null=True, related_name="+")
    output = models.ForeignKey(Repository, models.SET_NULL, null=True, blank=True, related_name="produced_by")
    purpose = models.CharField(max_length=32)
    decision_ids = models.JSONField(default=list)
    estimate = models.JSONField(default=dict, help_text="Memory and time, in bytes and seconds")
    state = models.CharField(max_length=24, choices=JobState.choices, default=JobState.QUEUED)
    stop_mode = models.CharField(max_length=8, blank=True, help_text="keep, cancel or license, once the job is to stop")
    failure_code = models.CharField(max_length=32, blank=True)
    failure_message = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=2)
    fencing_token = models.PositiveBigIntegerField(default=0)
    token = models.ForeignKey(
        AccessToken, models.SET_NULL, null=True, blank=True, related_name="+", help_text="Of the present attempt"
    )
    worker = models.ForeignKey("Worker", models.SET_NULL, null=True, blank=True, related_name="jobs")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="When workers were last told of it")
    phase = models.CharField(max_length=32, blank=True)
    progress = models.FloatField(default=0, help_text="0 to 1")
    hub_events = models.PositiveIntegerField(default=0, help_text="How many events the hub itself has added")
    log_bytes = models.PositiveBigIntegerField(default=0, help_text="Log kept so far, against the cap")
    log_tail = models.JSONField(default=list, blank=True, help_text="Last lines before a failure")
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    wall_seconds = models.FloatField(null=True, blank=True, help_text="As the last attempt measured it")
    metrics = models.JSONField(default=dict, help_text="Final metrics with intervals and baselines")
    output_commit = models.CharField(max_length=40, blank=True)
    queue = models.CharField(max_length=32, default="cpu")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["requested_by", "-created_at"], name="job_by_user"),
            models.Index(fields=["state", "lease_expires_at"], name="job_by_lease"),
            models.Index(fields=["output", "-created_at"], name="job_by_output"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(name="job_attempt_within_limit", condition=Q(attempt__lte=models.F("max_attempts"))),
            models.CheckConstraint(name="job_state_known", condition=Q(state__in=JobState.values)),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_terminal(self) -> bool:
        """True once nothing about the job can change."""
        return self.state in TERMINAL

    @property
    def is_live(self) -> bool:
        """True while a worker holds it."""
        return self.state in LIVE

    @property
    def attempts_remain(self) -> bool:
        """True if another worker may still try."""
        return self.attempt < self.max_attempts


class EventSource(models.TextChoices):
    """Who numbered an event: the worker counts its own, the hub counts the transitions it makes."""

    WORKER = "worker"
    HUB = "hub"


class JobEvent(models.Model):
    """Something that happened to a job: a transition, a step, a log line. Rows are only ever added.

    `id` orders all events of all jobs and is the SSE event id; (job, source, attempt, sequence) makes delivery
    idempotent.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    source = models.CharField(max_length=6, choices=EventSource.choices, default=EventSource.WORKER)
    attempt = models.PositiveIntegerField()
    sequence = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, help_text="state, step, eval, log, phase, artifact, warning")
    payload = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("job", "source", "attempt", "sequence", name="job_event_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["job", "id"], name="job_event_by_order")]

    def __str__(self) -> str:
        return f"{self.job_id} {self.attempt}.{self.sequence} {self.kind}"


class JobObject(models.Model):
    """Bytes that a job really uploaded, whole: what its checkpoints may be made of. Knowing a digest makes no row.

    The protected key keeps the bytes from collection, first for the checkpoint to come, then while it is kept.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="uploads")
    large_object = models.ForeignKey(LargeObject, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("job", "large_object", name="job_object_unique")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.large_object_id}"


class JobCheckpoint(models.Model):
    """A whole checkpoint mirrored to the hub's object store, so that another worker can resume. Never published."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="checkpoints")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("job", "step", name="job_checkpoint_unique")]

    def __str__(self) -> str:
        return f"{self.job_id} step {self.step}"


class JobCheckpointFile(models.Model):
    """One file of a checkpoint. The protected key keeps the bytes from collection while the checkpoint is kept."""

    checkpoint = models.ForeignKey(JobCheckpoint, models.CASCADE, related_name="files")
    path = models.CharField(max_length=300)
    large_object = models.ForeignKey(LargeObject, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("checkpoint", "path", name="job_checkpoint_file_unique")]

    def __str__(self) -> str:
        return self.path


class Worker(models.Model):
    """A worker process as it last described itself."""

    name = models.CharField(max_length=150, unique=True)
    queues = models.JSONField(default=list)
    capabilities = models.JSONField(default=dict, help_text="devices, memory, bf16, kinds, versions")
    first_seen_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
