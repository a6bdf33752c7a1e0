"""How allauth creates our users: through the same service and name rules as the command line."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from registry.accounts.errors import NameInvalidError
from registry.accounts.models import User
from registry.accounts.names import check_namespace_name
from registry.accounts.services.people import name_is_taken, user_register


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # (allauth ships no types)
    """Creates users through our services."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """True unless the operator closed sign-up (`WEIGHBRIDGE_SIGN_UP_OPEN`)."""
        del request
        return bool(settings.SIGN_UP_OPEN)

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002 (allauth's signature)
        """Applies the name rules; unless `shallow`, also that nobody has the name, organizations included.

        Raises:
            ValidationError: with the sentence for the form.
        """
        try:
            check_namespace_name(username)
        except NameInvalidError as error:
            raise ValidationError(error.message, code=error.code) from None
        if not shallow and name_is_taken(username):
            raise ValidationError(f"`{username}` is taken: choose another name", code="name_taken")
        return username

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002 (allauth's signature)
        """Fills the user from the form and, if `commit`, registers them with their namespace.

        Raises:
            NameTakenError: somebody took the name while the form was being filled in.
        """
        filled: User = super().save_user(request, user, form, commit=False)
        if commit:
            user_register(user=filled)
        return filled
