"""Who belongs to an organization, and who may say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.accounts import selectors, services
from registry.accounts.errors import LastAdminError, MembershipNotFoundError, NotOrganizationAdminError
from registry.accounts.models import AccessToken, Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.errors import InvalidError


def _role(user: User, organization: Organization) -> str:
    return selectors.principal_for_user(user).role_in(organization.namespace.pk)


def test_an_admin_adds_a_member(acme: Organization, carol: User, bob: User) -> None:
    services.membership_set(organization=acme, user=bob, role="write", principal=selectors.principal_for_user(carol))
    assert _role(bob, acme) == "write"


def test_staff_may_change_members(acme: Organization, operator: User, bob: User) -> None:
    services.membership_set(organization=acme, user=bob, role="read", principal=selectors.principal_for_user(operator))
    assert _role(bob, acme) == "read"


@pytest.mark.parametrize("who", ["bob", "wendy", "rita"])
def test_others_do_not(acme: Organization, who: str, request: pytest.FixtureRequest, alice: User) -> None:
    principal = selectors.principal_for_user(request.getfixturevalue(who))
    with pytest.raises(NotOrganizationAdminError):
        services.membership_set(organization=acme, user=alice, role="admin", principal=principal)
    with pytest.raises(NotOrganizationAdminError):
        services.membership_set(organization=acme, user=alice, role="admin", principal=ANONYMOUS)
    assert _role(alice, acme) == ""


def test_the_last_admin_stays(acme: Organization, carol: User, wendy: User) -> None:
    with pytest.raises(LastAdminError):
        services.membership_set(organization=acme, user=carol, role="read")
    with pytest.raises(LastAdminError):
        services.membership_remove(organization=acme, user=carol)
    services.membership_set(organization=acme, user=wendy, role="admin")
    services.membership_remove(organization=acme, user=carol)
    assert _role(carol, acme) == ""


def test_a_member_may_leave_alone(acme: Organization, rita: User, wendy: User) -> None:
    with pytest.raises(NotOrganizationAdminError):
        services.membership_remove(organization=acme, user=wendy, principal=selectors.principal_for_user(rita))
    services.membership_remove(organization=acme, user=rita, principal=selectors.principal_for_user(rita))
    assert _role(rita, acme) == ""


def test_leaving_revokes_the_tokens_for_that_organization(
    acme: Organization, rita: User, principal_of: Callable[..., Principal]
) -> None:
    bound = principal_of(rita, "read", organization=acme)
    own = principal_of(rita, "read")
    services.membership_remove(organization=acme, user=rita)
    assert AccessToken.objects.get(pk=bound.token_id).revoked_at is not None
    assert AccessToken.objects.get(pk=own.token_id).revoked_at is None


def test_a_stranger_cannot_be_removed(acme: Organization, bob: User) -> None:
    with pytest.raises(MembershipNotFoundError):
        services.membership_remove(organization=acme, user=bob)


def test_an_unknown_role_is_refused(acme: Organization, bob: User) -> None:
    with pytest.raises(InvalidError):
        services.membership_set(organization=acme, user=bob, role="owner")
