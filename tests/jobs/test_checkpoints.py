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
from registry.jobs.errors import CheckpointIncompleteError, JobNotFoundError, StaleAttemptError, WorkerMessageError
from registry.jobs.models import Job, JobCheckpoint, JobObject
from registry.jobs.results import Report
from registry.jobs.services import (
    attempt_finish,
    checkpoint_links,
    checkpoint_record,
    checkpoints_of_attempt,
    job_object_attach,
    job_objects_release,
    job_stop,
    lost_jobs_requeue,
)
from registry.jobs.states import State
from registry.jobs.tasks import prune_checkpoints
from registry.repositories.tasks import sweep_unreferenced
from registry.storage.digests import parse_sha256
from registry.storage.links import upload_grant_read
from registry.storage.models import LargeObject
from registry.storage.services import object_delete, object_store_bytes
from registry.storage.stores import get_store

pytestmark = pytest.mark.django_db
Claim = Callable[[Job], tuple[Claimed, AttemptCredentials]]


def _file(data: bytes, path: str = "model.safetensors") -> CheckpointFile:
    return CheckpointFile(path, hashlib.sha256(data).hexdigest(), len(data))


def _uploaded(job: Job, data: bytes, path: str = "model.safetensors") -> CheckpointFile:
    """Does what the data plane does once all bytes of an upload for a job have arrived."""
    stored = object_store_bytes(data=data)
    job_object_attach(job_id=job.pk, sha256=stored.sha256)
    return _file(data, path)


@pytest.fixture
def credentials(job: Job, claim: Claim) -> AttemptCredentials:
    """What the first attempt shows."""
    return claim(job)[1]


def test_a_link_stores_bytes_for_no_repository(job: Job, credentials: AttemptCredentials) -> None:
    file = _file(b"weights")
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[file])
    url = links[file.path]
    assert url is not None
    grant = upload_grant_read(url.rsplit("/", 1)[1])
    assert (grant.repository_id, grant.job_id, grant.sha256, grant.size) == (None, job.pk, file.sha256, 7)


def test_bytes_of_an_earlier_checkpoint_are_not_asked_for_again(job: Job, credentials: AttemptCredentials) -> None:
    file = _uploaded(job, b"same")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[file])
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[file, _file(b"new", "b")])
    assert links[file.path] is None
    assert links["b"] is not None


def test_who_only_knows_a_digest_must_send_the_bytes(job: Job, credentials: AttemptCredentials) -> None:
    object_store_bytes(data=b"the weights of somebody else's private model")
    foreign = _file(b"the weights of somebody else's private model")
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[foreign])
    assert links[foreign.path] is not None
    with pytest.raises(CheckpointIncompleteError) as refused:
        checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[foreign])
    assert refused.value.details["missing"] == [foreign.path]
    assert checkpoints_of_attempt(job_id=job.pk, credentials=credentials) == []


def test_bytes_that_another_job_uploaded_are_not_this_jobs(
    job: Job, credentials: AttemptCredentials, request_job: Callable[..., Job]
) -> None:
    other = request_job(output={"repo": "alice/other"})
    foreign = _uploaded(other, b"checkpoint of another job")
    links, _ = checkpoint_links(job_id=job.pk, credentials=credentials, files=[foreign])
    assert links[foreign.path] is not None
    with pytest.raises(CheckpointIncompleteError):
        checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[foreign])


def test_uploaded_bytes_are_not_asked_for_again_before_their_checkpoint_is_recorded(
    job: Job, claim: Claim, credentials: AttemptCredentials
) -> None:
    file = _uploaded(job, b"arrived before the worker died")
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    _, second = claim(job)
    assert checkpoint_links(job_id=job.pk, credentials=second, files=[file])[0] == {file.path: None}
    assert checkpoint_record(job_id=job.pk, credentials=second, step=1, files=[file]).kept == [1]


def test_bytes_of_a_dropped_checkpoint_are_the_jobs_no_more(job: Job, credentials: AttemptCredentials) -> None:
    shared = _uploaded(job, b"tokenizer", "tokenizer.json")
    weights = [_uploaded(job, b"%d" % step) for step in (1, 2, 3)]
    for step, file in enumerate(weights):
        checkpoint_record(job_id=job.pk, credentials=credentials, step=step, files=[shared, file])
    held = set(JobObject.objects.values_list("large_object_id", flat=True))
    assert held == {shared.sha256, weights[1].sha256, weights[2].sha256}


def test_a_job_that_has_ended_takes_no_bytes(job: Job, credentials: AttemptCredentials) -> None:
    report = Report(state=State.FAILED, failure_code="internal", metrics={})
    attempt_finish(job_id=job.pk, credentials=credentials, report=report)
    with pytest.raises(StaleAttemptError):
        _uploaded(job, b"late")
    with pytest.raises(JobNotFoundError):
        job_object_attach(job_id="job_unknown", sha256=object_store_bytes(data=b"x").sha256)
    assert not JobObject.objects.exists()


