"""`weighbridge token`."""

from __future__ import annotations

from typing import Any

from registry.accounts.models import Organization, User
from registry.accounts.selectors import principal_for_secret


def test_the_secret_alone_is_on_standard_output(weighbridge: Any, alice: User) -> None:
    outcome = weighbridge("token", "create", "--user", "alice", "--role", "write")
    assert outcome.status == 0
    assert principal_for_secret(outcome.out.strip()).token_role == "write"
    assert "not shown again" in outcome.err


def test_a_token_is_bound_to_what_was_said(weighbridge: Any, rita: User, acme: Organization) -> None:
    outcome = weighbridge(
        "token", "create", "--user", "rita", "--name", "ci", "--purpose", "hosted-service",
        "--environment", "production", "--org", "acme", "--expires-in-days", "7", "--json",
    )  # fmt: skip
    assert (outcome.data["purpose"], outcome.data["organization"]) == ("hosted-service", "acme")
    principal = principal_for_secret(outcome.data["token"])
    assert (principal.purpose, principal.environment) == ("hosted-service", "production")
    assert principal.organization_id == acme.pk


def test_an_existing_token_is_imported(weighbridge: Any, alice: User) -> None:
    assert weighbridge("token", "create", "--user", "alice", "--value", "hf_12345678").status == 0
    assert weighbridge("token", "create", "--user", "alice", "--value", "-", stdin="hf_87654321\n").status == 0
    assert principal_for_secret("hf_12345678").username == "alice"
    assert principal_for_secret("hf_87654321").username == "alice"
    assert weighbridge("token", "create", "--user", "alice", "--value", "hf_12345678").status == 4


def test_unacceptable_values_are_refused(weighbridge: Any, alice: User, acme: Organization) -> None:
    assert weighbridge("token", "create", "--user", "alice", "--value", "short").status == 2
    assert weighbridge("token", "create", "--user", "alice", "--org", "acme").status == 2
    assert weighbridge("token", "create", "--user", "alice", "--purpose", "fun").status == 2
    assert weighbridge("token", "create", "--user", "alice", "--expires-in-days", "0").status == 2
    assert weighbridge("token", "create", "--user", "nobody").status == 3
    assert weighbridge("token", "create").status == 2


def test_tokens_are_listed_without_their_secrets(weighbridge: Any, alice: User, bob: User) -> None:
    secret = weighbridge("token", "create", "--user", "alice").out.strip()
    weighbridge("token", "create", "--user", "bob")
    listed = weighbridge("token", "list", "--user", "alice", "--json")
    assert [row["user"] for row in listed.data] == ["alice"]
    assert secret not in listed.out
    assert secret.startswith(listed.data[0]["hint"])
    assert len(weighbridge("token", "list", "--json").data) == 2


def test_a_token_is_revoked_by_its_number(weighbridge: Any, alice: User) -> None:
    made = weighbridge("token", "create", "--user", "alice", "--json").data
    assert weighbridge("token", "revoke", str(made["id"])).status == 0
    assert weighbridge("token", "list", "--json").data[0]["revoked_at"].endswith("Z")
    assert weighbridge("token", "revoke", "999999").status == 3
