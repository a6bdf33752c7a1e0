"""Who belongs to an organization, and as what."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from registry.accounts.errors import LastAdminError, MembershipNotFoundError, NotOrganizationAdminError
from registry.accounts.models import AccessToken, Membership, Organization, Role, User
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.errors import InvalidError


def membership_set(
    *, organization: Organization, user: User, role: str, principal: Principal | None = None
) -> Membership:
    """Makes a user a member, or changes a member's role.

    Args:
        organization: the organization.
        user: who joins or changes.
        role: `read`, `contributor`, `write` or `admin`.
        principal: who does it; None is the operator.

    Raises:
        InvalidError: the role is unknown.
        NotOrganizationAdminError: the principal manages neither this organization nor the hub.
        LastAdminError: the organization's only admin would lose the role.
    """
    if role not in Role.values:
        raise InvalidError(f"`{role}` is no role: use {', '.join(Role.values)}", field="role", value=role)
    with transaction.atomic():
        _lock(organization)
        _require_admin(organization, principal)
        if role != Role.ADMIN:
            _keep_an_admin(organization, user)
        membership, _ = Membership.objects.update_or_create(
            organization=organization, user=user, defaults={"role": role}
        )
        _audit("membership.set", organization, user, principal, role=role)
    return membership


def membership_remove(*, organization: Organization, user: User, principal: Principal | None = None) -> None:
    """Ends a membership and revokes the tokens by which the user acted for the organization.

    Members may leave by themselves.

    Raises:
        MembershipNotFoundError: the user is no member.
        NotOrganizationAdminError: the principal manages neither this organization nor the hub.
        LastAdminError: nobody could manage the organization afterwards.
    """
    with transaction.atomic():
        _lock(organization)
        if principal is None or principal.user_id != user.pk:
            _require_admin(organization, principal)
        _keep_an_admin(organization, user)
        deleted, _ = Membership.objects.filter(organization=organization, user=user).delete()
        if not deleted:
            raise MembershipNotFoundError(f"`{user.username}` is not a member of `{organization.name}`")
        AccessToken.objects.filter(organization=organization, user=user, revoked_at__isnull=True).update(
            revoked_at=timezone.now()
        )
        _audit("membership.remove", organization, user, principal)


def _lock(organization: Organization) -> None:
    """Serialises changes of one organization's members, so that two of them cannot each remove "the other" admin."""
    Organization.objects.select_for_update().get(pk=organization.pk)


def _require_admin(organization: Organization, principal: Principal | None) -> None:
    if principal is None or principal.is_staff:
        return
    if not principal.is_authenticated or principal.role_in(organization.namespace.pk) != Role.ADMIN:
        raise NotOrganizationAdminError(f"only an admin of `{organization.name}` may change its members")


def _keep_an_admin(organization: Organization, user: User) -> None:
    admins = set(organization.memberships.filter(role=Role.ADMIN).values_list("user_id", flat=True))
    if admins == {user.pk}:
        raise LastAdminError(
            f"`{user.username}` is the only admin of `{organization.name}`: make somebody else an admin first"
        )


def _audit(action: str, organization: Organization, user: User, principal: Principal | None, **details: str) -> None:
    audit_record(
        action=action,
        target=f"organization:{organization.name}",
        principal=principal,
        details={"user": user.username, **details},
    )