def test_a_checkpoint_without_its_bytes_is_refused(job: Job, credentials: AttemptCredentials) -> None:
    there, missing = _uploaded(job, b"there", "a"), _file(b"missing", "b")
    wrong = CheckpointFile("c", there.sha256, there.size + 1)
    with pytest.raises(CheckpointIncompleteError) as refused:
        checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[there, missing, wrong])
    assert refused.value.details["missing"] == ["b", "c"]
    assert not JobCheckpoint.objects.exists()


def test_two_are_kept_and_the_same_step_replaces(job: Job, credentials: AttemptCredentials) -> None:
    for step in (10, 20, 30, 30):
        file = _uploaded(job, b"%d" % step)
        kept = checkpoint_record(job_id=job.pk, credentials=credentials, step=step, files=[file])
    assert kept.kept == [30, 20]
    assert sorted(job.checkpoints.values_list("step", flat=True)) == [20, 30]


def test_the_next_attempt_is_offered_what_the_former_left(
    job: Job, claim: Claim, credentials: AttemptCredentials
) -> None:
    file = _uploaded(job, b"weights", "sub/model.safetensors")
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
    files = [_uploaded(job, b"%d" % step) for step in (1, 2, 3)]
    for step, file in enumerate(files):
        checkpoint_record(job_id=job.pk, credentials=credentials, step=step, files=[file])
    assert [object_delete(sha256=file.sha256) for file in files] == [True, False, False]


def test_checkpoints_go_with_the_job(job: Job, credentials: AttemptCredentials) -> None:
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[_uploaded(job, b"x")])
    report = Report(state=State.FAILED, failure_code="internal", metrics={})
    attempt_finish(job_id=job.pk, credentials=credentials, report=report)
    assert not JobCheckpoint.objects.exists()
    assert LargeObject.objects.exists()  # the collector takes the bytes later


def test_keep_on_a_requeued_job_waits_for_a_worker_to_publish_its_checkpoint(
    job: Job, claim: Claim, credentials: AttemptCredentials, owner: Principal
) -> None:
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[_uploaded(job, b"x")])
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    assert job_stop(principal=owner, job=job, mode="keep").state == "queued"
    claimed, _ = claim(job)
    assert (claimed.job.state, claimed.directive) == ("stopping", "stop_keep")


def test_an_ended_job_releases_its_bytes_to_the_collector_after_a_day(
    job: Job, claim: Claim, credentials: AttemptCredentials, owner: Principal
) -> None:
    file = _uploaded(job, b"x")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[file])
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    job_stop(principal=owner, job=job, mode="cancel")
    day = timedelta(hours=24)
    assert job_objects_release(older_than=timezone.now() - day) == 0
    assert not object_delete(sha256=file.sha256)
    assert job_objects_release(older_than=timezone.now()) == 1
    assert not JobCheckpoint.objects.exists()
    assert object_delete(sha256=file.sha256)


@pytest.mark.django_db(transaction=True)
def test_the_sweep_leaves_checkpoints_alone_until_their_job_has_ended(
    job: Job, credentials: AttemptCredentials
) -> None:
    file, waiting = _uploaded(job, b"kept"), _uploaded(job, b"waits for its checkpoint", "b")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[file])
    store = get_store()
    sweep_unreferenced(grace_seconds=0)
    assert all(store.exists(parse_sha256(item.sha256)) for item in (file, waiting))
    report = Report(state=State.FAILED, failure_code="internal", metrics={})
    attempt_finish(job_id=job.pk, credentials=credentials, report=report)
    assert prune_checkpoints() == 0
    sweep_unreferenced(grace_seconds=0)
    assert store.exists(parse_sha256(file.sha256))
    assert prune_checkpoints(grace_seconds=0) == 2
    sweep_unreferenced(grace_seconds=0)
    assert not any(store.exists(parse_sha256(item.sha256)) for item in (file, waiting))


def test_a_running_job_keeps_its_checkpoints_and_loses_uploads_that_never_became_one(
    job: Job, credentials: AttemptCredentials
) -> None:
    kept, abandoned = _uploaded(job, b"kept"), _uploaded(job, b"abandoned", "b")
    checkpoint_record(job_id=job.pk, credentials=credentials, step=1, files=[kept])
    assert job_objects_release(older_than=timezone.now() - timedelta(hours=24)) == 0
    assert prune_checkpoints(grace_seconds=0) == 1
    assert [object_delete(sha256=file.sha256) for file in (kept, abandoned)] == [False, True]
    assert job.checkpoints.count() == 1


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
