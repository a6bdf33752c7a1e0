"""What happened, in the panel: decisions, receipts, the audit trail, the outbox. Nobody changes these."""

from __future__ import annotations

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from registry.audit.models import AuditEntry, OutboxMessage
from registry.console.base import StaffAdmin, column
from registry.licensing.codes import Verdict
from registry.licensing.models import DecisionRecord, Receipt

_COLOURS = {verdict.value: "warning" for verdict in Verdict} | {Verdict.ALLOW: "success", Verdict.DENY: "danger"}


@admin.register(DecisionRecord)
class DecisionRecordAdmin(StaffAdmin):
    """What the gate answered, and why."""

    list_display = ("id", "user", "repository_name", "action", "purpose", "answer", "code", "count", "last_at")
    list_filter = ("verdict", "action", "purpose", "code")
    list_select_related = ("user",)
    search_fields = ("id", "user__username", "repository_name", "commit", "code")
    ordering = ("-last_at",)
    fieldsets = (
        (None, {"fields": ("verdict", "why")}),
        (
            "Question",
            {
                "fields": (
                    "id",
                    "user",
                    "organization",
                    "token_id",
                    "repository_name",
                    "commit",
                    "action",
                    "purpose",
                    "environment",
                )
            },
        ),
        ("Record", {"fields": ("code", "count", "first_at", "last_at", "engine_version", "fingerprint")}),
    )
    readonly_fields = ("why",)

    @column("Verdict", ordering="verdict", label=_COLOURS)
    def answer(self, row: DecisionRecord) -> tuple[str, str]:
        """The verdict as a label."""
        return row.verdict, row.verdict

    @column("Why")
    def why(self, row: DecisionRecord) -> SafeString:
        """The decision in sentences: what was checked, the reasons with their clauses, duties and ways forward."""
        return render_to_string("console/decision.html", {"decision": row.decision})


@admin.register(Receipt)
class ReceiptAdmin(StaffAdmin):
    """Signed proofs of what somebody obtained."""

    list_display = ("id", "user", "repository", "commit", "created_at")
    list_select_related = ("user", "repository")
    search_fields = ("id", "user__username", "repository__full_name", "commit")
    ordering = ("-created_at",)
    fields = ("id", "decision", "user", "repository", "commit", "created_at", "jws")


@admin.register(AuditEntry)
class AuditEntryAdmin(StaffAdmin):
    """Who did what."""

    list_display = ("at", "actor", "action", "target", "details")
    list_display_links = ("at",)
    list_filter = ("action",)
    search_fields = ("actor", "action", "target")
    ordering = ("-at",)
    fields = ("at", "actor", "actor_id", "action", "target", "details")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(StaffAdmin):
    """What must still be told, and what could not be."""

    list_display = ("topic", "created_at", "due_at", "sent_at", "attempts", "last_error")
    list_filter = ("topic",)
    search_fields = ("topic", "last_error")
    ordering = ("-created_at",)
    fields = ("topic", "payload", "created_at", "due_at", "sent_at", "attempts", "last_error")
