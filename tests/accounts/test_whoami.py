"""The body of `GET /api/whoami-v2` (hub-api 1.7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from registry.accounts.errors import InvalidCredentialsError
from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.accounts.selectors import whoami


def test_it_names_the_user_the_organizations_and_the_token(
    rita: User, acme: Organization, principal_of: Callable[..., Principal]
) -> None:
    body = whoami(principal_of(rita, "read"))
    assert {key: body[key] for key in ("type", "name", "fullname", "email", "emailVerified", "isPro")} == {
        "type": "user",
        "name": "rita",
        "fullname": "Rita",
        "email": "rita@example.org",
        "emailVerified": False,
        "isPro": False,
    }
    assert [(org["type"], org["name"], org["roleInOrg"]) for org in body["orgs"]] == [("org", "acme", "read")]
    token = body["auth"]["accessToken"]
    assert (body["auth"]["type"], token["displayName"], token["role"]) == ("access_token", "test", "read")
    assert token["createdAt"].endswith("Z")


def test_it_tells_what_the_token_is_bound_to(
    rita: User, acme: Organization, principal_of: Callable[..., Principal]
) -> None:
    moment = timezone.now() + timedelta(days=1)
    facts: dict[str, Any] = {"purpose": "hosted-service", "environment": "production", "organization": acme}
    token = whoami(principal_of(rita, "write", expires_at=moment, **facts))["auth"]["accessToken"]
    assert (token["purpose"], token["environment"], token["organization"]) == ("hosted-service", "production", "acme")
    assert token["expiresAt"].endswith("Z")


def test_a_fine_grained_token_lists_its_scopes_and_hides_the_address(
    alice: User, principal_of: Callable[..., Principal]
) -> None:
    scopes = {
        "repositories": [{"type": "model", "name": "alice/m", "permissions": ["read", "write"]}],
        "global": ["jobs.read"],
    }
    body = whoami(principal_of(alice, "fineGrained", scopes=scopes))
    assert "email" not in body
    assert body["auth"]["accessToken"]["fineGrained"] == {
        "scoped": [
            {
                "entity": {"_id": "alice/m", "type": "model", "name": "alice/m"},
                "permissions": ["repo.read", "repo.write"],
            }
        ],
        "global": ["jobs.read"],
    }


def test_a_verified_address_is_said_to_be_so(alice: User, principal_of: Callable[..., Principal]) -> None:
    EmailAddress.objects.create(user=alice, email="Alice@example.org", verified=True, primary=True)
    body = whoami(principal_of(alice))
    assert body["emailVerified"]
    assert body["auth"] == {"type": "session"}


def test_nobody_is_refused(db: None) -> None:
    with pytest.raises(InvalidCredentialsError):
        whoami(ANONYMOUS)
