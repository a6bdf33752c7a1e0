"""`weighbridge user` and `weighbridge org`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.accounts.models import Membership, Organization, User
from registry.accounts.selectors import user_get


def test_a_user_is_made_with_all_that_was_said(weighbridge: Any) -> None:
    outcome = weighbridge(
        "user",
        "create",
        "zoe",
        "--full-name",
        "Zoe Z",
        "--email",
        "zoe@example.org",
        "--password",
        "pw 12345",
        "--admin",
    )
    assert (outcome.status, outcome.out) == (0, "created user zoe\n")
    user = user_get("zoe")
    assert (user.full_name, user.email, user.is_staff) == ("Zoe Z", "zoe@example.org", True)
    assert user.check_password("pw 12345")


def test_a_password_may_come_by_standard_input(weighbridge: Any) -> None:
    assert weighbridge("user", "create", "zoe", "--password", "-", stdin="from a pipe\n").status == 0
    assert user_get("zoe").check_password("from a pipe")


def test_an_operator_may_break_the_sign_up_forms_rules(weighbridge: Any) -> None:
    assert weighbridge("user", "create", "__DUMMY_USER__").status == 0


def test_json_is_one_document(weighbridge: Any) -> None:
    assert weighbridge("user", "create", "zoe", "--json").data["name"] == "zoe"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["user", "create", "alice"], 4, "name_taken"),
        (["user", "create", "a--b"], 2, "name_invalid"),
        (["user", "create", "zoe", "--email", "x"], 2, "invalid"),
        (["org", "create", "acme", "--creator", "nobody"], 3, "namespace_not_found"),
        (["org", "create", "acme", "--territory", "Mars"], 2, "invalid"),
        (["org", "member", "add", "acme", "alice"], 3, "namespace_not_found"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    weighbridge: Any, alice: User, arguments: list[str], status: int, code: str
) -> None:
    outcome = weighbridge(*arguments)
    assert (outcome.status, outcome.out) == (status, "")
    assert outcome.err.startswith("weighbridge: ")
    assert outcome.err.count("\n") == 1
    as_json = weighbridge(*arguments, "--json")
    assert (as_json.status, as_json.out, json.loads(as_json.err)["code"]) == (status, "", code)


@pytest.mark.parametrize("arguments", [["user"], ["user", "create"], ["nonsense"], ["user", "create", "x", "--bad"]])
def test_wrong_usage_is_status_2(weighbridge: Any, arguments: list[str]) -> None:
    assert weighbridge(*arguments).status == 2


def test_help_names_the_exit_statuses(weighbridge: Any) -> None:
    outcome = weighbridge("--help")
    assert outcome.status == 0
    assert "Exit status: 0 done or allowed" in outcome.out


def test_users_are_listed_by_name(weighbridge: Any, bob: User, alice: User) -> None:
    assert [row["name"] for row in weighbridge("user", "list", "--json").data] == ["alice", "bob"]
    lines = weighbridge("user", "list").out.splitlines()
    assert lines[0].split("\t")[:2] == ["name", "full_name"]
    assert lines[1].split("\t")[:5] == ["alice", "Alice", "alice@example.org", "no", "yes"]


def test_an_empty_list_prints_nothing(weighbridge: Any) -> None:
    assert weighbridge("user", "list").out == ""
    assert weighbridge("user", "list", "--json").data == []


def test_a_user_is_suspended_and_resumed_with_a_reason(weighbridge: Any, bob: User) -> None:
    assert weighbridge("user", "suspend", "bob").status == 2
    assert weighbridge("user", "suspend", "bob", "--reason", "spam").status == 0
    assert not user_get("bob").is_active
    assert weighbridge("user", "resume", "bob", "--reason", "sorry", "--json").data["active"]


def test_an_organization_and_its_members(weighbridge: Any, alice: User, bob: User) -> None:
    made = weighbridge(
        "org", "create", "acme", "--creator", "alice", "--kind", "academic", "--territory", "de", "--json"
    )
    assert (made.data["kind"], made.data["territory"]) == ("academic", "DE")
    assert weighbridge("org", "member", "add", "acme", "bob", "--role", "write").status == 0
    members = weighbridge("org", "member", "list", "acme", "--json").data
    assert [(row["user"], row["role"]) for row in members] == [("alice", "admin"), ("bob", "write")]
    assert weighbridge("org", "member", "remove", "acme", "bob").status == 0
    assert Membership.objects.filter(user=bob).count() == 0
    assert [row["name"] for row in weighbridge("org", "list", "--json").data] == ["acme"]


def test_the_last_admin_cannot_be_removed(weighbridge: Any, acme: Organization) -> None:
    assert weighbridge("org", "member", "remove", "acme", "carol").status == 4
