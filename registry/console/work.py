"""Repositories, jobs and workers in the panel."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from registry.console.base import Operation, StaffAdmin, column, operation_page
from registry.console.forms import OfferForm, ReasonForm
from registry.jobs.models import Job, Worker
from registry.jobs.services import job_stop
from registry.licensing.services import offer_create
from registry.repositories.disabling import repository_set_disabled
from registry.repositories.models import Repository

_DISABLE = Operation(
    title="Disable this repository",
    explanation="Every door answers that access is disabled, for its owner too. Nothing is deleted.",
    button="Disable",
    done="Disabled {}.",
    form=ReasonForm,
    is_grave=True,
    perform=lambda row, principal, values: repository_set_disabled(
        principal=principal, repository=row, disabled=True, **values
    ),
)
_ENABLE = Operation(
    title="Enable this repository",
    explanation="Its visibility and terms apply again.",
    button="Enable",
    done="Enabled {}.",
    form=ReasonForm,
    perform=lambda row, principal, values: repository_set_disabled(
        principal=principal, repository=row, disabled=False, **values
    ),
)
_OFFER = Operation(
    title="Offer this repository",
    explanation="Publishes one more way to get it, beside the terms of its card.",
    button="Publish",
    done="Published {}.",
    form=OfferForm,
    perform=lambda row, principal, values: offer_create(
        principal=principal,
        repository=row,
        license_id=values["license"].pk,
        **{key: value for key, value in values.items() if key != "license"},
    ),
)
_CANCEL = Operation(
    title="Cancel this job",
    explanation="The worker stops at the next step; its output is dropped and its log kept.",
    button="Cancel the job",
    done="Asked {} to stop.",
    is_grave=True,
    perform=lambda row, principal, _: job_stop(principal=principal, job=row, mode="cancel"),
)


@admin.register(Repository)
class RepositoryAdmin(StaffAdmin):
    """Models, datasets and spaces."""

    list_display = ("full_name", "type", "visibility", "gated", "disabled", "created_by", "updated_at")
    list_filter = ("type", "visibility", "gated", "disabled")
    list_select_related = ("created_by",)
    search_fields = ("full_name",)
    ordering = ("-updated_at",)
    fields = ("full_name", "type", "visibility", "gated", "disabled", "created_by", "created_at", "updated_at")
    actions_detail = ("disable", "enable", "offer")

    @operation_page(description="Disable", url_path="disable", icon="block")
    def disable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Takes it out of reach."""
        return self.operate(request, _DISABLE, object_id)

    @operation_page(description="Enable", url_path="enable", icon="undo")
    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Gives it back."""
        return self.operate(request, _ENABLE, object_id)

    @operation_page(description="Add offer", url_path="offer", icon="sell")
    def offer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Publishes an offer."""
        return self.operate(request, _OFFER, object_id)


@admin.register(Job)
class JobAdmin(StaffAdmin):
    """Jobs and where they stand."""

    list_display = ("id", "kind", "task", "requested_by", "status", "progress", "created_at", "finished_at")
    list_filter = ("state", "kind")
    list_select_related = ("requested_by",)
    search_fields = ("id", "requested_by__username", "base__full_name", "output__full_name")
    ordering = ("-created_at",)
    actions_detail = ("cancel",)

    @column(
        "State",
        ordering="state",
        label={"succeeded": "success", "failed": "danger", "running": "info", "stopping": "warning"},
    )
    def status(self, row: Job) -> tuple[str, str]:
        """The state as a label."""
        return row.state, row.get_state_display()

    @operation_page(description="Cancel", url_path="cancel", icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stops a job."""
        return self.operate(request, _CANCEL, object_id)


@admin.register(Worker)
class WorkerAdmin(StaffAdmin):
    """Workers as they last described themselves."""

    list_display = ("name", "queues", "first_seen_at", "last_seen_at")
    search_fields = ("name",)
    ordering = ("-last_seen_at",)
