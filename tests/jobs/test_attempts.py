"""Claim, lease, fencing: of two workers one has the job, and what a former one still says is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.accounts.errors import InvalidCredentialsError
from registry.accounts.models import AccessToken, Organization, User
from registry.accounts.permissions import token_allows
from registry.accounts.principal import Principal
from registry.accounts.selectors import principal_for_secret, principal_for_user
from registry.accounts.services import membership_remove, token_create
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.errors import (
    JobNotClaimableError,
    JobNotFoundError,
    JobStateError,
    StaleAttemptError,
    WorkerCredentialsError,
    WorkerMessageError,
)
from registry.jobs.models import Job, Worker
from registry.jobs.services import (
    attempt_advance,
    attempt_heartbeat,
    attempt_resolve,
    job_claim,
    job_request,
    job_stop,
    lost_jobs_requeue,
)
from registry.jobs.states import State
from registry.repositories.models import Repository
from registry.repositories.services import repository_delete, repository_update

pytestmark = pytest.mark.django_db
Claim = Callable[[Job], tuple[Claimed, AttemptCredentials]]


def _later(seconds: float = 91) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def test_a_claim_takes_the_job_for_ninety_seconds(job: Job, claim: Claim, worker: Worker) -> None:
    claimed, credentials = claim(job)
    assert (claimed.job.state, claimed.job.attempt, credentials.fencing_token) == ("starting", 1, 1)
    assert claimed.job.worker == worker
    assert claimed.job.lease_expires_at is not None
    left = (claimed.job.lease_expires_at - timezone.now()).total_seconds()
    assert 80 < left <= 90


def test_the_same_message_twice_claims_once(job: Job, claim: Claim) -> None:
    claim(job)
    with pytest.raises(JobNotClaimableError):
        claim(job)
    job.refresh_from_db()
    assert job.attempt == 1


def test_a_job_that_never_was_cannot_be_claimed(worker: Worker) -> None:
    with pytest.raises(JobNotFoundError):
        job_claim(job_id="job_00000000000000000000000000", worker_name=worker.name)


def test_a_worker_registers_before_it_claims(job: Job) -> None:
    with pytest.raises(WorkerMessageError):
        job_claim(job_id=job.pk, worker_name="nobody")


def test_the_job_token_reads_inputs_and_writes_the_output_only(
    request_job: Callable[..., Job], claim: Claim, make_repo: Callable[..., Repository], alice: User
) -> None:
    make_repo(alice, "secret", private=True)
    claimed, _ = claim(request_job())
    principal = principal_for_secret(claimed.secret)
    assert (principal.username, principal.purpose) == ("alice", "research")
    allowed = {
        (name, permission)
        for kind, name in (("model", "encoder"), ("dataset", "reviews"), ("model", "tuned"), ("model", "secret"))
        for permission in ("read", "write", "admin")
        if token_allows(principal, type=kind, full_name=f"alice/{name}", permission=permission)  # type: ignore[arg-type]
    }
    assert allowed == {("encoder", "read"), ("reviews", "read"), ("tuned", "read"), ("tuned", "write")}


def test_the_job_token_starts_no_jobs_and_sees_no_other(
    request_job: Callable[..., Job], claim: Claim, finetune: dict[str, Any]
) -> None:
    from registry.errors import DeniedError  # noqa: PLC0415 (beside its only use)
    from registry.jobs.selectors import job_get  # noqa: PLC0415

    other, mine = request_job(), request_job()
    claimed, _ = claim(mine)
    principal = principal_for_secret(claimed.secret)
    with pytest.raises(DeniedError):
        job_request(principal=principal, spec=finetune)
    assert job_get(principal, mine.pk) == mine
    with pytest.raises(JobNotFoundError):
        job_get(principal, other.pk)


def test_a_heartbeat_prolongs_lease_and_token(job: Job, claim: Claim) -> None:
    claimed, credentials = claim(job)
    soon = timezone.now() + timedelta(seconds=30)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=soon)
    AccessToken.objects.filter(pk=claimed.job.token_id).update(expires_at=soon)
    pulse = attempt_heartbeat(job_id=job.pk, credentials=credentials, progress=0.25, phase="training")
    assert pulse.directive == "continue"
    job.refresh_from_db()
    assert (job.progress, job.phase) == (0.25, "training")
    assert job.lease_expires_at is not None
    assert job.lease_expires_at > soon
    token = AccessToken.objects.get(pk=claimed.job.token_id)
    assert token.expires_at is not None
    assert token.expires_at > soon + timedelta(minutes=10)


def test_a_heartbeat_is_cheap(job: Job, claim: Claim, django_assert_max_num_queries: Any) -> None:
    _, credentials = claim(job)
    attempt_heartbeat(job_id=job.pk, credentials=credentials)
    with django_assert_max_num_queries(13):  # two of them are the savepoint that a test's transaction adds
        attempt_heartbeat(job_id=job.pk, credentials=credentials)


def test_an_expired_lease_puts_the_job_back_and_revokes_the_token(job: Job, claim: Claim) -> None:
    claimed, credentials = claim(job)
    assert lost_jobs_requeue(now=_later()) == [job.pk]
    job.refresh_from_db()
    assert (job.state, job.attempt, job.lease_expires_at, job.worker) == ("queued", 1, None, None)
    with pytest.raises(StaleAttemptError):
        attempt_heartbeat(job_id=job.pk, credentials=credentials)
    with pytest.raises(InvalidCredentialsError):  # so a late commit is refused by the hub's other addresses as well
        principal_for_secret(claimed.secret)


def test_a_lease_that_holds_is_left_alone(job: Job, claim: Claim) -> None:
    claim(job)
    assert lost_jobs_requeue(now=_later(60)) == []


def test_the_next_attempt_fences_out_the_former(job: Job, claim: Claim) -> None:
    _, first = claim(job)
    lost_jobs_requeue(now=_later())
    _, second = claim(job)
    assert second.fencing_token > first.fencing_token
    with pytest.raises(StaleAttemptError):
        attempt_advance(job_id=job.pk, credentials=first, state=State.RUNNING)
    assert attempt_advance(job_id=job.pk, credentials=second, state=State.RUNNING).job.state == "running"


def test_a_right_token_with_a_wrong_fencing_token_is_stale(job: Job, claim: Claim) -> None:
    _, credentials = claim(job)
    with pytest.raises(StaleAttemptError):
        attempt_heartbeat(job_id=job.pk, credentials=AttemptCredentials(credentials.secret, 99))


def test_after_the_last_attempt_the_job_has_failed(job: Job, claim: Claim) -> None:
    for _ in range(2):
        claim(job)
        lost_jobs_requeue(now=_later())
    job.refresh_from_db()
    assert (job.state, job.failure_code) == ("failed", "worker_lost")
    assert "ask again" in job.failure_message


def test_the_token_of_another_job_opens_nothing(request_job: Callable[..., Job], claim: Claim) -> None:
    one, two = request_job(), request_job()
    _, credentials = claim(one)
    claim(two)
    with pytest.raises(JobNotFoundError):
        attempt_heartbeat(job_id=two.pk, credentials=credentials)


def test_an_ordinary_token_opens_nothing(job: Job, claim: Claim, alice: User) -> None:
    claim(job)
    _, secret = token_create(user=alice, name="mine", role="write")
    with pytest.raises(JobNotFoundError):
        attempt_heartbeat(job_id=job.pk, credentials=AttemptCredentials(secret, 1))


def test_a_made_up_or_expired_token_is_no_credential(job: Job, claim: Claim) -> None:
    claimed, credentials = claim(job)
    with pytest.raises(WorkerCredentialsError):
        attempt_heartbeat(job_id=job.pk, credentials=AttemptCredentials("wb_made_up", 1))
    AccessToken.objects.filter(pk=claimed.job.token_id).update(expires_at=timezone.now())
    with pytest.raises(WorkerCredentialsError):
        attempt_heartbeat(job_id=job.pk, credentials=credentials)


def test_states_follow_the_table_and_repeat_harmlessly(job: Job, claim: Claim) -> None:
    _, credentials = claim(job)
    for state in (State.RUNNING, State.RUNNING, State.FINALIZING, State.FINALIZING):
        attempt_advance(job_id=job.pk, credentials=credentials, state=state)
    with pytest.raises(JobStateError):
        attempt_advance(job_id=job.pk, credentials=credentials, state=State.RUNNING)
    moves = [event.payload["to"] for event in job.events.filter(kind="state").order_by("pk")]
    assert moves == ["queued", "starting", "running", "finalizing"]


def test_settled_values_are_merged_for_the_next_attempt(job: Job, claim: Claim) -> None:
    _, credentials = claim(job)
    attempt_resolve(job_id=job.pk, credentials=credentials, values={"train.lr": 0.1, "train.micro_batch": 8})
    attempt_resolve(job_id=job.pk, credentials=credentials, values={"train.lr": float("nan")})
    job.refresh_from_db()
    assert job.resolved == {"train.lr": "NaN", "train.micro_batch": 8}


# --- the license while the job waits and runs -------------------------------------------------------------------
@pytest.fixture
def bobs_job(encoder: Repository, reviews: Repository, bob: User, finetune: dict[str, Any]) -> Job:
    """A job of bob's on alice's public model."""
    job = job_request(principal=principal_for_user(bob), spec=finetune | {"output": {"repo": "bob/tuned"}}).job
    assert job is not None
    return job


def test_a_right_withdrawn_while_it_waits_blocks_the_job(
    bobs_job: Job, claim: Claim, encoder: Repository, owner: Principal
) -> None:
    repository_update(principal=owner, repository=encoder, visibility="private")
    with pytest.raises(JobNotClaimableError):
        claim(bobs_job)
    bobs_job.refresh_from_db()
    assert (bobs_job.state, bobs_job.failure_code) == ("failed", "license_blocked")


def test_a_right_withdrawn_while_it_runs_is_said_at_the_next_heartbeat(
    bobs_job: Job, claim: Claim, encoder: Repository, owner: Principal
) -> None:
    claimed, credentials = claim(bobs_job)
    repository_update(principal=owner, repository=encoder, visibility="private")
    pulse = attempt_heartbeat(job_id=bobs_job.pk, credentials=credentials)
    assert (pulse.directive, pulse.job.state) == ("license_revoked", "stopping")
    again = attempt_heartbeat(job_id=bobs_job.pk, credentials=credentials)
    assert again.directive == "license_revoked"
    principal = principal_for_secret(claimed.secret)  # it may still report, and may not publish any more
    assert not token_allows(principal, type="model", full_name="bob/tuned", permission="write")


def test_a_deleted_input_ends_the_job(bobs_job: Job, claim: Claim, reviews: Repository, owner: Principal) -> None:
    _, credentials = claim(bobs_job)
    repository_delete(principal=owner, repository=reviews)
    assert attempt_heartbeat(job_id=bobs_job.pk, credentials=credentials).directive == "license_revoked"


def test_a_suspended_requester_ends_the_job(bobs_job: Job, claim: Claim, bob: User) -> None:
    _, credentials = claim(bobs_job)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert attempt_heartbeat(job_id=bobs_job.pk, credentials=credentials).directive == "license_revoked"


def test_leaving_the_organization_ends_what_was_asked_for_it(
    *,
    inputs: None,
    acme: Organization,
    wendy: User,
    principal_of: Callable[..., Principal],
    claim: Claim,
    finetune: dict[str, Any],
) -> None:
    bound = principal_of(wendy, "write", organization=acme)
    job = job_request(principal=bound, spec=finetune | {"output": {"repo": "acme/tuned"}}).job
    assert job is not None
    assert job.organization == acme
    _, credentials = claim(job)
    assert attempt_heartbeat(job_id=job.pk, credentials=credentials).directive == "continue"
    membership_remove(organization=acme, user=wendy)
    assert attempt_heartbeat(job_id=job.pk, credentials=credentials).directive == "license_revoked"


# --- stopping ---------------------------------------------------------------------------------------------------
def test_a_queued_job_is_cancelled_at_once(job: Job, owner: Principal) -> None:
    assert job_stop(principal=owner, job=job).state == "cancelled"
    assert job_stop(principal=owner, job=job).state == "cancelled"
    assert job.events.filter(kind="state").count() == 2


def test_a_running_job_is_told_to_stop_and_may_not_publish(job: Job, claim: Claim, owner: Principal) -> None:
    claimed, credentials = claim(job)
    job_stop(principal=owner, job=job, mode="cancel")
    pulse = attempt_heartbeat(job_id=job.pk, credentials=credentials)
    assert (pulse.directive, pulse.job.state) == ("stop_cancel", "stopping")
    principal = principal_for_secret(claimed.secret)
    assert not token_allows(principal, type="model", full_name="alice/tuned", permission="write")


def test_keep_may_become_cancel_but_not_the_other_way(job: Job, claim: Claim, owner: Principal) -> None:
    _, credentials = claim(job)
    job_stop(principal=owner, job=job, mode="keep")
    assert attempt_heartbeat(job_id=job.pk, credentials=credentials).directive == "stop_keep"
    job_stop(principal=owner, job=job, mode="cancel")
    job_stop(principal=owner, job=job, mode="keep")
    assert attempt_heartbeat(job_id=job.pk, credentials=credentials).directive == "stop_cancel"


def test_advancing_while_stopping_changes_nothing(job: Job, claim: Claim, owner: Principal) -> None:
    _, credentials = claim(job)
    job_stop(principal=owner, job=job, mode="keep")
    pulse = attempt_advance(job_id=job.pk, credentials=credentials, state=State.FINALIZING)
    assert (pulse.job.state, pulse.directive) == ("stopping", "stop_keep")


def test_a_cancelled_job_whose_worker_is_gone_ends_cancelled(job: Job, claim: Claim, owner: Principal) -> None:
    claim(job)
    job_stop(principal=owner, job=job)
    lost_jobs_requeue(now=_later())
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_an_evaluation_cannot_be_kept_half_done(
    encoder: Repository, reviews: Repository, owner: Principal, evaluate: dict[str, Any]
) -> None:
    job = job_request(principal=owner, spec=evaluate).job
    assert job is not None
    with pytest.raises(JobStateError):
        job_stop(principal=owner, job=job, mode="keep")


def test_a_read_token_stops_nothing(job: Job, alice: User, principal_of: Callable[..., Principal]) -> None:
    from registry.jobs.errors import JobDeniedError  # noqa: PLC0415 (beside its only use)

    with pytest.raises(JobDeniedError):
        job_stop(principal=principal_of(alice, "read"), job=job)
