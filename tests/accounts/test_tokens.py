"""Access tokens: made, imported, recognised, narrowed, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.accounts import selectors, services
from registry.accounts.errors import (
    InvalidCredentialsError,
    NotTokenOwnerError,
    TokenExistsError,
    TokenInvalidError,
)
from registry.accounts.models import AccessToken, Organization, User
from registry.accounts.secrets import new_secret, secret_hint
from registry.audit.models import AuditEntry


def test_a_secret_is_shown_once_and_stored_as_a_digest(alice: User) -> None:
    token, secret = services.token_create(user=alice, name="laptop", role="write")
    assert secret.startswith("wb_")
    assert len(secret) == 43  # 3 + 40 characters of 62: 238 bits
    stored = AccessToken.objects.filter(pk=token.pk).values().get()
    assert secret not in str(stored)
    assert secret.startswith(stored["hint"])
    assert secret not in str(AuditEntry.objects.values_list("details", flat=True))


def test_secrets_differ() -> None:
    assert len({new_secret() for _ in range(100)}) == 100


def test_a_token_stands_for_its_user_organization_purpose_and_environment(rita: User, acme: Organization) -> None:
    _, secret = services.token_create(
        user=rita, name="ci", role="read", organization=acme, purpose="hosted-service", environment="production"
    )
    principal = selectors.principal_for_secret(secret)
    assert (principal.username, principal.token_role) == ("rita", "read")
    assert principal.organization_id == acme.pk
    assert (principal.purpose, principal.environment) == ("hosted-service", "production")
    assert principal.role_in(acme.namespace.pk) == "read"


def test_a_token_costs_two_queries(rita: User, acme: Organization, django_assert_num_queries: Any) -> None:
    _, secret = services.token_create(user=rita, name="ci", organization=acme)
    with django_assert_num_queries(2):
        selectors.principal_for_secret(secret)


def test_an_existing_token_can_be_imported_once(alice: User, bob: User) -> None:
    token, secret = services.token_create(user=alice, name="old", value="hf_12345")
    assert secret == "hf_12345"
    assert selectors.principal_for_secret("hf_12345").username == "alice"
    assert token.hint == "hf"  # no more than a quarter of a short secret
    with pytest.raises(TokenExistsError):
        services.token_create(user=bob, name="stolen", value="hf_12345")


def test_a_hint_never_gives_a_secret_away() -> None:
    assert secret_hint("12345678") == "12"
    assert len(secret_hint(new_secret())) == 7


def test_an_unknown_secret_is_refused(db: None) -> None:
    with pytest.raises(InvalidCredentialsError) as caught:
        selectors.principal_for_secret("wb_nothing")
    assert caught.value.message == "Invalid credentials in Authorization header"


def test_a_token_stops_at_its_expiry(alice: User) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    token, secret = services.token_create(user=alice, name="x", expires_at=moment)
    assert not token.is_expired(moment - timedelta(microseconds=1))
    assert token.is_expired(moment)
    AccessToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    with pytest.raises(InvalidCredentialsError) as caught:
        selectors.principal_for_secret(secret)
    assert caught.value.details["problem"] == "expired"


def test_a_revoked_token_stops_at_once(alice: User) -> None:
    token, secret = services.token_create(user=alice, name="x")
    services.token_revoke(token=token)
    with pytest.raises(InvalidCredentialsError) as caught:
        selectors.principal_for_secret(secret)
    assert caught.value.details["problem"] == "revoked"


def test_revoking_twice_keeps_the_first_moment(alice: User) -> None:
    token, _ = services.token_create(user=alice, name="x")
    first = services.token_revoke(token=token).revoked_at
    assert services.token_revoke(token=token).revoked_at == first
    assert AuditEntry.objects.filter(action="token.revoke").count() == 1


def test_a_suspended_users_token_stops(alice: User) -> None:
    _, secret = services.token_create(user=alice, name="x")
    services.user_set_active(user=alice, active=False, reason="left")
    with pytest.raises(InvalidCredentialsError):
        selectors.principal_for_secret(secret)


def test_a_token_for_an_organization_ends_with_the_membership(rita: User, acme: Organization) -> None:
    token, secret = services.token_create(user=rita, name="x", organization=acme)
    acme.memberships.filter(user=rita).delete()  # as if the tokens had not been revoked along with it
    principal = selectors.principal_for_token(token)
    assert (principal.is_authenticated, principal.token_problem) == (False, "membership_ended")
    with pytest.raises(InvalidCredentialsError):
        selectors.principal_for_secret(secret)


def test_only_the_owner_and_staff_revoke(alice: User, bob: User, operator: User) -> None:
    token, _ = services.token_create(user=alice, name="x")
    with pytest.raises(NotTokenOwnerError):
        services.token_revoke(token=token, principal=selectors.principal_for_user(bob))
    services.token_revoke(token=token, principal=selectors.principal_for_user(operator))
    assert AuditEntry.objects.get(action="token.revoke").actor == "olga"


@pytest.mark.parametrize(
    "facts",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"role": "root"},
        {"purpose": "fun"},
        {"environment": "moon"},
        {"value": "1234567"},
        {"expires_at": datetime(2001, 1, 1, tzinfo=UTC)},
        {"scopes": {"global": ["jobs.read"]}},
        {"role": "fineGrained", "scopes": {"global": ["everything"]}},
        {"role": "fineGrained", "scopes": {"globe": []}},
        {"role": "fineGrained", "scopes": {"repositories": [{"type": "model", "name": "a/b"}]}},
        {"role": "fineGrained", "scopes": {"repositories": [{"type": "x", "name": "a/b", "permissions": ["read"]}]}},
        {"role": "fineGrained", "scopes": {"repositories": [{"type": "model", "name": "a", "permissions": ["read"]}]}},
        {"role": "fineGrained", "scopes": {"repositories": [{"type": "model", "name": "a/b", "permissions": []}]}},
        {"role": "fineGrained", "scopes": {"repositories": [{"type": "model", "name": "a/b", "permissions": ["x"]}]}},
        {"role": "fineGrained", "scopes": {"repositories": ["a/b"]}},
    ],
)
def test_a_token_with_unacceptable_values_is_not_made(alice: User, facts: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalidError):
        services.token_create(user=alice, **{"name": "x", **facts})
    assert not AccessToken.objects.exists()


def test_a_stranger_gets_no_token_for_an_organization(bob: User, acme: Organization) -> None:
    with pytest.raises(TokenInvalidError, match="not a member"):
        services.token_create(user=bob, name="x", organization=acme)


def test_use_is_noted_once_a_minute(alice: User, django_assert_num_queries: Any) -> None:
    token, _ = services.token_create(user=alice, name="x")
    services.token_touch(token_id=token.pk)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    services.token_touch(token_id=token.pk)
    token.refresh_from_db()
    assert token.last_used_at == first
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(seconds=61))
    services.token_touch(token_id=token.pk)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first


def test_a_heartbeat_prolongs_a_working_token_only(alice: User) -> None:
    token, _ = services.token_create(user=alice, name="job", expires_at=timezone.now() + timedelta(minutes=1))
    later = timezone.now() + timedelta(minutes=15)
    services.token_extend(token=token, expires_at=later)
    token.refresh_from_db()
    assert token.expires_at == later
    services.token_revoke(token=token)
    with pytest.raises(TokenInvalidError):
        services.token_extend(token=token, expires_at=later)


def test_scopes_can_be_taken_back(alice: User) -> None:
    scopes = {"repositories": [{"type": "model", "name": "alice/m", "permissions": ["write"]}]}
    token, _ = services.token_create(user=alice, name="job", role="fineGrained", scopes=scopes)
    services.token_set_scopes(token=token, scopes={})
    token.refresh_from_db()
    assert token.scopes == {}
    plain, _ = services.token_create(user=alice, name="plain")
    with pytest.raises(TokenInvalidError):
        services.token_set_scopes(token=plain, scopes=scopes)


def test_people_see_their_own_living_tokens_without_those_of_jobs(alice: User, bob: User) -> None:
    kept, _ = services.token_create(user=alice, name="kept")
    revoked, _ = services.token_create(user=alice, name="revoked")
    services.token_revoke(token=revoked)
    services.token_create(user=alice, name="job", role="fineGrained", scopes={"job": "job_x"})
    services.token_create(user=bob, name="other")
    assert list(selectors.tokens_of(selectors.principal_for_user(alice))) == [kept]
