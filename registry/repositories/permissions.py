"""Who may see and change a repository: the person's role and the token's limits, which must both agree."""

from __future__ import annotations

from typing import Literal

from django.db.models import Q

from registry.accounts.permissions import token_allows
from registry.accounts.principal import Principal
from registry.errors import AuthenticationError, DeniedError
from registry.repositories.models import Repository, Visibility

Need = Literal["read", "write", "admin"]
_WRITERS = frozenset({"owner", "admin", "write"})
_ADMINS = frozenset({"owner", "admin"})


def person_may(principal: Principal, repository: Repository, need: Need) -> bool:
    """True if the person's role in the repository's namespace suffices; the token is not asked.

    A contributor writes to the repositories that they created, and reads the rest (roles: `accounts.models.Role`).
    """
    role = principal.role_in(repository.namespace_id)
    if need == "read":
        return repository.visibility == Visibility.PUBLIC or bool(role)
    if need == "write":
        own = role == "contributor" and repository.created_by_id == principal.user_id
        return own or role in _WRITERS
    return role in _ADMINS


def may(principal: Principal, repository: Repository, need: Need) -> bool:
    """True if this caller, with these credentials, may read, write or administer the repository.

    Anybody may read a public repository, whatever their token's scopes say of others.
    """
    if need == "read" and repository.visibility == Visibility.PUBLIC:
        return True
    return person_may(principal, repository, need) and token_allows(
        principal, type=repository.type, full_name=repository.full_name, permission=need
    )


def visible_condition(principal: Principal) -> Q:
    """Returns the condition on repositories that `may(…, "read")` holds; strangers do not see disabled ones listed."""
    public = Q(visibility=Visibility.PUBLIC, disabled=False)
    if not principal.is_authenticated:
        return public
    own = Q(namespace_id__in=[principal.namespace_id, *principal.memberships])
    if principal.token_role == "fineGrained":  # noqa: S105 (a role)
        own &= _scoped(principal)
    return public | own


def _scoped(principal: Principal) -> Q:
    """The repositories that a fine-grained token may read (scopes as in `accounts.permissions.token_allows`)."""
    if any(name.startswith("repositories.") for name in principal.scopes.get("global", ())):
        return Q()
    condition = Q(pk__in=[])
    for scope in principal.scopes.get("repositories", ()):
        name = scope["name"]
        where = Q(full_name__istartswith=name[:-1]) if name.endswith("/*") else Q(full_name__iexact=name)
        condition |= where & Q(type=scope["type"])
    return condition


_REFUSAL = {
    "read": "you may not read `{name}`",
    "write": "you have no write access to `{name}`: ask its owner for the write role, or use a token with write access",
    "admin": "only an owner or admin of `{name}` may do this, with a token that has write access",
}


def require(principal: Principal, repository: Repository, need: Need) -> None:
    """Lets the caller pass or raises.

    Raises:
        AuthenticationError: nobody is signed in, and more than reading is needed.
        DeniedError: role or token do not suffice.
    """
    if may(principal, repository, need):
        return
    if not principal.is_authenticated:
        raise AuthenticationError("sign in first: send a token in the Authorization header")
    raise DeniedError(_REFUSAL[need].format(name=repository.full_name), need=need)
