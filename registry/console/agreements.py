"""Acceptances, access requests and entitlements in the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from registry.accounts.principal import Principal
from registry.console.base import Operation, StaffAdmin, StaffTabular, column, operation_page
from registry.console.forms import ApprovalForm, OptionalReasonForm, ReasonForm
from registry.licensing import services
from registry.licensing.models import Acceptance, AccessRequest, Entitlement, EntitlementEvent


def _decide(status: str) -> Callable[[AccessRequest, Principal, dict[str, Any]], AccessRequest]:
    def perform(row: AccessRequest, principal: Principal, values: dict[str, Any]) -> AccessRequest:
        return services.access_request_decide(
            principal=principal,
            request=row,
            repository=row.repository,
            status=status,
            reason=values["reason"],
            expires_at=values.get("expires_at"),
        )

    return perform


def _change(service: Callable[..., Entitlement]) -> Callable[[Entitlement, Principal, dict[str, Any]], Entitlement]:
    def perform(row: Entitlement, principal: Principal, values: dict[str, Any]) -> Entitlement:
        return service(principal=principal, entitlement=row, repository=row.offer.repository, reason=values["reason"])

    return perform


_APPROVE = Operation(
    title="Approve this request",
    explanation="The person may download from the next request on.",
    button="Approve",
    done="Approved: {}.",
    form=ApprovalForm,
    perform=_decide(AccessRequest.Status.ACCEPTED),
)
_DENY = Operation(
    title="Deny this request",
    explanation="The person is refused; access that was given is taken back.",
    button="Deny",
    done="Denied: {}.",
    form=OptionalReasonForm,
    is_grave=True,
    perform=_decide(AccessRequest.Status.REJECTED),
)
_SUSPEND = Operation(
    title="Suspend this entitlement",
    explanation="The holder is refused from the next request on, until somebody resumes it.",
    button="Suspend",
    done="Suspended {}.",
    form=ReasonForm,
    is_grave=True,
    perform=_change(services.entitlement_suspend),
)
_RESUME = Operation(
    title="Resume this entitlement",
    explanation="The holder may use the offer again.",
    button="Resume",
    done="Resumed {}.",
    form=ReasonForm,
    perform=_change(services.entitlement_resume),
)
_REVOKE = Operation(
    title="Revoke this entitlement",
    explanation="The holder is refused from the next request on. This cannot be undone: grant a new one instead.",
    button="Revoke",
    done="Revoked {}.",
    form=ReasonForm,
    is_grave=True,
    perform=_change(services.entitlement_revoke),
)


class _Events(StaffTabular):
    model = EntitlementEvent
    fields = ("at", "actor", "action", "reason")
    readonly_fields = fields
    ordering = ("-at",)
    verbose_name_plural = "history"
    show_change_link = False


@admin.register(Acceptance)
class AcceptanceAdmin(StaffAdmin):
    """Who accepted which text."""

    list_display = ("user", "organization", "repository", "license", "text_sha256", "accepted_at", "withdrawn_at")
    list_filter = ("accepted_at",)
    list_select_related = ("user", "organization__namespace", "repository", "license")
    search_fields = ("user__username", "repository__full_name", "license__id", "text_sha256")
    ordering = ("-accepted_at",)
    fields = (
        "user",
        "organization",
        "repository",
        "offer",
        "license",
        "license_version",
        "text_sha256",
        "accepted_at",
        "withdrawn_at",
    )


@admin.register(AccessRequest)
class AccessRequestAdmin(StaffAdmin):
    """Who asks for what, and the answers."""

    list_display = ("user", "repository", "status", "created_at", "decided_by", "decided_at", "expires_at")
    list_filter = ("status",)
    list_select_related = ("user", "repository", "decided_by")
    search_fields = ("user__username", "repository__full_name")
    ordering = ("-created_at",)
    # Not `fields`: the admin class needs that name for itself, and the form's answers are a column of that name.
    fieldsets = (
        (None, {"fields": ("user", "organization", "repository", "status", "created_at")}),
        ("The form's answers", {"fields": ("fields",)}),
        ("Decision", {"fields": ("decided_by", "decided_at", "reason", "expires_at")}),
    )
    actions_detail = ("approve", "deny")

    @operation_page(description="Approve", url_path="approve", icon="check")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Gives access."""
        return self.operate(request, _APPROVE, object_id)

    @operation_page(description="Deny", url_path="deny", icon="block")
    def deny(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuses, or takes access back."""
        return self.operate(request, _DENY, object_id)


@admin.register(Entitlement)
class EntitlementAdmin(StaffAdmin):
    """Who has a right to which offer."""

    list_display = ("number", "holder", "repository", "offer", "state", "starts_at", "ends_at")
    list_display_links = ("number",)
    list_filter = ("status",)
    list_select_related = ("user", "organization__namespace", "offer__repository")
    search_fields = ("user__username", "organization__namespace__name", "offer__repository__full_name", "offer__title")
    ordering = ("-created_at",)
    fields = (
        "holder",
        "repository",
        "offer",
        "covers",
        "status",
        "starts_at",
        "ends_at",
        "granted_by",
        "created_at",
    )
    readonly_fields = ("holder", "repository", "covers")
    inlines = (_Events,)
    actions_detail = ("suspend", "resume", "revoke")

    @column("Entitlement", ordering="pk")
    def number(self, row: Entitlement) -> str:
        """The number by which people speak of it."""
        return f"#{row.pk}"

    @column("Holder")
    def holder(self, row: Entitlement) -> str:
        """The user's or the organization's name."""
        return str(row.user or row.organization)

    @column("Repository")
    def repository(self, row: Entitlement) -> str:
        """What the offer is for."""
        return row.offer.repository.full_name

    @column("Purposes")
    def covers(self, row: Entitlement) -> str:
        """What it may be used for."""
        return ", ".join(row.purposes) or "every purpose"

    @column("Status", label={"active": "success", "suspended": "warning", "revoked": "danger"})
    def state(self, row: Entitlement) -> tuple[str, str]:
        """What somebody decided; the dates are beside it."""
        return row.status, row.get_status_display()

    @operation_page(description="Suspend", url_path="suspend", icon="pause")
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stops it for a while."""
        return self.operate(request, _SUSPEND, object_id)

    @operation_page(description="Resume", url_path="resume", icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lets it work again."""
        return self.operate(request, _RESUME, object_id)

    @operation_page(description="Revoke", url_path="revoke", icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ends it for good."""
        return self.operate(request, _REVOKE, object_id)
