"""Users, organizations, memberships and access tokens in the panel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from registry.accounts import services
from registry.accounts.models import AccessToken, Membership, Organization, User
from registry.console.base import Operation, StaffAdmin, StaffTabular, column, operation_page
from registry.console.forms import (
    MemberForm,
    MemberRoleForm,
    OrganizationFactsForm,
    OrganizationForm,
    ReasonForm,
    UserForm,
)

_FACTS = ("full_name", "email", "kind", "territory", "default_private")

_CREATE_USER = Operation(
    title="Create a user",
    explanation="Makes an account and takes its name as a namespace. The sign-up form's rules for names do not apply.",
    button="Create",
    done="Created {}.",
    form=UserForm,
    perform=lambda _, principal, values: services.user_create(**values, enforce_rules=False, principal=principal),
)
_SUSPEND = Operation(
    title="Suspend this user",
    explanation="Sessions and tokens stop working at the next request. Nothing is deleted.",
    button="Suspend",
    done="Suspended {}.",
    form=ReasonForm,
    is_grave=True,
    perform=lambda row, principal, values: services.user_set_active(
        user=row, active=False, principal=principal, **values
    ),
)
_RESUME = Operation(
    title="Let this user in again",
    explanation="Sign-in and tokens that were not revoked work again.",
    button="Resume",
    done="{} may sign in again.",
    form=ReasonForm,
    perform=lambda row, principal, values: services.user_set_active(
        user=row, active=True, principal=principal, **values
    ),
)
_REMOVE_FACTOR = Operation(
    title="Remove this user's second factor",
    explanation="For somebody who lost both device and recovery codes. Make sure that it is they who ask.",
    button="Remove",
    done="Removed the second factor of {}.",
    form=ReasonForm,
    is_grave=True,
    perform=lambda row, principal, values: services.user_second_factor_remove(user=row, principal=principal, **values),
)
_CREATE_ORGANIZATION = Operation(
    title="Create an organization",
    explanation="Makes an organization, takes its name as a namespace and makes one user its admin.",
    button="Create",
    done="Created {}.",
    form=OrganizationForm,
    perform=lambda _, principal, values: services.organization_create(
        **values, enforce_rules=False, principal=principal
    ),
)
_EDIT_ORGANIZATION = Operation(
    title="Change what this organization says about itself",
    explanation="Kind and territory are facts that license terms ask for.",
    button="Save",
    done="Saved {}.",
    form=OrganizationFactsForm,
    initial=lambda row: {key: getattr(row, key) for key in _FACTS},
    perform=lambda row, principal, values: services.organization_update(
        organization=row, principal=principal, **values
    ),
)
_SET_MEMBER = Operation(
    title="Add a member or change a role",
    explanation="The role holds for all repositories of the organization.",
    button="Save",
    done="Saved: {}.",
    form=MemberRoleForm,
    perform=lambda row, principal, values: services.membership_set(organization=row, principal=principal, **values),
)


def _remove_member(row: Organization, principal: Any, values: dict[str, Any]) -> Organization:
    services.membership_remove(organization=row, principal=principal, **values)
    return row


_REMOVE_MEMBER = Operation(
    title="Remove a member",
    explanation="Ends the membership and revokes the tokens by which the user acted for the organization.",
    button="Remove",
    done="Removed the member from {}.",
    form=MemberForm,
    is_grave=True,
    perform=_remove_member,
)
_REVOKE_TOKEN = Operation(
    title="Revoke this token",
    explanation="It fails at the next request and cannot be brought back.",
    button="Revoke",
    done="Revoked {}.",
    is_grave=True,
    perform=lambda row, principal, _: services.token_revoke(token=row, principal=principal),
)


class _MembershipsOfUser(StaffTabular):
    model = Membership
    fields = ("organization", "role", "created_at")
    readonly_fields = fields
    verbose_name_plural = "memberships"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Joins the names."""
        rows: QuerySet[Membership] = super().get_queryset(request)
        return rows.select_related("organization__namespace")


