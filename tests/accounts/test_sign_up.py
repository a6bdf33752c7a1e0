"""Sign-up through allauth's form: the same rules and the same service as the command line."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import RequestFactory

from registry.accounts import selectors
from registry.accounts.adapter import AccountAdapter
from registry.accounts.errors import NameTakenError
from registry.accounts.models import Organization, User

pytestmark = pytest.mark.django_db


class _Form:
    def __init__(self, username: str) -> None:
        self.cleaned_data = {"username": username, "email": "zoe@example.org", "password1": "long enough 1"}


def _save(username: str) -> User:
    request = RequestFactory().post("/accounts/signup/")
    adapter = AccountAdapter(request)
    return adapter.save_user(request, User(), _Form(username))


def test_signing_up_takes_the_namespace() -> None:
    user = _save("Zoe")
    assert selectors.namespace_get("zoe").user == user
    assert user.check_password("long enough 1")


def test_a_name_lost_while_the_form_was_filled_in_is_a_conflict(alice: User) -> None:
    with pytest.raises(NameTakenError):
        _save("ALICE")
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["alice", "ALICE", "Acme", "models", "support", "a--b", "-a", "a b"])
def test_the_form_refuses_taken_reserved_and_malformed_names(alice: User, acme: Organization, name: str) -> None:
    with pytest.raises(ValidationError):
        AccountAdapter().clean_username(name)


def test_the_form_takes_a_free_name() -> None:
    assert AccountAdapter().clean_username("Zoe") == "Zoe"


def test_a_shallow_check_does_not_look_for_others(alice: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert AccountAdapter().clean_username("alice", shallow=True) == "alice"


def test_the_operator_may_close_sign_up(settings: Any) -> None:
    adapter, request = AccountAdapter(), RequestFactory().get("/")
    assert adapter.is_open_for_signup(request)
    settings.SIGN_UP_OPEN = False
    assert not adapter.is_open_for_signup(request)
