"""What a job needs of the license gate, asked for the requester: at the request, at the claim and at each heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.access.services import authorize, authorize_preview
from registry.accounts.models import Namespace, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.selectors import principal_for_user
from registry.jobs.models import Job
from registry.licensing.gate import Decision
from registry.repositories.models import Repository

# (part of the spec) -> action asked of the gate (design: jobs, What a person can ask for).
_NEEDS: Mapping[str, Mapping[str, str]] = {
    "finetune": {"base": "modify", "data": "use"},
    "evaluate": {"model": "evaluate", "data": "use"},
}


@dataclass(frozen=True, slots=True)
class Need:
    """One question: may the requester do this with this commit?"""

    part: str
    action: str
    repository: Repository
    commit: str


def needs_of(spec: Mapping[str, Any], repositories: Mapping[str, Repository]) -> list[Need]:
    """Returns the questions of a spec whose revisions are resolved; `repositories` by part of the spec."""
    return [
        Need(part, action, repositories[part], spec[part]["revision"]) for part, action in _NEEDS[spec["kind"]].items()
    ]


def decide(principal: Principal, need: Need, *, purpose: str, environment: str = "") -> Decision:
    """Asks and records."""
    return authorize(
        principal=principal,
        action=need.action,
        repository=need.repository,
        commit=need.commit,
        purpose=purpose,
        environment=environment,
    )


def denial_of(job: Job) -> str | None:
    """Returns why the gate no longer allows a job, for its requester as they are now; None while it does.

    Looks without recording, since heartbeats ask often; only a denial is recorded, so that it can be found and mended.
    """
    parts = {"base" if job.kind == "finetune" else "model": job.base_id, "data": job.dataset_id}
    rows = Repository.objects.select_related("namespace", "profile").in_bulk([pk for pk in parts.values() if pk])
    gone = [part for part, pk in parts.items() if pk not in rows]
    if gone:
        return f"the repository in `{gone[0]}` was deleted"
    principal = requester_of(job)
    if not principal.is_authenticated:
        return "the account that asked for the job is suspended or has left its organization"
    for need in needs_of(job.spec, {part: rows[pk] for part, pk in parts.items() if pk}):
        looked = authorize_preview(
            principal=principal, action=need.action, repository=need.repository, purpose=job.purpose
        )
        if not looked.allowed:
            return decide(principal, need, purpose=job.purpose, environment=job.environment).sentence
    return None


def requester_of(job: Job) -> Principal:
    """Returns the requester with what the request was bound to: organization, purpose and environment.

    A requester who left that organization has lost what it was allowed, so nobody is returned.
    """
    user = User.objects.select_related("namespace").get(pk=job.requested_by_id)
    principal = principal_for_user(user)
    if not principal.is_authenticated or not _still_member(principal, job):
        return ANONYMOUS
    return replace(principal, organization_id=job.organization_id, purpose=job.purpose, environment=job.environment)


def _still_member(principal: Principal, job: Job) -> bool:
    if job.organization_id is None:
        return True
    return Namespace.objects.filter(organization=job.organization_id, pk__in=principal.memberships).exists()