class _Members(StaffTabular):
    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = fields
    verbose_name_plural = "members"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Joins the names."""
        rows: QuerySet[Membership] = super().get_queryset(request)
        return rows.select_related("user")


class _TokensOfUser(StaffTabular):
    model = AccessToken
    fields = ("name", "hint", "role", "purpose", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    verbose_name_plural = "access tokens"


@admin.register(User)
class UserAdmin(StaffAdmin):
    """People."""

    list_display = ("username", "full_name", "email", "is_staff", "is_active", "date_joined", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("username", "full_name", "email")
    ordering = ("username",)
    fields = (
        "username",
        "full_name",
        "email",
        "default_purpose",
        "is_staff",
        "is_active",
        "date_joined",
        "last_login",
    )
    inlines = (_MembershipsOfUser, _TokensOfUser)
    actions_list = ("create",)
    actions_detail = ("suspend", "resume", "remove_second_factor")

    @operation_page(description="Create user", url_path="create", icon="person_add")
    def create(self, request: HttpRequest) -> HttpResponse:
        """Makes an account."""
        return self.operate(request, _CREATE_USER)

    @operation_page(description="Suspend", url_path="suspend", icon="block")
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stops sessions and tokens."""
        return self.operate(request, _SUSPEND, object_id)

    @operation_page(description="Resume", url_path="resume", icon="undo")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lets a suspended user in again."""
        return self.operate(request, _RESUME, object_id)

    @operation_page(description="Remove second factor", url_path="second-factor", icon="key_off")
    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Helps somebody who lost device and recovery codes."""
        return self.operate(request, _REMOVE_FACTOR, object_id)


@admin.register(Organization)
class OrganizationAdmin(StaffAdmin):
    """Organizations and their members."""

    list_display = ("name", "full_name", "kind", "territory", "default_private", "created_at")
    list_filter = ("kind",)
    list_select_related = ("namespace",)
    search_fields = ("namespace__name", "full_name")
    ordering = ("namespace__name",)
    fields = ("name", "full_name", "email", "kind", "territory", "default_private", "created_at")
    readonly_fields = ("name",)
    inlines = (_Members,)
    actions_list = ("create",)
    actions_detail = ("edit", "set_member", "remove_member")

    @column("Name", ordering="namespace__name")
    def name(self, row: Organization) -> str:
        """Name of the namespace."""
        return row.name

    @operation_page(description="Create organization", url_path="create", icon="add")
    def create(self, request: HttpRequest) -> HttpResponse:
        """Makes an organization."""
        return self.operate(request, _CREATE_ORGANIZATION)

    @operation_page(description="Edit", url_path="edit", icon="edit")
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Changes its facts."""
        return self.operate(request, _EDIT_ORGANIZATION, object_id)

    @operation_page(description="Add member", url_path="member", icon="person_add")
    def set_member(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Adds a member or changes a role."""
        return self.operate(request, _SET_MEMBER, object_id)

    @operation_page(description="Remove member", url_path="remove-member", icon="person_remove")
    def remove_member(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ends a membership."""
        return self.operate(request, _REMOVE_MEMBER, object_id)


@admin.register(Membership)
class MembershipAdmin(StaffAdmin):
    """Who belongs where."""

    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization__namespace")
    search_fields = ("user__username", "organization__namespace__name")
    fields = list_display


@admin.register(AccessToken)
class AccessTokenAdmin(StaffAdmin):
    """Tokens by their hint; the secret itself is stored nowhere."""

    list_display = (
        "hint",
        "user",
        "name",
        "role",
        "purpose",
        "environment",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    list_filter = ("role", "purpose", "environment")
    list_select_related = ("user",)
    search_fields = ("user__username", "name", "hint")
    ordering = ("-created_at",)
    fields = (
        "hint",
        "user",
        "organization",
        "name",
        "role",
        "scopes",
        "purpose",
        "environment",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    actions_detail = ("revoke",)

    @operation_page(description="Revoke", url_path="revoke", icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ends a token."""
        return self.operate(request, _REVOKE_TOKEN, object_id)
