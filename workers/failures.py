"""The closed list of reasons a job can fail for, and the error that carries one with a sentence."""

from __future__ import annotations

import errno
from enum import StrEnum


class FailureCode(StrEnum):
    """Why a job failed (design: jobs, States). The hub adds to each what a person can do about it."""

    BAD_SPEC = "bad_spec"
    INPUT_MISSING = "input_missing"
    DATA_INVALID = "data_invalid"
    LICENSE_BLOCKED = "license_blocked"
    LICENSE_REVOKED = "license_revoked"
    OOM_GPU = "oom_gpu"
    OOM_HOST = "oom_host"
    DISK_FULL = "disk_full"
    TIMEOUT = "timeout"
    NAN_LOSS = "nan_loss"
    WORKER_LOST = "worker_lost"
    CHECKPOINT_CORRUPT = "checkpoint_corrupt"
    DEPENDENCY_MISSING = "dependency_missing"
    PUBLISH_CONFLICT = "publish_conflict"
    INTERNAL = "internal"


class JobFailedError(Exception):
    """The job cannot go on; `code` says why for programs, the message for the person who asked for it."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class JobStoppedError(Exception):
    """Somebody asked the job to stop and nothing is to be published; what was learnt is in the last checkpoint."""


def failure_of(error: BaseException) -> JobFailedError:
    """Returns the failure an exception stands for.

    Libraries wrap a full disk and exhausted memory in errors of their own, so their words are looked at as well as
    their types (safetensors and torch raise neither `OSError` nor `MemoryError`).
    """
    if isinstance(error, JobFailedError):
        return error
    text = str(error)
    if (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}) or "No space left" in text:
        return JobFailedError(FailureCode.DISK_FULL, "the worker's disk is full")
    if type(error).__name__ == "OutOfMemoryError":
        return JobFailedError(FailureCode.OOM_GPU, "the GPU ran out of memory, also with half the micro batch")
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return JobFailedError(FailureCode.OOM_HOST, "the worker ran out of memory")
    if isinstance(error, ModuleNotFoundError):
        return JobFailedError(FailureCode.DEPENDENCY_MISSING, f"the worker lacks the Python package `{error.name}`")
    return JobFailedError(FailureCode.INTERNAL, f"{type(error).__name__}: {text[:500]}")
