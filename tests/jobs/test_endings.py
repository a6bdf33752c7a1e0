"""How jobs end: what a worker reports, what was asked of it, and what nobody can change afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from registry.accounts.errors import InvalidCredentialsError
from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.accounts.selectors import principal_for_secret
from registry.catalogue.models import LineageEdge
from registry.catalogue.publishing import commit_publish
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.errors import JobStateError, StaleAttemptError, WorkerMessageError
from registry.jobs.models import Job, JobEvent
from registry.jobs.results import Finished, Report, report_check
from registry.jobs.services import attempt_advance, attempt_finish, job_request, job_stop
from registry.jobs.states import State
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile
from registry.repositories.services import repository_delete

pytestmark = pytest.mark.django_db
Claim = Callable[[Job], tuple[Claimed, AttemptCredentials]]
METRIC = {"value": 0.81, "low": 0.78, "high": 0.84, "n": 500, "method": "bootstrap"}
METRICS = {
    "final": {"accuracy": METRIC},
    "before": {"accuracy": METRIC},
    "baselines": {"majority": {"accuracy": METRIC}},
}


class Attempt:
    """The worker's side of one attempt."""

    def __init__(self, job: Job, claimed: Claimed, credentials: AttemptCredentials) -> None:
        self.job, self.claimed, self.credentials = job, claimed, credentials

    def advance(self, *states: State) -> None:
        for state in states:
            attempt_advance(job_id=self.job.pk, credentials=self.credentials, state=state)

    def publish(self) -> str:
        """Commits to the output repository with the job's own token."""
        assert self.job.output is not None
        return commit_publish(
            principal=principal_for_secret(self.claimed.secret),
            repository=self.job.output,
            branch="main",
            operations=[AddFile("README.md", b"# Tuned\n")],
            title="Publish",
        ).oid

    def finish(self, state: State, **said: Any) -> Finished:
        report = Report(**{"metrics": {}, "state": state, **said})
        return attempt_finish(job_id=self.job.pk, credentials=self.credentials, report=report)


@pytest.fixture
def attempt(job: Job, claim: Claim) -> Attempt:
    """A running attempt of alice's job."""
    running = Attempt(job, *claim(job))
    running.advance(State.RUNNING)
    return running


def _reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_job_succeeds_with_its_commit_metrics_and_confirmed_lineage(attempt: Attempt, job: Job) -> None:
    attempt.advance(State.FINALIZING)
    commit = attempt.publish()
    done = attempt.finish(State.SUCCEEDED, output_commit=commit, metrics=METRICS, wall_seconds=12.5)
    assert done == Finished(State.SUCCEEDED, requeued=False)
    ended = _reloaded(job)
    assert (ended.state, ended.output_commit, ended.progress, ended.wall_seconds) == ("succeeded", commit, 1.0, 12.5)
    assert ended.metrics["final"]["accuracy"]["low"] == 0.78
    assert ended.finished_at is not None
    edges = LineageEdge.objects.filter(repository=job.output, source="confirmed")
    assert {(edge.relation, edge.base_name, edge.base_commit) for edge in edges} == {
        ("finetune", "alice/encoder", job.spec["base"]["revision"]),
        ("dataset", "alice/reviews", job.spec["data"]["revision"]),
    }


def test_the_token_dies_with_the_job(attempt: Attempt) -> None:
    attempt.advance(State.FINALIZING)
    attempt.finish(State.SUCCEEDED, output_commit=attempt.publish())
    with pytest.raises(InvalidCredentialsError):
        principal_for_secret(attempt.claimed.secret)


def test_the_same_report_twice_is_one_end(attempt: Attempt, job: Job) -> None:
    attempt.finish(State.FAILED, failure_code="nan_loss", message="loss was NaN at step 7")
    assert attempt.finish(State.FAILED, failure_code="nan_loss") == Finished(State.FAILED, requeued=False)
    assert job.events.filter(kind="state", payload__to="failed").count() == 1


def test_success_needs_a_commit_of_the_output(attempt: Attempt, encoder: Repository) -> None:
    from registry.repositories.selectors import revision_resolve  # noqa: PLC0415 (beside its only use)

    attempt.advance(State.FINALIZING)
    for commit in ("", "a" * 40, revision_resolve(encoder)):
        with pytest.raises(WorkerMessageError):
            attempt.finish(State.SUCCEEDED, output_commit=commit)


def test_success_comes_only_from_finalizing(attempt: Attempt) -> None:
    with pytest.raises(JobStateError):
        attempt.finish(State.SUCCEEDED, output_commit=attempt.publish())


def test_a_failure_says_what_happened_and_what_to_do(attempt: Attempt, job: Job) -> None:
    attempt.finish(State.FAILED, failure_code="nan_loss", message="loss was NaN at step 7.", log_tail=["a", "b\x00"])
    ended = _reloaded(job)
    assert ended.failure_message.startswith("loss was NaN at step 7. The loss became NaN or infinite; lower")
    assert ended.log_tail == ["a", "b\ufffd"]


def test_a_worker_that_gives_up_lets_another_try(attempt: Attempt, job: Job, claim: Claim) -> None:
    assert attempt.finish(State.FAILED, failure_code="worker_lost") == Finished(State.QUEUED, requeued=True)
    with pytest.raises(StaleAttemptError):
        attempt.finish(State.FAILED, failure_code="worker_lost")
    second = Attempt(job, *claim(job))
    assert second.finish(State.FAILED, failure_code="worker_lost") == Finished(State.FAILED, requeued=False)


