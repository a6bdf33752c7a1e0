"""An operator takes a repository out of reach, or gives it back. Nothing is deleted."""

from __future__ import annotations

from django.db import transaction

from registry.accounts.permissions import token_allows_globally
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.errors import DeniedError, InvalidError
from registry.repositories.errors import RepositoryNotFoundError
from registry.repositories.models import Repository


@transaction.atomic
def repository_set_disabled(
    *, principal: Principal | None, repository: Repository, disabled: bool, reason: str
) -> Repository:
    """Disables a repository (every door answers "Access to this resource is disabled.", hub-api 0.4) or enables it.

    Args:
        principal: staff; None for the operator's command line.
        repository: which.
        disabled: out of reach from the next request on, or back.
        reason: why; kept in the audit trail.

    Raises:
        DeniedError: the caller is not staff.
        InvalidError: no reason is given.
        RepositoryNotFoundError: somebody deleted it.
    """
    if principal is not None and not (principal.is_staff and token_allows_globally(principal, "repositories.write")):
        raise DeniedError("only operators may disable and enable repositories")
    if not reason.strip():
        raise InvalidError("a reason is required", field="reason")
    if not Repository.objects.filter(pk=repository.pk).update(disabled=disabled):
        raise RepositoryNotFoundError(f"there is no {repository.type} `{repository.full_name}`")
    audit_record(
        action="repository.disable" if disabled else "repository.enable",
        target=f"{repository.type}:{repository.full_name}",
        principal=principal,
        details={"reason": reason},
    )
    repository.disabled = disabled
    return repository
