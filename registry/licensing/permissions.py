"""Who may administer the offers, requests and entitlements of a repository: its person's role and the token, both."""

from __future__ import annotations

from typing import Protocol

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
