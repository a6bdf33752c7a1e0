"""The panel's first page: what waits for somebody, and what happened last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from registry.audit.models import AuditEntry, OutboxMessage
from registry.jobs.models import Job
from registry.licensing.models import AccessRequest, DecisionRecord

RECENT = 12
_DAY = timedelta(days=1)


def attention(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds the tiles and the last entries of the trail (unfold's DASHBOARD_CALLBACK)."""
    del request
    since = timezone.now() - _DAY
    undelivered = OutboxMessage.objects.filter(sent_at__isnull=True, attempts__gt=0)
    context["tiles"] = [
        _tile(
            "Access requests waiting",
            AccessRequest.objects.filter(status=AccessRequest.Status.PENDING).count(),
            "licensing_accessrequest",
            "?status__exact=pending",
        ),
        _tile(
            "Refusals in the last day",
            DecisionRecord.objects.filter(last_at__gte=since).exclude(verdict="allow").count(),
            "licensing_decisionrecord",
        ),
        _tile("Jobs not finished", Job.objects.filter(finished_at__isnull=True).count(), "jobs_job"),
        _tile("Messages not delivered", undelivered.count(), "audit_outboxmessage"),
    ]
    context["recent"] = AuditEntry.objects.order_by("-at", "-pk")[:RECENT]
    return context


def _tile(title: str, number: int, model: str, query: str = "") -> dict[str, Any]:
    return {"title": title, "number": number, "link": reverse(f"admin:{model}_changelist") + query}
