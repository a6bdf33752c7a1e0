"""Reads: principals from credentials, namespaces by name, and what `whoami-v2` tells."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone

from registry.accounts.errors import InvalidCredentialsError, NamespaceNotFoundError
from registry.accounts.models import AccessToken, Membership, Namespace, Organization, TokenRole, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.secrets import secret_digest
from registry.epochs.caches import EpochCache
from registry.epochs.snapshots import GLOBAL, snapshot_take, user_scope
from registry.http import iso_z

# Rows of tokens that were shown, with their users' memberships, by the digest of the secret.
_tokens: EpochCache[str, tuple[AccessToken, Mapping[int, str]]] = EpochCache(4_000)


def principal_for_user(user: User | AnonymousUser) -> Principal:
    """Returns the principal of a signed-in session; anonymous for nobody and for a suspended user.

    Queries: the user's namespace (unless it is loaded) and the memberships.
    """
    if isinstance(user, AnonymousUser) or not user.is_active:
        return ANONYMOUS
    return _principal(user, _memberships(user.pk))


def principal_for_secret(secret: str) -> Principal:
    """Returns the principal that a token's secret stands for: one small query while nothing about the user changed.

    The row is remembered under the user's epoch; whether it has expired is asked of the clock each time.

    Raises:
        InvalidCredentialsError: the token is unknown, expired or revoked, or its user is suspended (hub-api 0.2).
    """
    digest = secret_digest(secret)
    known = _tokens.peek(digest)
    user_id = _user_of(digest) if known is None else known[0].user_id
    scopes = (user_scope(user_id), GLOBAL)
    snapshot = snapshot_take(scopes)
    found = _tokens.get(digest, snapshot)
    if found is None:
        token = _token_load(digest)
        found = token, _memberships(token.user_id)
        if token.user_id == user_id:
            _tokens.put(digest, found, snapshot, scopes)
    principal = _principal_for_token(*found)
    if principal.token_problem:
        raise InvalidCredentialsError(principal.token_problem)
    return principal


def _user_of(digest: str) -> int:
    """Returns whose token it is, which says what epoch to ask for."""
    if connection.in_atomic_block:  # nothing is remembered then
        return 0
    user_id = AccessToken.objects.filter(secret_sha256=digest).values_list("user_id", flat=True).first()
    if user_id is None:
        raise InvalidCredentialsError
    return user_id


def _token_load(digest: str) -> AccessToken:
    try:
        return AccessToken.objects.select_related("user__namespace", "organization__namespace").get(
            secret_sha256=digest
        )
    except AccessToken.DoesNotExist:
        raise InvalidCredentialsError from None


def principal_for_token(token: AccessToken) -> Principal:
    """Returns the principal of a stored token; one that no longer works is anonymous and says so in `token_problem`."""
    return _principal_for_token(token, _memberships(token.user_id))


def _principal_for_token(token: AccessToken, memberships: Mapping[int, str]) -> Principal:
    problem = token_problem(token, memberships)
    if problem:
        return Principal(token_id=token.pk, token_problem=problem)
    return _principal(token.user, memberships, token)


def token_problem(token: AccessToken, memberships: Mapping[int, str]) -> str:
    """Says why a token does not work: `revoked`, `expired`, `suspended` (the user), `membership_ended`, or nothing."""
    if token.revoked_at is not None:
        return "revoked"
    if token.is_expired(timezone.now()):
        return "expired"
    if not token.user.is_active:
        return "suspended"
    if token.organization is not None and token.organization.namespace.pk not in memberships:
        return "membership_ended"
    return ""


def _memberships(user_id: int) -> Mapping[int, str]:
    rows = Membership.objects.filter(user_id=user_id).values_list("organization__namespace__id", "role")
    return MappingProxyType(dict(rows))


def _principal(user: User, memberships: Mapping[int, str], token: AccessToken | None = None) -> Principal:
    namespace = getattr(user, "namespace", None)  # `manage.py createsuperuser` makes a user without one
    principal = Principal(
        user_id=user.pk,
        username=namespace.name if namespace else user.username,
        namespace_id=namespace.pk if namespace else None,
        is_staff=user.is_staff,
        memberships=memberships,
        default_purpose=user.default_purpose,
    )
    return principal if token is None else _with_token(principal, token)


def _with_token(principal: Principal, token: AccessToken) -> Principal:
    return Principal(
        user_id=principal.user_id,
        username=principal.username,
        namespace_id=principal.namespace_id,
        is_staff=principal.is_staff,
        memberships=principal.memberships,
        default_purpose=principal.default_purpose,
        token_id=token.pk,
        token_role=token.role,
        organization_id=token.organization_id,
        purpose=token.purpose,
        environment=token.environment,
        scopes=token.scopes,
    )


def namespace_get(name: str) -> Namespace:
    """Returns the namespace of this name in whatever case, with its user or organization loaded.

    Raises:
        NamespaceNotFoundError: nobody has the name.
    """
    try:
        return Namespace.objects.select_related("user", "organization").get(Exact(Lower("name"), name.lower()))
    except Namespace.DoesNotExist:
        raise NamespaceNotFoundError(f"there is no user or organization `{name[:100]}`", value=name[:100]) from None


def user_get(name: str) -> User:
    """Returns the user of this name in whatever case.

    Raises:
        NamespaceNotFoundError: no user has the name.
    """
    namespace = namespace_get(name)
    if namespace.user is None:
        raise NamespaceNotFoundError(f"`{namespace.name}` is an organization, not a user", value=namespace.name)
    return namespace.user


def organization_get(name: str) -> Organization:
    """Returns the organization of this name in whatever case.

    Raises:
        NamespaceNotFoundError: no organization has the name.
    """
    namespace = namespace_get(name)
    if namespace.organization is None:
        raise NamespaceNotFoundError(f"`{namespace.name}` is a user, not an organization", value=namespace.name)
    return namespace.organization


def organizations_of(principal: Principal) -> QuerySet[Membership]:
    """Returns the memberships of the principal's user, with organization and namespace loaded, by name."""
    if principal.user_id is None:
        return Membership.objects.none()
    return (
        Membership.objects.filter(user_id=principal.user_id)
        .select_related("organization__namespace")
        .order_by("organization__namespace__name")
    )


