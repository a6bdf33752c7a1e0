"""Licenses, their texts and offers in the panel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from registry.accounts.principal import Principal
from registry.console.base import Operation, StaffAdmin, StaffTabular, operation_page
from registry.console.forms import ConfirmForm, GrantForm, LicenseTextForm
from registry.licensing import services
from registry.licensing.models import Entitlement, License, LicenseText, Offer
from registry.licensing.services.texts import license_text_add


def _grant(row: Offer, principal: Principal, values: dict[str, Any]) -> Entitlement:
    return services.entitlement_grant(
        principal=principal,
        offer=row,
        repository=row.repository,
        reason=values["reason"],
        user=values["user"] or None,
        organization=values["organization"] or None,
        purposes=values["purposes"],
        ends_at=values["ends_at"],
    )


_ADD_TEXT = Operation(
    title="Add a text",
    explanation="It becomes the current text under its SHA-256. A stored text never changes; earlier ones stay.",
    button="Add",
    done="Added {}.",
    form=LicenseTextForm,
    perform=lambda row, principal, values: license_text_add(principal=principal, license_id=row.pk, **values),
)
_GRANT = Operation(
    title="Grant an entitlement to this offer",
    explanation="Gives a user or an organization the right that the offer sells, from now on.",
    button="Grant",
    done="Granted: {}.",
    form=GrantForm,
    perform=_grant,
)
_WITHDRAW = Operation(
    title="Withdraw this offer",
    explanation="Nobody can take it any more. Entitlements that were granted stay.",
    button="Withdraw",
    done="Withdrew {}.",
    form=ConfirmForm,
    is_grave=True,
    perform=lambda row, principal, _: services.offer_withdraw(
        principal=principal, offer=row, repository=row.repository
    ),
)


class _Texts(StaffTabular):
    model = LicenseText
    fields = ("sha256", "version", "source", "material", "is_current", "created_at")
    readonly_fields = fields
    verbose_name_plural = "texts"


class _Entitlements(StaffTabular):
    model = Entitlement
    fields = ("user", "organization", "status", "starts_at", "ends_at")
    readonly_fields = fields
    verbose_name_plural = "entitlements"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entitlement]:
        """Joins the names."""
        rows: QuerySet[Entitlement] = super().get_queryset(request)
        return rows.select_related("user", "organization__namespace")


@admin.register(License)
class LicenseAdmin(StaffAdmin):
    """The catalogue of licenses."""

    list_display = ("id", "name", "category", "spdx", "version", "confidence", "is_custom", "updated_at")
    list_filter = ("category", "confidence", "is_family", "is_custom")
    search_fields = ("id", "name", "spdx", "hf_id", "hf_license_name")
    fields = (
        "id",
        "name",
        "category",
        "spdx",
        "hf_id",
        "hf_license_name",
        "version",
        "steward",
        "url",
        "summary",
        "confidence",
        "is_family",
        "is_custom",
        "updated_at",
        "terms_sha256",
        "terms",
    )
    inlines = (_Texts,)
    actions_detail = ("add_text",)

    @operation_page(description="Add text", url_path="add-text", icon="add")
    def add_text(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stores a further text."""
        return self.operate(request, _ADD_TEXT, object_id)


@admin.register(LicenseText)
class LicenseTextAdmin(StaffAdmin):
    """Texts by their hash; they never change."""

    list_display = ("license", "sha256", "version", "source", "material", "is_current", "created_at")
    list_filter = ("is_current", "material")
    list_select_related = ("license",)
    search_fields = ("license__id", "sha256", "version")
    ordering = ("license", "-created_at")
    fields = ("license", "sha256", "version", "source", "material", "is_current", "created_at", "text")


@admin.register(Offer)
class OfferAdmin(StaffAdmin):
    """Ways to get a repository."""

    list_display = ("title", "repository", "license", "acquisition", "status", "price", "starts_at", "ends_at")
    list_filter = ("status", "acquisition")
    list_select_related = ("repository", "license")
    search_fields = ("title", "repository__full_name", "license__id")
    ordering = ("-created_at",)
    fields = (
        "repository",
        "title",
        "description",
        "license",
        "acquisition",
        "purposes",
        "territory",
        "price",
        "contact_url",
        "status",
        "starts_at",
        "ends_at",
        "created_at",
    )
    inlines = (_Entitlements,)
    actions_detail = ("grant", "withdraw")

    @operation_page(description="Grant entitlement", url_path="grant", icon="verified_user")
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Gives somebody the right to it."""
        return self.operate(request, _GRANT, object_id)

    @operation_page(description="Withdraw", url_path="withdraw", icon="block")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Takes it off the list."""
        return self.operate(request, _WITHDRAW, object_id)
