"""Users and organizations, and the one name that each of them takes."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from registry.accounts.errors import NameTakenError
from registry.accounts.models import Membership, Namespace, Organization, OrganizationKind, Purpose, Role, User
from registry.accounts.names import check_namespace_name
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.errors import InvalidError

_TERRITORY_LENGTH = 2


def user_create(
    *,
    username: str,
    password: str | None = None,
    email: str = "",
    full_name: str = "",
    is_admin: bool = False,
    enforce_rules: bool = True,
    principal: Principal | None = None,
) -> User:
    """Creates a user and takes the name for them.

    Args:
        username: also the namespace of their repositories.
        password: without one the user can sign in only after a password reset, or not at all without an address.
        email: where a password reset goes.
        full_name: shown beside the name.
        is_admin: may use the admin panel.
        enforce_rules: apply the sign-up form's rules to the name; the client's rule always holds.
        principal: the operator who does it, for the audit trail.

    Raises:
        NameInvalidError: the name breaks a rule.
        NameTakenError: somebody has the name.
        InvalidError: the address is none.
    """
    user = User(
        username=username,
        email=_checked_email(email),
        full_name=full_name,
        is_staff=is_admin,
        is_superuser=is_admin,
    )
    user.set_password(password)
    return user_register(user=user, enforce_rules=enforce_rules, principal=principal)


def user_register(*, user: User, enforce_rules: bool = True, principal: Principal | None = None) -> User:
    """Saves a new user, takes their name as a namespace and notes it in the audit trail.

    Raises:
        NameInvalidError: the name breaks a rule.
        NameTakenError: somebody has the name.
    """
    check_namespace_name(user.username, enforce_rules=enforce_rules)
    try:
        with transaction.atomic():
            _refuse_taken(user.username)
            user.save()
            Namespace.objects.create(name=user.username, user=user)
            audit_record(
                action="user.create",
                target=f"user:{user.username}",
                principal=principal,
                details={"admin": user.is_staff},
            )
    except IntegrityError as error:  # somebody took the name since we looked
        raise _taken(user.username) from error
    return user


def user_update(*, user: User, full_name: str | None = None, default_purpose: str | None = None) -> User:
    """Changes a profile; None leaves a value as it is.

    Raises:
        InvalidError: the purpose is unknown.
    """
    if default_purpose and default_purpose not in Purpose.values:
        raise InvalidError(
            f"`{default_purpose}` is no purpose: use {', '.join(Purpose.values)}", field="default_purpose"
        )
    if full_name is not None:
        user.full_name = full_name
    if default_purpose is not None:
        user.default_purpose = default_purpose
    user.full_clean(exclude=["username", "password", "email"], validate_unique=False, validate_constraints=False)
    user.save(update_fields=["full_name", "default_purpose"])
    return user


def user_set_active(*, user: User, active: bool, reason: str, principal: Principal | None = None) -> User:
    """Suspends a user (sessions and tokens stop at the next request) or lets them in again.

    Raises:
        InvalidError: no reason is given.
    """
    if not reason.strip():
        raise InvalidError("say why: a suspension needs a reason", field="reason")
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=active)
        audit_record(
            action="user.resume" if active else "user.suspend",
            target=f"user:{user.username}",
            principal=principal,
            details={"reason": reason},
        )
    user.is_active = active
    return user


def user_second_factor_remove(*, user: User, reason: str, principal: Principal | None = None) -> User:
    """Removes a user's authenticator and recovery codes, for somebody who lost both; the password stays.

    Raises:
        InvalidError: no reason is given.
    """
    if not reason.strip():
        raise InvalidError("say why: removing a second factor needs a reason", field="reason")
    with transaction.atomic():
        removed, _ = Authenticator.objects.filter(user=user).delete()
        audit_record(
            action="user.second_factor_remove",
            target=f"user:{user.username}",
            principal=principal,
            details={"reason": reason, "removed": removed},
        )
    return user


def organization_create(
    *,
    name: str,
    creator: User | None,
    full_name: str = "",
    kind: str = OrganizationKind.COMPANY,
    territory: str = "",
    enforce_rules: bool = True,
    principal: Principal | None = None,
) -> Organization:
    """Creates an organization, takes its name and makes its creator an admin.

    Args:
        name: also the namespace of its repositories.
        creator: becomes an admin; None leaves it without members until an operator adds one.
        full_name: shown beside the name.
        kind: the kind of legal person that license texts tell apart.
        territory: ISO 3166-1 alpha-2 code of its seat, or empty.
        enforce_rules: apply the sign-up form's rules to the name.
        principal: who does it, for the audit trail.

    Raises:
        NameInvalidError: the name breaks a rule.
        NameTakenError: somebody has the name.
        InvalidError: kind or territory is unknown.
    """
    check_namespace_name(name, enforce_rules=enforce_rules)
    _check_organization_facts(kind, territory)
    try:
        with transaction.atomic():
            _refuse_taken(name)
            organization = Organization.objects.create(full_name=full_name, kind=kind, territory=territory.upper())
            # Through the instance, so that `organization.name` needs no further query.
            organization.namespace = Namespace.objects.create(name=name, organization=organization)
            if creator is not None:
                Membership.objects.create(user=creator, organization=organization, role=Role.ADMIN)
            audit_record(action="organization.create", target=f"organization:{name}", principal=principal)
    except IntegrityError as error:  # somebody took the name since we looked
        raise _taken(name) from error
    return organization


def organization_update(
    *,
    organization: Organization,
    full_name: str,
    email: str,
    kind: str,
    territory: str,
    default_private: bool,
    principal: Principal | None = None,
) -> Organization:
    """Changes what an organization says about itself.

    Raises:
        InvalidError: kind, territory or address is not acceptable.
    """
    _check_organization_facts(kind, territory)
    organization.full_name = full_name
    organization.email = _checked_email(email)
    organization.kind = kind
    organization.territory = territory.upper()
    organization.default_private = default_private
    with transaction.atomic():
        organization.save(update_fields=["full_name", "email", "kind", "territory", "default_private"])
        audit_record(action="organization.update", target=f"organization:{organization.name}", principal=principal)
    return organization


def _check_organization_facts(kind: str, territory: str) -> None:
    if kind not in OrganizationKind.values:
        raise InvalidError(
            f"`{kind}` is no kind of organization: use {', '.join(OrganizationKind.values)}", field="kind"
        )
    if territory and not (len(territory) == _TERRITORY_LENGTH and territory.isascii() and territory.isalpha()):
        raise InvalidError(
            f"`{territory}` is no territory: use a two-letter code of ISO 3166-1, for example `DE`", field="territory"
        )


def _checked_email(email: str) -> str:
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise InvalidError(f"`{email}` is no e-mail address", field="email") from None
    return User.objects.normalize_email(email)


def name_is_taken(name: str) -> bool:
    """True if a user or an organization has the name, in whatever case."""
    return Namespace.objects.filter(Exact(Lower("name"), name.lower())).exists()


def _refuse_taken(name: str) -> None:
    if name_is_taken(name):
        raise _taken(name)


def _taken(name: str) -> NameTakenError:
    return NameTakenError(f"`{name}` is taken: choose another name", field="name", value=name)
