"""Where a job publishes: an existing repository that the requester may write, or a new one in a namespace of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.accounts.errors import NamespaceNotFoundError
from registry.accounts.principal import Principal
from registry.accounts.selectors import namespace_get
from registry.catalogue.publishing import repository_publish
from registry.jobs.errors import JobSpecError
from registry.repositories.errors import RepositoryNotFoundError, RevisionNotFoundError
from registry.repositories.models import Repository
from registry.repositories.names import parse_repository_id
from registry.repositories.selectors import repository_get, revision_resolve
from registry.repositories.services import check_may_create


@dataclass(frozen=True, slots=True)
class Target:
    """The output: a repository that exists, one to be created, or none."""

    repository: Repository | None = None
    create: str = ""
    private: bool = True


def target_find(principal: Principal, spec: dict[str, Any], inputs: Mapping[str, Repository]) -> Target:
    """Looks where the output may go, without creating anything.

    Raises:
        JobSpecError: the name, the branch, or the model itself as its own output.
        DeniedError: the repository or namespace is not the requester's to write.
    """
    output = spec["output"]
    if output is None:
        return Target()
    try:
        repository = repository_get(principal, "model", output["repo"], need="write")
    except RepositoryNotFoundError:
        return _new(principal, spec)
    if spec["kind"] == "finetune" and repository.pk == inputs["base"].pk:
        raise _refused("output.repo", "must be another repository than `base.repo`: a model cannot derive from itself")
    output["repo"] = repository.full_name
    _check_branch(repository, output["branch"])
    return Target(repository=repository)


def _check_branch(repository: Repository, branch: str) -> None:
    try:
        revision_resolve(repository, f"refs/heads/{branch}")
    except RevisionNotFoundError:
        raise _refused("output.branch", f"`{repository.full_name}` has no branch `{branch}`: create it first") from None


def _new(principal: Principal, spec: Mapping[str, Any]) -> Target:
    output = spec["output"]
    if spec["kind"] == "evaluate":
        raise _refused("output.repo", f"there is no model `{output['repo']}` that you may write")
    if output["branch"] != "main":
        raise _refused("output.branch", "must be `main` for a repository that does not exist yet")
    try:
        wanted = parse_repository_id("model", output["repo"])
        owner = namespace_get(wanted.namespace)
    except RepositoryNotFoundError:
        raise _refused("output.repo", f"`{output['repo']}` is not a valid repository name") from None
    except NamespaceNotFoundError as error:
        raise _refused("output.repo", f"names a namespace that is not here: {error.message}") from None
    check_may_create(principal, owner, wanted)
    return Target(create=wanted.full_name, private=output["visibility"] == "private")


def _refused(path: str, message: str) -> JobSpecError:
    return JobSpecError(f"`{path}` {message}", errors=[{"field": path, "message": message}])


def target_make(principal: Principal, target: Target) -> Repository | None:
    """Returns the output repository, created in the caller's transaction if it does not exist."""
    if not target.create:
        return target.repository
    namespace, _, name = target.create.partition("/")
    return repository_publish(principal=principal, type="model", namespace=namespace, name=name, private=target.private)
