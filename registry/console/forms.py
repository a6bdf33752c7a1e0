"""Forms of the panel's operations. They only parse; what is acceptable, the services say."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from registry.accounts import selectors
from registry.accounts.models import Organization, OrganizationKind, Purpose, Role, User
from registry.errors import DomainError
from registry.licensing.models import Acquisition, License

_REASON_LENGTH = 500


def _text(**options: Any) -> forms.CharField:
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **options)


def _last_moment(day: Any) -> datetime | None:
    """An end on a day includes that day, in UTC."""
    return None if day is None else datetime.combine(day, time.max, tzinfo=UTC)


class ConfirmForm(forms.Form):
    """Nothing to say but yes."""


class ReasonForm(forms.Form):
    """A reason, without which the operation does not happen."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget,
        max_length=_REASON_LENGTH,
        help_text="It is recorded with your name and shown in the history.",
    )


class OptionalReasonForm(forms.Form):
    """A reason that may be left out."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget, max_length=_REASON_LENGTH, required=False, help_text="Told to the person."
    )


class ApprovalForm(OptionalReasonForm):
    """How long the access lasts."""

    last_day = forms.DateField(
        widget=UnfoldAdminSingleDateWidget, required=False, help_text="Last day of the access; open-ended if empty."
    )

    def clean(self) -> dict[str, Any]:
        """Adds `expires_at`."""
        values: dict[str, Any] = super().clean() or {}
        values["expires_at"] = _last_moment(values.get("last_day"))
        return values


class UserForm(forms.Form):
    """A new user."""

    username = _text(help_text="Also the namespace of their repositories.")
    full_name = _text(required=False, max_length=200)
    email = forms.EmailField(widget=UnfoldAdminEmailInputWidget, required=False)
    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget, required=False, help_text="Empty: they set one by the password reset."
    )
    is_admin = forms.BooleanField(
        widget=UnfoldBooleanWidget, required=False, label="Operator", help_text="May use this panel."
    )

    def clean(self) -> dict[str, Any]:
        """An empty password is none."""
        values: dict[str, Any] = super().clean() or {}
        values["password"] = values.get("password") or None
        return values


class OrganizationFactsForm(forms.Form):
    """What an organization says about itself."""

    full_name = _text(required=False, max_length=200)
    email = forms.EmailField(widget=UnfoldAdminEmailInputWidget, required=False)
    kind = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=OrganizationKind.choices)
    territory = _text(required=False, help_text="Two-letter code of ISO 3166-1, for example DE.")
    default_private = forms.BooleanField(
        widget=UnfoldBooleanWidget, required=False, label="New repositories start private"
    )


class OrganizationForm(forms.Form):
    """A new organization."""

    name = _text(help_text="Also the namespace of its repositories.")
    creator = _text(help_text="User who becomes its admin.")
    full_name = _text(required=False, max_length=200)
    kind = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=OrganizationKind.choices, initial="company")
    territory = _text(required=False, help_text="Two-letter code of ISO 3166-1, for example DE.")

    def clean_creator(self) -> User:
        """Looks the user up."""
        return _user(self.cleaned_data["creator"])


class MemberForm(forms.Form):
    """Somebody of an organization."""

    user = _text(label="User name")

    def clean_user(self) -> User:
        """Looks the user up."""
        return _user(self.cleaned_data["user"])


class MemberRoleForm(MemberForm):
    """Somebody of an organization and what they may do."""

    role = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=Role.choices)


class GrantForm(forms.Form):
    """Who gets an entitlement, for what and until when."""

    user = _text(required=False, label="User name", help_text="The holder is a user …")
    organization = _text(required=False, label="Organization name", help_text="… or an organization.")
    purposes = forms.MultipleChoiceField(
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=Purpose.choices,
        required=False,
        help_text="None ticked: every purpose.",
    )
    last_day = forms.DateField(
        widget=UnfoldAdminSingleDateWidget, required=False, help_text="Last day; open-ended if empty."
    )
    reason = forms.CharField(widget=UnfoldAdminTextareaWidget, max_length=_REASON_LENGTH)

    def clean(self) -> dict[str, Any]:
        """Looks the one holder up and adds `ends_at`."""
        values: dict[str, Any] = super().clean() or {}
        if bool(values.get("user")) == bool(values.get("organization")):
            raise ValidationError("name one holder: a user or an organization")
        if values.get("user"):
            values["user"] = _named(self, "user", selectors.user_get)
        if values.get("organization"):
            values["organization"] = _named(self, "organization", selectors.organization_get)
        values["ends_at"] = _last_moment(values.get("last_day"))
        return values


class OfferForm(forms.Form):
    """A new way to get a repository."""

    license = forms.ModelChoiceField(widget=UnfoldAdminSelectWidget, queryset=License.objects.order_by("name"))
    acquisition = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=Acquisition.choices)
    title = _text(max_length=120)
    description = _text(required=False, max_length=500)
    price = _text(required=False, max_length=120, help_text="In words, for purchase offers.")
    contact_url = _text(required=False, max_length=200, help_text="Where to buy or ask.")


class LicenseTextForm(forms.Form):
    """A further version of a license's text."""

    text = forms.CharField(widget=UnfoldAdminTextareaWidget, strip=False)
    version = _text(required=False, max_length=64)
    source = _text(required=False, max_length=300, help_text="Where the text was taken from.")
    material = forms.BooleanField(
        widget=UnfoldBooleanWidget, required=False, initial=True, label="Material: ask everybody to accept it anew"
    )


def _user(name: str) -> User:
    try:
        return selectors.user_get(name)
    except DomainError as error:
        raise ValidationError(error.message) from None


def _named(form: forms.Form, key: str, look_up: Any) -> User | Organization | None:
    try:
        found: User | Organization = look_up(form.cleaned_data[key])
    except DomainError as error:
        form.add_error(key, error.message)
        return None
    return found
