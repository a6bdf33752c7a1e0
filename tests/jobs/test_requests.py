"""Asking for a job: who may, with what, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.access.errors import GateDeniedError
from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.selectors import principal_for_user
from registry.audit.models import OutboxMessage
from registry.errors import AuthenticationError, DeniedError
from registry.jobs.errors import JobDeniedError, JobDoesNotFitError, JobQuotaError, JobSpecError
from registry.jobs.models import Job, Worker
from registry.jobs.services import job_request, worker_register
from registry.licensing.models import DecisionRecord
from registry.repositories.models import Repository
from registry.repositories.selectors import revision_resolve
from registry.repositories.services import repository_update

pytestmark = pytest.mark.django_db
Request = Callable[..., Job]


def _refused_fields(principal: Principal, spec: dict[str, Any]) -> set[str]:
    with pytest.raises(JobSpecError) as refused:
        job_request(principal=principal, spec=spec)
    return {error["field"] for error in refused.value.details["errors"]}


def test_a_request_is_stored_with_defaults_commits_and_decisions(
    job: Job, encoder: Repository, reviews: Repository
) -> None:
    job.refresh_from_db()
    assert (job.state, job.attempt, job.queue, job.purpose) == ("queued", 0, "cpu", "research")
    assert job.spec["base"]["revision"] == revision_resolve(encoder)
    assert job.spec["data"]["revision"] == revision_resolve(reviews)
    assert job.spec["train"]["effective_batch"] == 32
    assert DecisionRecord.objects.filter(pk__in=job.decision_ids).count() == 2
    assert {record.action for record in DecisionRecord.objects.all()} == {"modify", "use"}


def test_the_output_is_created_private_and_empty(job: Job) -> None:
    assert job.output is not None
    assert (job.output.full_name, job.output.visibility) == ("alice/tuned", "private")


def test_the_output_is_public_only_if_asked(request_job: Request) -> None:
    job = request_job(output={"repo": "alice/open", "visibility": "public"})
    assert job.output is not None
    assert job.output.visibility == "public"


def test_a_doorbell_goes_to_the_outbox_with_the_id_alone(job: Job) -> None:
    assert OutboxMessage.objects.get(topic="jobs.ring").payload == {"job": job.pk}


def test_the_first_event_says_that_it_waits(job: Job) -> None:
    event = job.events.get()
    assert (event.kind, event.payload) == ("state", {"to": "queued", "by": "alice"})


def test_names_are_stored_in_their_own_case(request_job: Request) -> None:
    job = request_job(base={"repo": "ALICE/Encoder"})
    assert job.spec["base"]["repo"] == "alice/encoder"


def test_a_dry_run_stores_nothing_and_tells_all(inputs: None, owner: Principal, finetune: dict[str, Any]) -> None:
    result = job_request(principal=owner, spec=finetune, dry_run=True)
    assert (result.job, result.ok, Job.objects.count(), OutboxMessage.objects.filter(topic="jobs.ring").count()) == (
        None, True, 0, 0,
    )  # fmt: skip
    assert [check.name for check in result.checks] == ["gate.base", "gate.data", "quota", "memory"]
    assert result.estimate["total_bytes"] > 0
    assert not Repository.objects.filter(full_name="alice/tuned").exists()


def test_nobody_is_asked_to_sign_in(inputs: None, finetune: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        job_request(principal=ANONYMOUS, spec=finetune)


def test_a_read_token_may_not_start_jobs(
    inputs: None, alice: User, principal_of: Callable[..., Principal], finetune: dict[str, Any]
) -> None:
    with pytest.raises(JobDeniedError):
        job_request(principal=principal_of(alice, "read"), spec=finetune)


def test_a_fine_grained_token_needs_the_scope_and_the_repositories(
    inputs: None, alice: User, principal_of: Callable[..., Principal], finetune: dict[str, Any]
) -> None:
    output = {"type": "model", "name": "alice/tuned", "permissions": ["write"]}
    without = principal_of(alice, "fineGrained", scopes={"repositories": [output]})
    with pytest.raises(JobDeniedError):
        job_request(principal=without, spec=finetune)
    elsewhere = {**output, "name": "alice/other"}
    with pytest.raises(DeniedError):
        job_request(
            principal=principal_of(
                alice, "fineGrained", scopes={"global": ["jobs.write"], "repositories": [elsewhere]}
            ),
            spec=finetune,
        )
    enough = principal_of(alice, "fineGrained", scopes={"global": ["jobs.write"], "repositories": [output]})
    assert job_request(principal=enough, spec=finetune).job is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base": {"repo": "alice/missing"}}, "base.repo"),
        ({"base": {"repo": "alice/bad..name"}}, "base.repo"),
        ({"base": {"repo": "alice/encoder", "revision": "missing"}}, "base.revision"),
        ({"base": {"repo": "alice/encoder", "revision": "a" * 40}}, "base.revision"),
        ({"data": {"repo": "alice/encoder"}}, "data.repo"),
        ({"output": {"repo": "alice/bad..name"}}, "output.repo"),
        ({"output": {"repo": "nobody/tuned"}}, "output.repo"),
        ({"output": {"repo": "alice/encoder"}}, "output.repo"),
        ({"output": {"repo": "alice/new", "branch": "dev"}}, "output.branch"),
    ],
)
def test_what_does_not_exist_is_named_by_field(
    inputs: None, owner: Principal, finetune: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    assert _refused_fields(owner, finetune | change) == {field}
    assert Job.objects.count() == 0


def test_an_existing_output_needs_its_branch(
    inputs: None, owner: Principal, alice: User, make_repo: Callable[..., Repository], finetune: dict[str, Any]
) -> None:
    make_repo(alice, "tuned")
    assert _refused_fields(owner, finetune | {"output": {"repo": "alice/tuned", "branch": "dev"}}) == {"output.branch"}


def test_a_private_model_of_somebody_else_looks_missing(
    inputs: None, encoder: Repository, owner: Principal, bob: User, finetune: dict[str, Any]
) -> None:
    repository_update(principal=owner, repository=encoder, visibility="private")
    spec = finetune | {"output": {"repo": "bob/tuned"}}
    assert _refused_fields(principal_for_user(bob), spec) == {"base.repo"}


def test_a_stranger_may_not_write_into_a_foreign_namespace(inputs: None, bob: User, finetune: dict[str, Any]) -> None:
    with pytest.raises(DeniedError):
        job_request(principal=principal_for_user(bob), spec=finetune)
    with pytest.raises(DeniedError):
        job_request(principal=principal_for_user(bob), spec=finetune, dry_run=True)
    assert not Repository.objects.filter(full_name="alice/tuned").exists()


def test_a_stranger_may_train_a_public_model_into_their_own_namespace(
    inputs: None, bob: User, finetune: dict[str, Any]
) -> None:
    job = job_request(principal=principal_for_user(bob), spec=finetune | {"output": {"repo": "bob/tuned"}}).job
    assert job is not None
    assert job.requested_by == bob


def test_members_write_into_their_organization_by_role(
    inputs: None, acme: Organization, wendy: User, rita: User, finetune: dict[str, Any]
) -> None:
    spec = finetune | {"output": {"repo": "acme/tuned"}}
    with pytest.raises(DeniedError):
        job_request(principal=principal_for_user(rita), spec=spec)
    assert job_request(principal=principal_for_user(wendy), spec=spec).job is not None


def test_the_gate_refuses_with_its_decision(
    reviews: Repository,
    make_repo: Callable[..., Repository],
    alice: User,
    bob: User,
    finetune: dict[str, Any],
) -> None:
    make_repo(alice, "encoder", license="cc-by-nc-4.0")
    spec = finetune | {"output": {"repo": "bob/tuned"}, "purpose": "commercial-product"}
    with pytest.raises(GateDeniedError) as refused:
        job_request(principal=principal_for_user(bob), spec=spec)
    assert refused.value.details["decision"]["verdict"] == "deny"
    assert refused.value.details["decision"]["id"]
    assert Job.objects.count() == 0
    assert not Repository.objects.filter(full_name="bob/tuned").exists()
    dry = job_request(principal=principal_for_user(bob), spec=spec, dry_run=True)
    assert [check.name for check in dry.checks if not check.ok] == ["gate.base"]


def test_a_token_bound_to_a_purpose_asks_for_no_other(
    inputs: None, alice: User, principal_of: Callable[..., Principal], finetune: dict[str, Any]
) -> None:
    bound = principal_of(alice, "write", purpose="research")
    assert _refused_fields(bound, finetune | {"purpose": "commercial-product"}) == {"purpose"}
    job = job_request(principal=bound, spec=finetune).job
    assert job is not None
    assert job.purpose == "research"


def test_an_evaluation_is_for_evaluation_and_needs_no_output(
    inputs: None, owner: Principal, evaluate: dict[str, Any]
) -> None:
    job = job_request(principal=owner, spec=evaluate).job
    assert job is not None
    assert (job.purpose, job.output, job.spec["output"]) == ("evaluation", None, None)


def test_an_evaluation_writes_only_to_a_model_that_exists(
    inputs: None, owner: Principal, bob: User, evaluate: dict[str, Any]
) -> None:
    assert _refused_fields(owner, evaluate | {"output": {"repo": "alice/missing"}}) == {"output.repo"}
    with pytest.raises(DeniedError):
        job_request(principal=principal_for_user(bob), spec=evaluate | {"output": {"repo": "alice/encoder"}})
    job = job_request(principal=owner, spec=evaluate | {"output": {"repo": "alice/encoder"}}).job
    assert job is not None
    assert job.output == job.base


def test_too_many_unfinished_jobs_are_refused(request_job: Request, settings: Any) -> None:
    settings.MAX_UNFINISHED_JOBS = 2
    request_job()
    request_job()
    with pytest.raises(JobQuotaError):
        request_job()
    Job.objects.first().delete()  # type: ignore[union-attr]
    request_job()


@pytest.fixture
def small_worker(db: None) -> Worker:
    """A worker with half a gigabyte."""
    capabilities = {"memory_bytes": 500_000_000, "gpus": [], "kinds": ["finetune"]}
    return worker_register(name="small", queues=["jobs-cpu"], capabilities=capabilities)


def test_what_fits_no_worker_is_refused_with_numbers(
    inputs: None, small_worker: Worker, owner: Principal, finetune: dict[str, Any]
) -> None:
    with pytest.raises(JobDoesNotFitError) as refused:
        job_request(principal=owner, spec=finetune)
    assert refused.value.details["largest_bytes"] == 500_000_000
    assert refused.value.details["minimum_bytes"] > 500_000_000
    assert "the largest worker has 0.5 GB; LoRA needs about" in refused.value.message
    assert not Repository.objects.filter(full_name="alice/tuned").exists()


def test_a_roomier_worker_makes_it_fit(small_worker: Worker, worker: Worker, request_job: Request) -> None:
    assert request_job().state == "queued"


def test_workers_of_other_kinds_do_not_count(worker: Worker, request_job: Request) -> None:
    Worker.objects.update(capabilities={"memory_bytes": 1, "kinds": ["scan"]})
    assert request_job().state == "queued"


def test_a_gpu_job_needs_a_worker_with_gpus(worker: Worker, request_job: Request) -> None:
    with pytest.raises(JobDoesNotFitError):
        request_job(limits={"gpus": 1})
    gpu = {"name": "H200", "memory_bytes": 141 * 10**9, "bf16": True}
    Worker.objects.create(name="gpu", capabilities={"memory_bytes": 10**9, "gpus": [gpu], "kinds": ["finetune"]})
    assert request_job(limits={"gpus": 1}).queue == "gpu"
    with pytest.raises(JobDoesNotFitError):
        request_job(limits={"gpus": 2})


capabilities = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=50)
@given(memory=capabilities, gpus=capabilities, kinds=st.just(["finetune"]), asked=st.integers(0, 2))
def test_whatever_a_worker_says_of_itself_the_room_is_a_number_or_none(
    memory: Any, gpus: Any, kinds: Any, asked: int
) -> None:
    from registry.jobs.workers import largest_memory  # noqa: PLC0415 (beside its only use)

    worker = Worker(name="odd", capabilities={"memory_bytes": memory, "gpus": gpus, "kinds": kinds})
    size = largest_memory([worker], kind="finetune", gpus=asked)
    assert size is None or isinstance(size, int)


@pytest.mark.parametrize("config", [b"{", b"[]", b"\xff", b'{"hidden_size": "wide"}', b"[" * 5000])
def test_a_broken_configuration_does_not_stop_a_request(
    *,
    reviews: Repository,
    make_repo: Callable[..., Repository],
    alice: User,
    owner: Principal,
    finetune: dict[str, Any],
    config: bytes,
) -> None:
    make_repo(alice, "encoder", files={"config.json": config})
    assert job_request(principal=owner, spec=finetune).job is not None
