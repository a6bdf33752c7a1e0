"""Decisions: what the gate answered this person and their tokens, each with its reasons and the ways forward."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.access.services import authorize_preview
from registry.accounts.models import AccessToken, Purpose
from registry.accounts.principal import Principal
from registry.errors import NotFoundError
from registry.http import PrincipalRequest
from registry.licensing.models import DecisionRecord
from registry.repositories.models import Repository
from registry.repositories.selectors import may
from registry.web.common import signed_in, user_id
from registry.web.weighing import Weighing, tone_of

_PAGE = 30


def _visible(principal: Principal) -> QuerySet[DecisionRecord]:
    """One's own decisions; staff see all; admins of an organization those made on its behalf."""
    rows = DecisionRecord.objects.select_related("repository__namespace", "organization__namespace", "user")
    if principal.is_staff:
        return rows
    admin_of = [namespace for namespace, role in principal.memberships.items() if role == "admin"]
    return rows.filter(Q(user_id=principal.user_id) | Q(organization__namespace__in=admin_of))


@signed_in
@require_safe
def decision_list(request: PrincipalRequest) -> HttpResponse:
    """Lists one's own recent decisions, refusals first to be found."""
    only = request.GET.get("show", "")
    rows = DecisionRecord.objects.filter(user_id=user_id(request)).select_related("repository__namespace")
    if only == "refused":
        rows = rows.exclude(verdict="allow")
    start = _number(request.GET.get("from", ""))
    items = list(rows.order_by("-last_at", "-pk")[start : start + _PAGE + 1])
    tokens = dict(AccessToken.objects.filter(user_id=user_id(request)).values_list("pk", "name"))
    entries = [
        (item, tone_of(item.verdict, warned=_warned(item)), tokens.get(item.token_id or 0, ""))
        for item in items[:_PAGE]
    ]
    context = {"entries": entries, "show": only, "start": start, "next": start + _PAGE if len(items) > _PAGE else None}
    return render(request, "web/decision_list.html", context)


def _warned(record: DecisionRecord) -> bool:
    return bool(record.decision.get("warnings"))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0  # noqa: PLR2004 (digits of a page offset)


@signed_in
@require_safe
def decision_detail(request: PrincipalRequest, decision_id: str) -> HttpResponse:
    """Shows one decision: verdict, reasons, checks in order, what was asked, and what would help."""
    record = _visible(request.principal).filter(pk=decision_id[:32]).first()
    if record is None:
        raise NotFoundError("there is no such decision, or it is not yours to see")
    token = AccessToken.objects.filter(pk=record.token_id).first() if record.token_id else None
    repository = record.repository
    own = record.user_id == request.principal.user_id
    context = {
        "record": record,
        "decision": {**record.decision, "id": record.pk},
        "token": token,
        "others": _other_purposes(request.principal, repository) if repository is not None and own else [],
        "repository": repository,
    }
    return render(request, "web/decision_detail.html", context)


def _other_purposes(principal: Principal, repository: Repository) -> list[tuple[str, Weighing]]:
    """Returns how each purpose would be weighed now."""
    if not may(principal, repository, "read"):
        return []
    return [
        (
            purpose.label,
            Weighing(
                authorize_preview(principal=principal, action="download", repository=repository, purpose=purpose.value)
            ),
        )
        for purpose in Purpose
    ]
