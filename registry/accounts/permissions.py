"""What a token allows, apart from what its user may do. Pure, over a `Principal`.

Whether the *person* may see or change a repository is decided by `registry.repositories`; both must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from registry.accounts.errors import TokenInvalidError
from registry.accounts.principal import Principal

Permission = Literal["read", "write", "admin"]
# Permissions of a fine-grained token that name no repository.
GLOBAL_PERMISSIONS = frozenset({"repositories.read", "repositories.write", "jobs.read", "jobs.write"})

_RANK = {permission: rank for rank, permission in enumerate(get_args(Permission))}
_TYPES = frozenset({"model", "dataset", "space"})
_SCOPE_KEYS = frozenset({"repositories", "global", "job"})


def token_allows(principal: Principal, *, type: str, full_name: str, permission: Permission) -> bool:  # noqa: A002 (the word that clients use)
    """True if the credentials themselves do not forbid this on a repository.

    A session and a write token may do all that their user may; a read token only reads; a fine-grained token does what
    its scopes say: `{"repositories": [{"type": "model", "name": "acme/x" or "acme/*", "permissions": ["read"]}],
    "global": ["repositories.read"]}`, where a stronger permission includes the weaker. Names match without regard to
    case. Anonymous callers may read.
    """
    if principal.token_role == "fineGrained":  # noqa: S105 (a role)
        return _scopes_allow(principal.scopes, type, full_name.lower(), permission)
    if principal.token_role == "read" or not principal.is_authenticated:  # noqa: S105 (a role)
        return permission == "read"
    return True


def token_allows_globally(principal: Principal, permission: str) -> bool:
    """True if the credentials allow something that names no repository (`jobs.read`, `jobs.write`).

    A read token has the permissions that end in `.read`.
    """
    if principal.token_role == "fineGrained":  # noqa: S105 (a role)
        return permission in principal.scopes.get("global", ())
    if principal.token_role == "read":  # noqa: S105 (a role)
        return permission.endswith(".read")
    return principal.is_authenticated


def _scopes_allow(scopes: Mapping[str, Any], kind: str, full_name: str, permission: Permission) -> bool:
    for name in scopes.get("global", ()):
        noun, _, granted = name.partition(".")
        if noun == "repositories" and _RANK[granted] >= _RANK[permission]:
            return True
    return any(
        scope["type"] == kind
        and _name_matches(scope["name"].lower(), full_name)
        and any(_RANK[granted] >= _RANK[permission] for granted in scope["permissions"])
        for scope in scopes.get("repositories", ())
    )


def _name_matches(pattern: str, full_name: str) -> bool:
    if pattern.endswith("/*"):
        return full_name.startswith(pattern[:-1])
    return pattern == full_name


def check_scopes(scopes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the scopes of a fine-grained token if they are well formed, so that every reader may trust them.

    Raises:
        TokenInvalidError: unknown key, type or permission, or a name that is not `owner/name` or `owner/*`.
    """
    unknown = sorted(set(scopes) - _SCOPE_KEYS)
    if unknown:
        raise TokenInvalidError(f"scopes have no `{unknown[0]}`: use `repositories`, `global`", field="scopes")
    for name in scopes.get("global", []):
        if name not in GLOBAL_PERMISSIONS:
            raise TokenInvalidError(
                f"`{name}` is no permission: use {', '.join(sorted(GLOBAL_PERMISSIONS))}", field="scopes.global"
            )
    for scope in scopes.get("repositories", []):
        _check_repository_scope(scope)
    return dict(scopes)


def _check_repository_scope(scope: Any) -> None:
    if not isinstance(scope, Mapping) or set(scope) != {"type", "name", "permissions"}:
        raise TokenInvalidError(
            "each repository scope needs exactly `type`, `name` and `permissions`", field="scopes.repositories"
        )
    if scope["type"] not in _TYPES:
        raise TokenInvalidError(
            f"`{scope['type']}` is no repository type: use {', '.join(sorted(_TYPES))}", field="scopes.repositories"
        )
    if not isinstance(scope["name"], str) or scope["name"].count("/") != 1:
        raise TokenInvalidError(
            f"`{scope['name']}` is no repository: use `owner/name` or `owner/*`", field="scopes.repositories"
        )
    permissions = scope["permissions"]
    if not isinstance(permissions, list) or not permissions or any(granted not in _RANK for granted in permissions):
        raise TokenInvalidError(
            f"permissions of `{scope['name']}` must be some of {', '.join(_RANK)}", field="scopes.repositories"
        )
