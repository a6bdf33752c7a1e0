"""What the credentials allow, apart from the person."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.accounts.permissions import check_scopes, token_allows, token_allows_globally
from registry.accounts.principal import ANONYMOUS, Principal

LEVELS = ("read", "write", "admin")


def _principal(role: str, **scopes: Any) -> Principal:
    return Principal(user_id=1, username="alice", namespace_id=1, token_id=1, token_role=role, scopes=scopes)


def _allowed(principal: Principal, kind: str = "model", name: str = "acme/x") -> list[str]:
    return [level for level in LEVELS if token_allows(principal, type=kind, full_name=name, permission=level)]


def test_a_session_and_a_write_token_limit_nothing() -> None:
    assert _allowed(_principal("write")) == list(LEVELS)
    assert _allowed(Principal(user_id=1)) == list(LEVELS)


def test_a_read_token_and_an_anonymous_caller_only_read() -> None:
    assert _allowed(_principal("read")) == ["read"]
    assert _allowed(ANONYMOUS) == ["read"]


def test_a_fine_grained_token_does_what_its_scopes_say() -> None:
    scope = {"type": "model", "name": "Acme/X", "permissions": ["write"]}
    principal = _principal("fineGrained", repositories=[scope])
    assert _allowed(principal, name="acme/x") == ["read", "write"]
    assert _allowed(principal, name="acme/xy") == []
    assert _allowed(principal, kind="dataset") == []


def test_a_scope_may_cover_a_namespace() -> None:
    principal = _principal("fineGrained", repositories=[{"type": "model", "name": "acme/*", "permissions": ["read"]}])
    assert _allowed(principal, name="Acme/anything") == ["read"]
    assert _allowed(principal, name="acme2/x") == []


def test_a_scope_may_cover_all_repositories() -> None:
    assert _allowed(_principal("fineGrained", **{"global": ["repositories.read"]})) == ["read"]


def test_a_fine_grained_token_without_scopes_does_nothing() -> None:
    assert _allowed(_principal("fineGrained")) == []


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (ANONYMOUS, []),
        (_principal("read"), ["jobs.read"]),
        (_principal("write"), ["jobs.read", "jobs.write"]),
        (_principal("fineGrained", **{"global": ["jobs.write"]}), ["jobs.write"]),
    ],
)
def test_permissions_beyond_repositories(principal: Principal, expected: list[str]) -> None:
    assert [name for name in ("jobs.read", "jobs.write") if token_allows_globally(principal, name)] == expected


_scope = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["model", "dataset"]),
        "name": st.sampled_from(["a/x", "a/*", "b/x"]),
        "permissions": st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3),
    }
)


@given(st.lists(_scope, max_size=4), st.sampled_from(["model", "dataset"]), st.sampled_from(["a/x", "a/y", "b/x"]))
def test_a_stronger_permission_includes_the_weaker(scopes: list[dict[str, Any]], kind: str, name: str) -> None:
    principal = _principal("fineGrained", **check_scopes({"repositories": scopes}))
    allowed = _allowed(principal, kind, name)
    assert allowed == list(itertools.takewhile(allowed.__contains__, LEVELS))


@given(st.lists(_scope, max_size=3), _scope)
def test_another_scope_never_takes_away(scopes: list[dict[str, Any]], further: dict[str, Any]) -> None:
    before = _allowed(_principal("fineGrained", repositories=scopes), "model", "a/x")
    after = _allowed(_principal("fineGrained", repositories=[*scopes, further]), "model", "a/x")
    assert set(before) <= set(after)
