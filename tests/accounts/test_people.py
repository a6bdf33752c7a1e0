"""Users, organizations and their one name."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from registry.accounts import selectors, services
from registry.accounts.errors import NameInvalidError, NamespaceNotFoundError, NameTakenError
from registry.accounts.models import Namespace, Organization, User
from registry.audit.models import AuditEntry
from registry.errors import InvalidError

pytestmark = pytest.mark.django_db


def test_a_user_gets_the_namespace_of_their_name() -> None:
    user = services.user_create(username="Zoe", password="long enough 1", email="zoe@Example.org", full_name="Zoe Z")
    assert selectors.namespace_get("zOE").user == user
    assert user.check_password("long enough 1")
    assert (user.email, user.is_staff) == ("zoe@example.org", False)
    assert AuditEntry.objects.get(action="user.create").target == "user:Zoe"


def test_an_admin_may_use_the_admin_panel() -> None:
    assert services.user_create(username="olga", is_admin=True).is_staff


def test_a_user_without_a_password_cannot_sign_in() -> None:
    assert not services.user_create(username="zoe").has_usable_password()


@pytest.mark.parametrize("name", ["alice", "ALICE"])
def test_a_name_is_taken_in_whatever_case(alice: User, name: str) -> None:
    with pytest.raises(NameTakenError):
        services.user_create(username=name)
    with pytest.raises(NameTakenError):
        services.organization_create(name=name, creator=None)


def test_users_and_organizations_share_one_space_of_names(acme: Organization) -> None:
    with pytest.raises(NameTakenError):
        services.user_create(username="Acme")


def test_the_database_itself_refuses_a_second_owner_of_a_name(alice: User, bob: User) -> None:
    bob.namespace.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Namespace.objects.create(name="ALICE", user=bob)


def test_nothing_is_left_of_a_refused_user() -> None:
    with pytest.raises(NameInvalidError):
        services.user_create(username="a--b")
    with pytest.raises(InvalidError):
        services.user_create(username="zoe", email="nonsense")
    assert not User.objects.exists()


def test_an_operator_may_break_the_forms_rules_but_not_the_clients() -> None:
    services.user_create(username="__DUMMY__", enforce_rules=False)
    with pytest.raises(NameInvalidError):
        services.user_create(username="a--b", enforce_rules=False)


def test_the_creator_of_an_organization_is_its_admin(carol: User) -> None:
    organization = services.organization_create(name="acme", creator=carol, territory="de")
    assert selectors.principal_for_user(carol).role_in(organization.namespace.pk) == "admin"
    assert organization.territory == "DE"


@pytest.mark.parametrize("facts", [{"kind": "cult"}, {"territory": "Germany"}, {"territory": "1x"}])
def test_an_organization_needs_known_facts(facts: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        services.organization_create(name="acme", creator=None, **facts)


def test_an_organization_changes_what_it_says_about_itself(acme: Organization) -> None:
    services.organization_update(
        organization=acme,
        full_name="Acme Inc",
        email="x@acme.org",
        kind="academic",
        territory="fr",
        default_private=True,
    )
    acme.refresh_from_db()
    assert (acme.full_name, acme.kind, acme.territory, acme.default_private) == ("Acme Inc", "academic", "FR", True)


def test_a_missing_name_is_not_found(alice: User, acme: Organization) -> None:
    with pytest.raises(NamespaceNotFoundError):
        selectors.namespace_get("nobody-here")
    with pytest.raises(NamespaceNotFoundError, match="is an organization"):
        selectors.user_get("acme")
    with pytest.raises(NamespaceNotFoundError, match="is a user"):
        selectors.organization_get("alice")


def test_a_suspension_needs_a_reason_and_is_recorded(bob: User) -> None:
    with pytest.raises(InvalidError):
        services.user_set_active(user=bob, active=False, reason=" ")
    services.user_set_active(user=bob, active=False, reason="spam")
    bob.refresh_from_db()
    assert not bob.is_active
    assert AuditEntry.objects.get(action="user.suspend").details == {"reason": "spam"}


def test_a_profile_knows_only_purposes_of_the_vocabulary(alice: User) -> None:
    assert services.user_update(user=alice, default_purpose="evaluation").default_purpose == "evaluation"
    with pytest.raises(InvalidError):
        services.user_update(user=alice, default_purpose="fun")
