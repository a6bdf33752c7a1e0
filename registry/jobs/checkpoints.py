"""Checkpoints mirrored to the hub: whole ones only, the two newest, seen by their own job alone.

They hold pickles, so they are never published and never handed to another job (ML stack, pitfall 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.jobs.attempts import AttemptCredentials, attempt_lock
from registry.jobs.errors import CheckpointIncompleteError, WorkerMessageError
from registry.jobs.models import Job, JobCheckpoint, JobCheckpointFile
from registry.jobs.possession import sizes_held, uploads_forget
from registry.jobs.states import Directive, directive_for
from registry.repositories.paths import parse_path
from registry.storage.digests import parse_sha256
from registry.storage.links import object_link, upload_link

KEPT = 2
MAX_FILES = 200
_MAX_PATH = 300


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """One file as a worker announces it: relative path, SHA-256, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class CheckpointKept:
    """What is kept after a checkpoint was recorded: steps, newest first."""

    step: int
    kept: list[int]
    directive: Directive


def files_parse(raw: Any) -> list[CheckpointFile]:
    """Checks an announced list of files.

    Raises:
        WorkerMessageError: not 1 to 200 files, or a path twice, or a size that is none.
        InvalidError: a path leaves the checkpoint, or a digest is none.
    """
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_FILES:
        raise WorkerMessageError(f"`files` must list 1 to {MAX_FILES} files", field="files")
    files = [_file_parse(index, entry) for index, entry in enumerate(raw)]
    if len({file.path for file in files}) < len(files):
        raise WorkerMessageError("`files` names a path twice", field="files")
    return files


def _file_parse(index: int, raw: Any) -> CheckpointFile:
    if not isinstance(raw, Mapping) or set(raw) != {"path", "sha256", "size"}:
        raise WorkerMessageError("a file needs exactly `path`, `sha256` and `size`", field=f"files.{index}")
    path, size = raw["path"], raw["size"]
    if not isinstance(path, str) or len(path) > _MAX_PATH:
        raise WorkerMessageError(f"`path` must be text of at most {_MAX_PATH} characters", field=f"files.{index}.path")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise WorkerMessageError("`size` must be a number of bytes", field=f"files.{index}.size")
    return CheckpointFile(parse_path(path), parse_sha256(str(raw["sha256"])), size)


def checkpoint_links(
    *, job_id: str, credentials: AttemptCredentials, files: Sequence[CheckpointFile]
) -> tuple[dict[str, str | None], Directive]:
    """Returns, by path, where to PUT the bytes of each file, or None for bytes that this job has uploaded already.

    That the hub has the bytes from somebody else is not said: who only knows a digest must send them (`possession`).

    Raises:
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        held = sizes_held(job, [file.sha256 for file in files])
    links = {file.path: None if held.get(file.sha256) == file.size else _upload_link(job, file) for file in files}
    return links, directive_for(job.stop_mode)


def _upload_link(job: Job, file: CheckpointFile) -> str:
    return upload_link(
        sha256=file.sha256, size=file.size, repository_id=None, user_id=job.requested_by_id, job_id=job.pk
    )


def checkpoint_record(
    *, job_id: str, credentials: AttemptCredentials, step: int, files: Sequence[CheckpointFile]
) -> CheckpointKept:
    """Records a checkpoint whose bytes this job has all uploaded, in place of one with the same step; drops old ones.

    Raises:
        CheckpointIncompleteError: the job has not uploaded some bytes, or of another size; details name the paths.
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        _check_complete(job, files)
        before = _digests(job)
        job.checkpoints.filter(step=step).delete()
        checkpoint = JobCheckpoint.objects.create(job=job, attempt=job.attempt, step=step)
        JobCheckpointFile.objects.bulk_create(
            JobCheckpointFile(checkpoint=checkpoint, path=file.path, large_object_id=file.sha256) for file in files
        )
        steps = list(job.checkpoints.order_by("-step").values_list("step", flat=True))
        job.checkpoints.filter(step__in=steps[KEPT:]).delete()
        uploads_forget(job, (before | {file.sha256 for file in files}) - _digests(job))
    return CheckpointKept(step, steps[:KEPT], directive_for(job.stop_mode))


def _digests(job: Job) -> set[str]:
    return set(JobCheckpointFile.objects.filter(checkpoint__job=job).values_list("large_object_id", flat=True))


def _check_complete(job: Job, files: Sequence[CheckpointFile]) -> None:
    held = sizes_held(job, [file.sha256 for file in files])
    missing = [file.path for file in files if held.get(file.sha256) != file.size]
    if missing:
        raise CheckpointIncompleteError(
            f"{len(missing)} of {len(files)} files have not arrived: upload them, then record again", missing=missing
        )


def checkpoints_of_attempt(*, job_id: str, credentials: AttemptCredentials) -> list[dict[str, Any]]:
    """Returns the whole checkpoints of a job, newest first, with signed links to their files.

    Raises:
        StaleAttemptError, WorkerCredentialsError, JobNotFoundError: as `attempt_lock`.
    """
    with transaction.atomic():
        job = attempt_lock(job_id, credentials)
        rows = list(job.checkpoints.order_by("-step").prefetch_related("files__large_object"))
    return [
        {
            "step": row.step,
            "attempt": row.attempt,
            "files": [_file_dict(file) for file in sorted(row.files.all(), key=lambda file: file.path)],
        }
        for row in rows
    ]


def _file_dict(file: JobCheckpointFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "sha256": file.large_object_id,
        "size": file.large_object.size,
        "url": object_link(sha256=file.large_object_id, filename=file.path),
    }


def checkpoints_drop(job: Job) -> None:
    """Forgets the checkpoints of a job that has ended; their bytes go a day later (`possession`)."""
    job.checkpoints.all().delete()
