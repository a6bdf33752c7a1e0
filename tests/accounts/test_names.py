"""Which names people and organizations may have."""

from __future__ import annotations

import re

import pytest
from django.urls import get_resolver
from hypothesis import given
from hypothesis import strategies as st

from registry.accounts.errors import NameInvalidError
from registry.accounts.names import ROUTES, check_namespace_name, is_client_name

# huggingface_hub 2.4, utils/_validators.py: the part of `REPO_ID_REGEX` for one half, and what is checked beside it.
_CLIENT_REGEX = re.compile(r"^\b[\w\-.]{1,96}\b$", re.ASCII)


@pytest.mark.parametrize("name", ["alice", "A", "a.b", "a-b_c", "0x", "x" * 96, "__DUMMY_USER__", "Ünï".encode().hex()])
def test_client_names_are_taken_from_operators(name: str) -> None:
    assert check_namespace_name(name, enforce_rules=False) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "a.", "a--b", "a..b", "a.git", "a.GIT", "a b", "a/b", "x" * 97, "é", "a\n", "a\0"]
)
def test_names_that_clients_refuse_are_refused_from_everybody(name: str) -> None:
    with pytest.raises(NameInvalidError):
        check_namespace_name(name, enforce_rules=False)


@given(st.text(alphabet="aA0-_. /é", max_size=8))
def test_our_rule_takes_no_name_that_the_client_refuses(name: str) -> None:
    if is_client_name(name) and "_" not in name:  # `\b` also refuses nothing about `_`
        assert _CLIENT_REGEX.match(name)
        assert "--" not in name
        assert ".." not in name


@pytest.mark.parametrize("name", ["models", "API", "Settings", "admin"])
def test_a_route_of_the_hub_is_nobodys_name(name: str) -> None:
    with pytest.raises(NameInvalidError, match="address of this hub"):
        check_namespace_name(name, enforce_rules=False)


def test_every_fixed_first_segment_of_our_routes_is_reserved() -> None:
    fixed = set()
    for pattern in get_resolver().url_patterns:
        for nested in [pattern, *getattr(pattern, "url_patterns", [])]:
            first = str(nested.pattern).lstrip("^").split("/")[0]
            if re.fullmatch(r"[a-z][a-z0-9_.-]*", first) and is_client_name(first):
                parent = str(pattern.pattern)
                if nested is pattern or parent == "":
                    fixed.add(first)
    assert fixed - ROUTES == set()


@pytest.mark.parametrize("name", ["root", "Weighbridge", "x", "a__b", "_a", "12345", "a" * 41])
def test_the_sign_up_form_is_stricter_than_an_operator(name: str) -> None:
    with pytest.raises(NameInvalidError):
        check_namespace_name(name)
    assert check_namespace_name(name, enforce_rules=False) == name


@pytest.mark.parametrize("name", ["alice", "Alice-2", "a.b_c-d", "x" * 40])
def test_ordinary_names_are_taken_from_the_sign_up_form(name: str) -> None:
    assert check_namespace_name(name) == name
