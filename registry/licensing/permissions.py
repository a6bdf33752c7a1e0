"""Who may administer the offers, requests and entitlements of a repository: its person's role and the token, both."""

from __future__ import annotations

from typing import Protocol

from django.db.models import Q

from registry.accounts.permissions import Permission, token_allows, token_allows_globally
from registry.accounts.principal import Principal
from registry.errors import AuthenticationError
from registry.licensing.errors import LicensingDeniedError

_ROLES: dict[Permission, frozenset[str]] = {
    "read": frozenset({"owner", "admin", "write", "contributor", "read"}),
    "write": frozenset({"owner", "admin", "write"}),
    "admin": frozenset({"owner", "admin"}),
}


class RepositoryRow(Protocol):
    """What this application needs of a repository; the row itself belongs to `registry.repositories`."""

    @property
    def pk(self) -> int:
        """Primary key."""

    namespace_id: int
    type: str
    full_name: str
    gated: str


def target_of(repository: RepositoryRow) -> str:
    """Returns how the audit trail names a repository."""
    return f"{repository.type}:{repository.full_name}"


def administers(principal: Principal, repository: RepositoryRow, need: Permission = "admin") -> bool:
    """True if the caller may do this on the repository: its owner, a member with the role, or staff."""
    if principal.is_staff and token_allows_globally(principal, "repositories.write"):
        return True
    allowed = token_allows(principal, type=repository.type, full_name=repository.full_name, permission=need)
    return allowed and principal.role_in(repository.namespace_id) in _ROLES[need]


def require_admin(principal: Principal | None, repository: RepositoryRow, need: Permission = "admin") -> None:
    """Refuses callers who may not administer the repository; None is the operator at the command line.

    Raises:
        AuthenticationError: nobody is signed in.
        LicensingDeniedError: role or token do not suffice.
    """
    if principal is None or administers(principal, repository, need):
        return
    require_user(principal)
    raise LicensingDeniedError(
        f"only those with the {need} role on `{repository.full_name}` may do this, with a token that has write access",
        need=need,
    )


def require_user(principal: Principal) -> int:
    """Returns the caller's user id.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    if principal.user_id is None:
        raise AuthenticationError("sign in first: send a token in the Authorization header")
    return principal.user_id


def require_assent(principal: Principal, repository: RepositoryRow) -> int:
    """Returns the id of the user who agrees to something, or asks for access, on a repository.

    A fine-grained token, such as a job's, speaks for its person only where its scopes let it write: a program that may
    read a model must not agree to terms in somebody's name.

    Raises:
        AuthenticationError: nobody is signed in.
        LicensingDeniedError: the token's scopes do not reach so far.
    """
    user_id = require_user(principal)
    fine = principal.token_role == "fineGrained"  # noqa: S105 (a role)
    if fine and not token_allows(principal, type=repository.type, full_name=repository.full_name, permission="write"):
        raise LicensingDeniedError(
            f"this token may not agree to terms of `{repository.full_name}` for you: do it on its page, or with a "
            "token whose scopes include `write` there"
        )
    return user_id


def within_scopes(principal: Principal, repository: str) -> Q:
    """Returns the condition that a record is about a repository that a fine-grained token may read; all for others.

    Args:
        principal: who asks.
        repository: the lookup path from the record to its repository.
    """
    if principal.token_role != "fineGrained" or _reads_all(principal):  # noqa: S105 (a role)
        return Q()
    condition = Q(pk__in=[])
    for scope in principal.scopes.get("repositories", ()):
        name = scope["name"]
        lookup = (
            {f"{repository}__full_name__istartswith": name[:-1]}
            if name.endswith("/*")
            else {f"{repository}__full_name__iexact": name}
        )
        condition |= Q(**lookup, **{f"{repository}__type": scope["type"]})
    return condition


def oversees(principal: Principal) -> bool:
    """True for staff whose token, if it is one, reaches every repository."""
    return principal.is_staff and (principal.token_role != "fineGrained" or _reads_all(principal))  # noqa: S105 (a role)


def _reads_all(principal: Principal) -> bool:
    return any(name.startswith("repositories.") for name in principal.scopes.get("global", ()))