# --- stops ------------------------------------------------------------------------------------------------------
def test_a_cancelled_job_ends_cancelled_whatever_is_reported(attempt: Attempt, job: Job, owner: Principal) -> None:
    job_stop(principal=owner, job=job)
    assert attempt.finish(State.FAILED, failure_code="internal").state == "cancelled"


def test_stop_and_keep_ends_with_output(attempt: Attempt, job: Job, owner: Principal) -> None:
    job_stop(principal=owner, job=job, mode="keep")
    commit = attempt.publish()
    assert attempt.finish(State.STOPPED_WITH_OUTPUT, output_commit=commit).state == "stopped_with_output"


def test_a_stop_that_nobody_asked_for_is_refused(attempt: Attempt) -> None:
    for state in (State.CANCELLED, State.STOPPED_WITH_OUTPUT):
        with pytest.raises((JobStateError, WorkerMessageError)):
            attempt.finish(state)


def test_cancel_while_finalizing_refuses_the_commit(attempt: Attempt, job: Job, owner: Principal) -> None:
    from registry.errors import DeniedError  # noqa: PLC0415 (beside its only use)

    attempt.advance(State.FINALIZING)
    job_stop(principal=owner, job=job)
    with pytest.raises(DeniedError):
        attempt.publish()
    assert attempt.finish(State.CANCELLED).state == "cancelled"


def test_cancel_after_the_commit_has_landed_is_too_late(attempt: Attempt, job: Job, owner: Principal) -> None:
    attempt.advance(State.FINALIZING)
    commit = attempt.publish()
    job_stop(principal=owner, job=job)
    assert attempt.finish(State.SUCCEEDED, output_commit=commit).state == "succeeded"


def test_an_evaluation_ends_without_a_commit(
    encoder: Repository, reviews: Repository, owner: Principal, claim: Claim, evaluate: dict[str, Any]
) -> None:
    job = job_request(principal=owner, spec=evaluate).job
    assert job is not None
    attempt = Attempt(job, *claim(job))
    attempt.advance(State.RUNNING)
    assert attempt.finish(State.SUCCEEDED, metrics=METRICS).state == "succeeded"
    moves = [event.payload["to"] for event in job.events.filter(kind="state").order_by("pk")]
    assert moves == ["queued", "starting", "running", "finalizing", "succeeded"]
    assert not LineageEdge.objects.filter(source="confirmed").exists()


# --- what a report may say --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "said",
    [
        {"state": State.RUNNING},
        {"state": State.FAILED},
        {"state": State.FAILED, "failure_code": "bad_luck"},
        {"state": State.SUCCEEDED, "failure_code": "internal"},
        {"state": State.SUCCEEDED, "metrics": {"final": {"accuracy": 0.9}}},
        {"state": State.SUCCEEDED, "metrics": {"final": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}}},
        {"state": State.SUCCEEDED, "metrics": {"final": {"accuracy": METRIC | {"low": float("nan")}}}},
        {"state": State.SUCCEEDED, "metrics": {"final": ["accuracy"]}},
        {"state": State.SUCCEEDED, "metrics": {"baselines": {"majority": {"accuracy": {}}}}},
        {"state": State.SUCCEEDED, "metrics": {"confusion": "x" * 600_000}},
    ],
)
def test_a_report_that_says_nothing_sound_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(WorkerMessageError):
        report_check(Report(**{"metrics": {}, **said}))


# --- immutability, in the database ------------------------------------------------------------------------------
@pytest.fixture
def ended(attempt: Attempt, job: Job) -> Job:
    """A job that has failed."""
    attempt.finish(State.FAILED, failure_code="internal")
    return _reloaded(job)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "queued"}, {"state": "succeeded"}, {"metrics": {"x": 1}}, {"failure_code": ""}, {"attempt": 0},
        {"spec": {}}, {"output_commit": "a" * 40}, {"finished_at": None}, {"log_tail": ["x"]}, {"progress": 0.5},
    ],
)  # fmt: skip
def test_the_database_refuses_to_change_an_ended_job(ended: Job, change: dict[str, Any]) -> None:
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        Job.objects.filter(pk=ended.pk).update(**change)
    assert _reloaded(ended).state == "failed"


def test_every_column_of_an_ended_job_is_guarded(ended: Job) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'job_ended_is_final'")
        else:
            cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'job_ended_is_final'")
        definition = cursor.fetchone()[0]
    unguarded = [field.column for field in Job._meta.concrete_fields if field.column not in definition]
    assert unguarded == []


def test_an_ended_job_outlives_its_repositories(ended: Job, encoder: Repository, owner: Principal) -> None:
    repository_delete(principal=owner, repository=encoder)
    assert _reloaded(ended).base is None


def test_an_ended_job_cannot_be_given_another_repository(ended: Job, reviews: Repository) -> None:
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        Job.objects.filter(pk=ended.pk).update(base=reviews)


def test_the_database_refuses_to_change_an_event(job: Job) -> None:
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        JobEvent.objects.filter(job=job).update(payload={})


def test_deleting_a_person_deletes_their_jobs(ended: Job, bob: User) -> None:
    Job.objects.filter(pk=ended.pk).delete()
    assert not JobEvent.objects.filter(job_id=ended.pk).exists()
