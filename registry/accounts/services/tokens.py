"""Access tokens: made, used, narrowed, prolonged, revoked. The secret itself is returned once and never stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from registry.accounts.errors import NotTokenOwnerError, TokenExistsError, TokenInvalidError
from registry.accounts.models import AccessToken, Environment, Membership, Organization, Purpose, TokenRole, User
from registry.accounts.permissions import check_scopes
from registry.accounts.principal import Principal
from registry.accounts.secrets import MINIMUM_LENGTH, new_secret, secret_digest, secret_hint
from registry.audit.services import audit_record

_TOUCH_EVERY = timedelta(minutes=1)
_NAME_LENGTH = 100


def token_create(
    *,
    user: User,
    name: str,
    role: str = TokenRole.READ,
    organization: Organization | None = None,
    purpose: str = "",
    environment: str = "",
    expires_at: datetime | None = None,
    scopes: Mapping[str, Any] | None = None,
    value: str | None = None,
    principal: Principal | None = None,
) -> tuple[AccessToken, str]:
    """Creates a token and returns it with its secret, which cannot be shown again.

    Args:
        user: whom the token stands for.
        name: by which the user recognises it.
        role: `read`, `write` or `fineGrained`.
        organization: on whose behalf it acts; the user must be a member.
        purpose: what models are wanted for (license vocabulary 1.3); empty leaves it to the profile.
        environment: where they will run; empty leaves it open.
        expires_at: from when on it no longer works; None for never.
        scopes: of a fine-grained token (`permissions.token_allows`).
        value: an existing secret to import; None makes a fresh one.
        principal: who does it, for the audit trail; None is the operator.

    Raises:
        TokenInvalidError: some value is not acceptable.
        TokenExistsError: the imported secret is stored already.
    """
    _check_values(name=name, role=role, purpose=purpose, environment=environment)
    _check_expiry(expires_at)
    _check_organization(user, organization)
    if value is not None and len(value) < MINIMUM_LENGTH:
        raise TokenInvalidError(f"a token's value needs at least {MINIMUM_LENGTH} characters", field="value")
    secret = value if value is not None else new_secret()
    token = AccessToken(
        user=user,
        organization=organization,
        name=name.strip(),
        role=role,
        scopes=_checked_scopes(role, scopes),
        purpose=purpose,
        environment=environment,
        secret_sha256=secret_digest(secret),
        hint=secret_hint(secret),
        expires_at=expires_at,
    )
    try:
        with transaction.atomic():
            token.save()
            _audit("token.create", token, principal)
    except IntegrityError as error:
        raise TokenExistsError("a token with this value exists already: use another value") from error
    return token, secret


def token_revoke(*, token: AccessToken, principal: Principal | None = None) -> AccessToken:
    """Revokes a token; it fails at the next request. Revoking again changes nothing.

    Args:
        token: the token.
        principal: who does it; None is the operator or the hub itself.

    Raises:
        NotTokenOwnerError: the token is somebody else's.
    """
    if principal is not None and principal.user_id != token.user_id and not principal.is_staff:
        raise NotTokenOwnerError("only the owner of a token may revoke it")
    with transaction.atomic():
        now = timezone.now()
        if AccessToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
            token.revoked_at = now
            _audit("token.revoke", token, principal)
        else:
            token.refresh_from_db(fields=["revoked_at"])
    return token


def token_extend(*, token: AccessToken, expires_at: datetime) -> AccessToken:
    """Moves the expiry of a token that works, as a job's heartbeat does for the job's own.

    Raises:
        TokenInvalidError: the moment is past, or the token is revoked.
    """
    _check_expiry(expires_at)
    if not AccessToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(expires_at=expires_at):
        raise TokenInvalidError("a revoked token cannot be prolonged: make a new one")
    token.expires_at = expires_at
    return token


def token_set_scopes(*, token: AccessToken, scopes: Mapping[str, Any]) -> AccessToken:
    """Replaces the scopes of a fine-grained token, for example to take back its right to write.

    Raises:
        TokenInvalidError: the token is not fine-grained, or the scopes are malformed.
    """
    token.scopes = _checked_scopes(token.role, scopes)
    token.save(update_fields=["scopes"])
    return token


def token_touch(*, token_id: int) -> None:
    """Notes that a token was used, at most once a minute, so that reading does not become writing."""
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _TOUCH_EVERY)
    AccessToken.objects.filter(stale, pk=token_id).update(last_used_at=now)


def _check_values(*, name: str, role: str, purpose: str, environment: str) -> None:
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise TokenInvalidError(f"give the token a name of 1 to {_NAME_LENGTH} characters", field="name")
    for field, value, allowed in (
        ("role", role, TokenRole.values),
        ("purpose", purpose, ["", *Purpose.values]),
        ("environment", environment, ["", *Environment.values]),
    ):
        if value not in allowed:
            choices = ", ".join(filter(None, allowed))
            raise TokenInvalidError(f"`{value}` is no {field}: use {choices}", field=field, value=value)


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise TokenInvalidError("the expiry lies in the past: choose a later moment", field="expires_at")


def _check_organization(user: User, organization: Organization | None) -> None:
    if organization is not None and not Membership.objects.filter(user=user, organization=organization).exists():
        raise TokenInvalidError(
            f"`{user.username}` is not a member of `{organization.name}`: add them first", field="organization"
        )


def _checked_scopes(role: str, scopes: Mapping[str, Any] | None) -> dict[str, Any]:
    if role == TokenRole.FINE_GRAINED:
        return check_scopes(scopes or {})
    if scopes:
        raise TokenInvalidError("only a fine-grained token has scopes: use the role `fineGrained`", field="scopes")
    return {}


def _audit(action: str, token: AccessToken, principal: Principal | None) -> None:
    if "job" in token.scopes:  # the job's own trail tells of these; here they would drown people's tokens
        return
    audit_record(
        action=action,
        target=f"user:{token.user.username}",
        principal=principal,
        details={"token": token.pk, "name": token.name, "role": token.role, "purpose": token.purpose},
    )