def tokens_of(principal: Principal) -> QuerySet[AccessToken]:
    """Returns the tokens of the principal's user that were not revoked, newest first; tokens of jobs left out."""
    if principal.user_id is None:
        return AccessToken.objects.none()
    return (
        AccessToken.objects.filter(user_id=principal.user_id, revoked_at__isnull=True)
        .exclude(scopes__has_key="job")
        .select_related("organization__namespace")
        .order_by("-created_at", "-pk")
    )


def whoami(principal: Principal) -> dict[str, Any]:
    """Returns the body of `GET /api/whoami-v2` (hub-api 1.7).

    Raises:
        InvalidCredentialsError: nobody is signed in.
    """
    if principal.user_id is None:
        raise InvalidCredentialsError
    user = User.objects.get(pk=principal.user_id)
    body: dict[str, Any] = {
        "type": "user",
        "id": str(user.pk),
        "name": principal.username,
        "fullname": user.full_name or principal.username,
        "isPro": False,
        "canPay": False,
        "orgs": [_organization_entry(membership) for membership in organizations_of(principal)],
        "auth": _auth_entry(principal),
    }
    if principal.token_role != TokenRole.FINE_GRAINED:  # such a token was not given the person's address
        body["email"] = user.email or None
        body["emailVerified"] = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()
    return body


def _organization_entry(membership: Membership) -> dict[str, Any]:
    organization = membership.organization
    return {
        "type": "org",
        "id": str(organization.pk),
        "name": organization.name,
        "fullname": organization.full_name or organization.name,
        "email": organization.email or None,
        "roleInOrg": membership.role,
        "isEnterprise": False,
    }


def _auth_entry(principal: Principal) -> dict[str, Any]:
    if principal.token_id is None:
        return {"type": "session"}
    token = AccessToken.objects.select_related("organization__namespace").get(pk=principal.token_id)
    entry: dict[str, Any] = {"displayName": token.name, "role": token.role, "createdAt": iso_z(token.created_at)}
    if token.expires_at is not None:
        entry["expiresAt"] = iso_z(token.expires_at)
    for key in ("purpose", "environment"):
        if getattr(token, key):
            entry[key] = getattr(token, key)
    if token.organization is not None:
        entry["organization"] = token.organization.name
    if token.role == TokenRole.FINE_GRAINED:
        entry["fineGrained"] = _fine_grained_entry(token.scopes)
    return {"type": "access_token", "accessToken": entry}


def _fine_grained_entry(scopes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "scoped": [
            {
                "entity": {"_id": scope["name"], "type": scope["type"], "name": scope["name"]},
                "permissions": [f"repo.{permission}" for permission in scope["permissions"]],
            }
            for scope in scopes.get("repositories", ())
        ],
        "global": list(scopes.get("global", ())),
    }
