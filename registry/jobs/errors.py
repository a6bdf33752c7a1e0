"""Errors of job requests and of the protocol that workers speak."""

from __future__ import annotations

from typing import ClassVar

from registry import errors


class JobNotFoundError(errors.NotFoundError):
    """There is no such job, or the caller may not know of it."""

    code: ClassVar[str] = "job_not_found"


class JobSpecError(errors.InvalidError):
    """The request has values that are not acceptable; details carry one message a field."""

    code: ClassVar[str] = "job_spec_invalid"


class JobDeniedError(errors.DeniedError):
    """The caller's token may not start or see jobs."""

    code: ClassVar[str] = "job_denied"


class JobQuotaError(errors.ConflictError):
    """The requester has as many unfinished jobs as one may have."""

    code: ClassVar[str] = "job_quota_reached"


class JobDoesNotFitError(errors.ConflictError):
    """No known worker has the memory that the job needs; details carry the numbers."""

    code: ClassVar[str] = "job_does_not_fit"


class JobStateError(errors.ConflictError):
    """The job's present state does not allow this."""

    code: ClassVar[str] = "job_state_conflict"


class JobNotClaimableError(errors.ConflictError):
    """Another worker has the job, or it has ended: the message may be dropped."""

    code: ClassVar[str] = "job_not_claimable"


class StaleAttemptError(errors.PreconditionError):
    """The attempt that speaks is no longer the one that holds the job: stop, and write nothing more."""

    code: ClassVar[str] = "stale_attempt"


class WorkerCredentialsError(errors.AuthenticationError):
    """The worker secret or the job token is missing or wrong."""

    code: ClassVar[str] = "worker_credentials"


class WorkerMessageError(errors.InvalidError):
    """A worker sent something that the protocol does not know."""

    code: ClassVar[str] = "worker_message_invalid"


class CheckpointIncompleteError(errors.ConflictError):
    """A checkpoint names files whose bytes have not (or wrongly) arrived."""

    code: ClassVar[str] = "checkpoint_incomplete"


class CheckpointNotFoundError(errors.NotFoundError):
    """The job has no whole checkpoint yet."""

    code: ClassVar[str] = "checkpoint_not_found"
