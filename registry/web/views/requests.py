"""Access requests: the queue of an owner, and the answer to one."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from registry.errors import DomainError, NotFoundError
from registry.http import PrincipalRequest
from registry.licensing.models import AccessRequest
from registry.licensing.services import access_request_decide
from registry.repositories.selectors import may
from registry.web.common import done, refused, signed_in, user_id

_LIMIT = 100
_STATES = (("pending", "Waiting"), ("accepted", "Approved"), ("rejected", "Denied"))
_WITH = {"rejected": ("rejected", "revoked")}


def _in_my_care(request: PrincipalRequest) -> QuerySet[AccessRequest]:
    """Requests on repositories of namespaces where the viewer is owner or may write."""
    principal = request.principal
    mine = [principal.namespace_id, *(key for key, role in principal.memberships.items() if role in {"admin", "write"})]
    rows = AccessRequest.objects.filter(repository__namespace__in=mine)
    return rows.select_related("repository__namespace", "user", "organization__namespace", "decided_by")


@signed_in
@require_safe
def request_list(request: PrincipalRequest) -> HttpResponse:
    """Shows the queue, oldest first while it waits, newest first once it is answered."""
    state = request.GET.get("state", "pending")
    state = state if state in dict(_STATES) else "pending"
    rows = (
        _in_my_care(request)
        .filter(status__in=_WITH.get(state, (state,)))
        .order_by("created_at" if state == "pending" else "-decided_at")
    )
    asked = AccessRequest.objects.filter(user_id=user_id(request)).select_related("repository__namespace")
    mine = [item for item in asked.order_by("-created_at")[:_LIMIT] if may(request.principal, item.repository, "read")]
    context = {"requests": rows[:_LIMIT], "state": state, "states": _STATES, "mine": mine}
    return render(request, "web/request_list.html", context)


@signed_in
@require_POST
def request_decide(request: PrincipalRequest, pk: int) -> HttpResponse:
    """Approves or denies; denying wants a reason, which the person who asked sees."""
    access_request = _in_my_care(request).filter(pk=pk).first()
    if access_request is None:
        raise NotFoundError("there is no such request in your care")
    accepted = request.POST.get("answer") == "approve"
    try:
        access_request_decide(
            principal=request.principal,
            request=access_request,
            repository=access_request.repository,
            status="accepted" if accepted else "rejected",
            reason=request.POST.get("reason", "").strip(),
        )
    except DomainError as error:
        return refused(request, error, "/requests")
    word = "approved" if accepted else "denied"
    return done(
        request, f"You {word} {access_request.user.username} for {access_request.repository.full_name}.", "/requests"
    )
