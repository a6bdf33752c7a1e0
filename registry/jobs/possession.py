"""Which bytes are a job's own: those that were uploaded, whole, through a link issued for this job.

Objects are named by their SHA-256 and shared by all who store the same bytes. A digest is no secret (manifests, LFS
pointers and logs show it), so knowing one must never give access to bytes: a checkpoint is handed out by signed link,
and may therefore name only what the job has shown to have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from registry.jobs.errors import JobNotFoundError, StaleAttemptError
from registry.jobs.models import Job, JobCheckpoint, JobCheckpointFile, JobObject
from registry.jobs.states import TERMINAL


def job_object_attach(*, job_id: str, sha256: str) -> JobObject:
    """Records that a job uploaded an object. Called by the data plane once all bytes have arrived and been verified.

    Joins the transaction that names the object. Uploading again renews the row's age.

    Raises:
        JobNotFoundError: the job was deleted meanwhile.
        StaleAttemptError: the job has ended; it takes no more bytes.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).filter(pk=job_id).first()
        if job is None:
            raise JobNotFoundError("the job was deleted while the upload ran")
        if job.is_terminal:
            raise StaleAttemptError("the job has ended: stop, and upload nothing more", state=job.state)
        held, _ = JobObject.objects.update_or_create(
            job=job, large_object_id=sha256, defaults={"created_at": timezone.now()}
        )
    return held


def sizes_held(job: Job, digests: Iterable[str]) -> dict[str, int]:
    """Returns SHA-256 -> size in bytes of those objects that the job has uploaded."""
    held = JobObject.objects.filter(job=job, large_object_id__in=set(digests))
    return dict(held.values_list("large_object_id", "large_object__size"))


def uploads_forget(job: Job, digests: Iterable[str]) -> None:
    """Gives up objects that no checkpoint of the job names any more, so that their bytes can be collected."""
    JobObject.objects.filter(job=job, large_object_id__in=set(digests)).delete()


def job_objects_release(*, older_than: datetime) -> int:
    """Gives up what jobs no longer need; returns how many objects. The collector then takes bytes that nobody holds.

    That is everything of jobs that ended before `older_than`, and of the others uploads from before then that never
    became part of a checkpoint.
    """
    with transaction.atomic():
        JobCheckpoint.objects.filter(job__state__in=TERMINAL, job__finished_at__lt=older_than).delete()
        in_checkpoint = JobCheckpointFile.objects.filter(
            checkpoint__job_id=OuterRef("job_id"), large_object_id=OuterRef("large_object_id")
        )
        ended = Q(job__state__in=TERMINAL, job__finished_at__lt=older_than)
        abandoned = Q(created_at__lt=older_than) & ~Q(job__state__in=TERMINAL) & ~Exists(in_checkpoint)
        count, _ = JobObject.objects.filter(ended | abandoned).delete()
    return count
