"""Checkpoints: whole ones only, the two newest, offered to the next attempt of the same job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.errors import InvalidError
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.checkpoints import CheckpointFile, files_parse
from registry.jobs.errors import CheckpointIncompleteError, StaleAttemptError, WorkerMessageError
from registry.jobs.models import Job, JobCheckpoint
from registry.jobs.results import Report
from registry.jobs.services import (
    attempt_finish,
    checkpoint_links,
    checkpoint_record,
    checkpoints_of_attempt,
    job_stop,
    lost_jobs_requeue,
)
from registry.jobs.states import State
from registry.storage.links import upload_grant_read
from registry.storage.models import LargeObject
from registry.storage.services import object_delete, object_store_bytes

pytestmark = pytest.mark.django_db
Claim = Callable[[Job], tuple[Claimed, AttemptCredentials]]


def _file(data: bytes, path: str = "model.safetensors", *, stored: bool = True) -> CheckpointFile:
    if stored:
        object_store_bytes(data=data)
    return CheckpointFile(path, hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture
def credentials(job: Job, claim: Claim) -> AttemptCredentials:
    """What the first attempt shows."""
    return claim(job)[1]


def test_a_link_stores_bytes_for_no_repository(job: Job, credentials: AttemptCredentials) -> None:
    file = _file(b"weights", stored=False)
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[file])
    url = links[file.path]
    assert url is not None
    grant = upload_grant_read(url.rsplit("/", 1)[1])
    assert (grant.repository_id, grant.sha256, grant.size) == (None, file.sha256, 7)


def test_bytes_of_an_earlier_checkpoint_are_not_asked_for_again(job: Job, credentials: AttemptCredentials) -> None:
    file = _file(b"same")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[file])
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[file, _file(b"new", "b", stored=False)])
    assert links[file.path] is None
    assert links["b"] is not None


def test_a_checkpoint_without_its_bytes_is_refused(job: Job, credentials: AttemptCredentials) -> None:
    there, missing = _file(b"there", "a"), _file(b"missing", "b", stored=False)
    wrong = CheckpointFile("c", there.sha256, there.size + 1)
    with pytest.raises(CheckpointIncompleteError) as refused:
        checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[there, missing, wrong])
    assert refused.value.details["missing"] == ["b", "c"]
    assert not JobCheckpoint.objects.exists()


def test_two_are_kept_and_the_same_step_replaces(job: Job, credentials: AttemptCredentials) -> None:
    for step in (10, 20, 30, 30):
        kept = checkpoint_record(job_id=job.pk, credentials=credentials, step=step, files=[_file(b"%d" % step)])
    assert kept.kept == [30, 20]
    assert sorted(job.checkpoints.values_list("step", flat=True)) == [20, 30]


def test_the_next_attempt_is_offered_what_the_former_left(
    job: Job, claim: Claim, credentials: AttemptCredentials
) -> None:
    file = _file(b"weights", "sub/model.safetensors")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=24, files=[file])
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    _, second = claim(job)
    (found,) = checkpoints_of_attempt(job_id=job.pk, credentials=second)
    assert (found["step"], found["attempt"]) == (24, 1)
    (described,) = found["files"]
    assert {key: described[key] for key in ("path", "sha256", "size")} == {
        "path": file.path, "sha256": file.sha256, "size": 7,
    }  # fmt: skip
    assert f"/objects/{file.sha256}/model.safetensors?" in described["url"]
    with pytest.raises(StaleAttemptError):
        checkpoints_of_attempt(job_id=job.pk, credentials=credentials)


def test_kept_bytes_are_not_collected_and_dropped_ones_are(job: Job, credentials: AttemptCredentials) -> None:
    files = [_file(b"%d" % step) for step in (1, 2, 3)]
    for step, file in enumerate(files):
        checkpoint_record(job_id=job.pk, credentials=credentials, step=step, files=[file])
    assert [object_delete(sha256=file.sha256) for file in files] == [True, False, False]


def test_checkpoints_go_with_the_job(job: Job, credentials: AttemptCredentials) -> None:
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[_file(b"x")])
    report = Report(state=State.FAILED, failure_code="internal", metrics={})
    attempt_finish(job_id=job.pk, credentials=credentials, report=report)
    assert not JobCheckpoint.objects.exists()
    assert LargeObject.objects.exists()  # the collector takes the bytes later


def test_keep_on_a_requeued_job_waits_for_a_worker_to_publish_its_checkpoint(
    job: Job, claim: Claim, credentials: AttemptCredentials, owner: Principal
) -> None:
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[_file(b"x")])
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    assert job_stop(principal=owner, job=job, mode="keep").state == "queued"
    claimed, _ = claim(job)
    assert (claimed.job.state, claimed.directive) == ("stopping", "stop_keep")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "files",
        [{}],
        [{"path": "a", "sha256": "0" * 64}],
        [{"path": "a", "sha256": "0" * 64, "size": 1, "mode": 7}],
        [{"path": "a", "sha256": "xyz", "size": 1}],
        [{"path": "a", "sha256": "0" * 64, "size": -1}],
        [{"path": "a", "sha256": "0" * 64, "size": "1"}],
        [{"path": "../a", "sha256": "0" * 64, "size": 1}],
        [{"path": "/etc/passwd", "sha256": "0" * 64, "size": 1}],
        [{"path": 3, "sha256": "0" * 64, "size": 1}],
        [{"path": "a", "sha256": "0" * 64, "size": 1}] * 2,
        [{"path": str(number), "sha256": "0" * 64, "size": 1} for number in range(201)],
    ],
)
def test_a_list_of_files_is_checked(raw: Any) -> None:
    with pytest.raises((WorkerMessageError, InvalidError)):
        files_parse(raw)
