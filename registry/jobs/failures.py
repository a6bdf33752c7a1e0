"""The closed list of reasons why a job failed, each with a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason.

    Attributes:
        code: stable name.
        sentence: what to do about it.
        retryable: asking for the same job again may help without changing anything.
        requeue: the hub itself tries again while attempts remain.
    """

    code: str
    sentence: str
    retryable: bool = False
    requeue: bool = False


_ALL = (
    Failure(
        "bad_spec", "The worker cannot run this request as it is written; change the values it names and ask again."
    ),
    Failure("input_missing", "A file the job needs is not in the repository; add it or name another revision."),
    Failure("data_invalid", "The dataset does not fit the task; check columns, labels and empty rows, then ask again."),
    Failure("license_blocked", "The license gate no longer allows this job; see its decision for what would."),
    Failure(
        "license_revoked",
        "A right this job relied on was withdrawn while it ran; nothing was published. Ask the owner.",
    ),
    Failure("oom_gpu", "The GPU ran out of memory; use LoRA, a smaller micro batch or a shorter sequence."),
    Failure("oom_host", "The worker ran out of memory; use LoRA, a smaller micro batch or a shorter sequence."),
    Failure("disk_full", "The worker's disk is full; ask the operator to free space, then ask again.", retryable=True),
    Failure("timeout", "The job reached its time limit; raise `limits.wall_seconds` or train for fewer steps."),
    Failure("nan_loss", "The loss became NaN or infinite; lower the learning rate or use fp32, then ask again."),
    Failure(
        "worker_lost",
        "The worker fell silent on every attempt; look at its log, then ask again.",
        retryable=True,
        requeue=True,
    ),
    Failure(
        "checkpoint_corrupt", "No checkpoint could be read back; ask again to start from the beginning.", retryable=True
    ),
    Failure(
        "dependency_missing",
        "The worker lacks a library this job needs; ask the operator to install it.",
        retryable=True,
    ),
    Failure(
        "publish_conflict",
        "The output branch changed while the job ran; ask again, or name another branch or repository.",
        retryable=True,
    ),
    Failure("internal", "The worker failed in a way we did not foresee; the last log lines are below.", retryable=True),
)

FAILURES: Mapping[str, Failure] = MappingProxyType({failure.code: failure for failure in _ALL})


def explain(code: str) -> str:
    """Returns the sentence of a failure code; empty for none."""
    return FAILURES[code].sentence if code else ""
