"""The access token of one attempt: made at the claim, prolonged by heartbeats, narrowed by a stop, revoked at the end.

It reads what the job needs, writes the output repository only, and is bound to the job's purpose, organization and
environment, so that every download of the worker passes the gate as the requester's would.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from registry.accounts.models import TokenRole
from registry.accounts.services import token_create, token_extend, token_revoke, token_set_scopes
from registry.jobs.models import Job

LIFETIME = timedelta(minutes=15)
_PROLONG_BELOW = timedelta(minutes=10)


def attempt_token_issue(job: Job) -> str:
    """Makes the token of a locked job's present attempt, revokes that of a former one, and returns the secret."""
    attempt_token_revoke(job)
    token, secret = token_create(
        user=job.requested_by,
        name=f"{job.pk} attempt {job.attempt}",
        role=TokenRole.FINE_GRAINED,
        organization=job.organization,
        purpose=job.purpose,
        environment=job.environment,
        expires_at=timezone.now() + LIFETIME,
        scopes={"job": job.pk, "repositories": _repositories(job)},
    )
    job.token = token
    job.save(update_fields=["token"])
    return secret


def _repositories(job: Job) -> list[dict[str, Any]]:
    held = [(job.base, "read"), (job.dataset, "read"), (job.output, "write")]
    return [
        {"type": repository.type, "name": repository.full_name, "permissions": [permission]}
        for repository, permission in held
        if repository is not None
    ]


def attempt_token_prolong(job: Job) -> None:
    """Gives the token its full lifetime again once a third of it is used."""
    now = timezone.now()
    if job.token is not None and (job.token.expires_at or now) - now < _PROLONG_BELOW:
        token_extend(token=job.token, expires_at=now + LIFETIME)


def attempt_token_restrict(job: Job) -> None:
    """Takes the permission to write, so that a job which is to leave no output cannot publish any more."""
    if job.token is None:
        return
    scopes = job.token.scopes
    read_only = [{**scope, "permissions": ["read"]} for scope in scopes["repositories"]]
    token_set_scopes(token=job.token, scopes={**scopes, "repositories": read_only})


def attempt_token_revoke(job: Job) -> None:
    """Makes the token worthless; the row stays, so that a late message is recognised as stale."""
    if job.token is not None:
        token_revoke(token=job.token)
