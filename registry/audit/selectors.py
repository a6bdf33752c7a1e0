"""Reads of the audit trail."""

from __future__ import annotations

from django.db.models import QuerySet

from registry.audit.models import AuditEntry


def entries_about(target: str) -> QuerySet[AuditEntry]:
    """Returns what happened to one target (`kind:name`), newest first."""
    return AuditEntry.objects.filter(target=target).order_by("-at", "-pk")
