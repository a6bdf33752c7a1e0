"""What jobs need: a model, a dataset, licenses, a registered worker, ways to ask for a job and to claim it."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.accounts.selectors import principal_for_user
from registry.catalogue.publishing import repository_publish
from registry.jobs import services
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.models import Job, Worker
from registry.licensing.models import License
from registry.licensing.terms import digest_of, load_entries
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile

FINETUNE: dict[str, Any] = {
    "kind": "finetune",
    "task": "text-classification",
    "base": {"repo": "alice/encoder"},
    "data": {"repo": "alice/reviews"},
    "output": {"repo": "alice/tuned"},
}
EVALUATE: dict[str, Any] = {
    "kind": "evaluate",
    "task": "text-classification",
    "model": {"repo": "alice/encoder"},
    "data": {"repo": "alice/reviews"},
}
GIGABYTE = 10**9
_ENTRIES = {entry["id"]: entry for entry in load_entries()}
_LICENSES = ("apache-2.0", "cc0-1.0", "cc-by-nc-4.0", "unknown", "other")


@pytest.fixture
def finetune() -> dict[str, Any]:
    """The shortest request to fine-tune."""
    return copy.deepcopy(FINETUNE)


@pytest.fixture
def evaluate() -> dict[str, Any]:
    """The shortest request to evaluate."""
    return copy.deepcopy(EVALUATE)


@pytest.fixture
def licenses(db: None) -> None:
    """Some licenses of the catalogue."""
    for key in _LICENSES:
        entry = _ENTRIES[key]
        License.objects.create(
            id=key,
            name=entry["name"],
            category=entry["category"],
            hf_id=entry.get("hf_id") or "",
            url=entry.get("url") or "",
            confidence=entry["confidence"],
            terms=entry,
            terms_sha256=digest_of(entry),
        )


def tiny_safetensors() -> bytes:
    """Returns a whole safetensors file with one tensor of 6 fp32 values."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(24)


@pytest.fixture
def make_repo(licenses: None) -> Callable[..., Repository]:
    """Returns `make_repo(owner, name, type="model", license="apache-2.0", files={}, private=False, namespace=None)`."""

    def make(
        owner: User,
        name: str,
        *,
        type: str = "model",  # noqa: A002 (the domain's word)
        license: str = "apache-2.0",  # noqa: A002 (the card's word)
        files: dict[str, bytes] | None = None,
        private: bool = False,
        namespace: str | None = None,
    ) -> Repository:
        card = f"---\nlicense: {license}\n---\n# {name}\n" if license else f"# {name}\n"
        contents = {"README.md": card.encode(), **(files or {})}
        return repository_publish(
            principal=principal_for_user(owner),
            type=type,
            namespace=namespace,
            name=name,
            private=private,
            files=tuple(AddFile(path, data) for path, data in contents.items()),
        )

    return make


@pytest.fixture
def encoder(make_repo: Callable[..., Repository], alice: User) -> Repository:
    """Alice's model, with weights and a configuration."""
    config = {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": tiny_safetensors()}
    return make_repo(alice, "encoder", files=files)


@pytest.fixture
def reviews(make_repo: Callable[..., Repository], alice: User) -> Repository:
    """Alice's dataset."""
    files = {"train.csv": b"text,label\ngood,1\nbad,0\n"}
    return make_repo(alice, "reviews", type="dataset", license="cc0-1.0", files=files)


@pytest.fixture
def inputs(encoder: Repository, reviews: Repository) -> None:
    """The model and the dataset that the shortest request names."""


@pytest.fixture
def worker(db: None) -> Worker:
    """A worker of 16 GB that can do both kinds."""
    return services.worker_register(
        name="host-1/cpu-0",
        queues=["jobs-cpu"],
        capabilities={"memory_bytes": 16 * GIGABYTE, "gpus": [], "kinds": ["finetune", "evaluate"]},
    )


@pytest.fixture
def owner(alice: User) -> Principal:
    """Alice's principal, signed in."""
    return principal_for_user(alice)


@pytest.fixture
def request_job(encoder: Repository, reviews: Repository, owner: Principal) -> Callable[..., Job]:
    """Returns `request_job(**parts)`: a fine-tuning job of alice's that waits for a worker."""

    def request(*, principal: Principal | None = None, **parts: Any) -> Job:
        spec = {**copy.deepcopy(FINETUNE), **parts}
        job = services.job_request(principal=principal or owner, spec=spec).job
        assert job is not None
        return job

    return request


@pytest.fixture
def job(request_job: Callable[..., Job]) -> Job:
    """A queued job of alice's, with two attempts."""
    return request_job()


@pytest.fixture
def claim(worker: Worker) -> Callable[[Job], tuple[Claimed, AttemptCredentials]]:
    """Returns `claim(job)`: the worker takes the job; what it got, and what it shows from then on."""

    def take(job: Job) -> tuple[Claimed, AttemptCredentials]:
        claimed = services.job_claim(job_id=job.pk, worker_name=worker.name)
        return claimed, AttemptCredentials(claimed.secret, claimed.job.fencing_token)

    return take
