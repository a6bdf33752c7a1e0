"""A person or an organization: who it is, what it publishes, who belongs to it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.accounts.models import Membership
from registry.accounts.selectors import namespace_get
from registry.catalogue.selectors import repository_search
from registry.http import PrincipalRequest
from registry.web.preferences import purpose_of
from registry.web.rows import rows_of

_LIMIT = 20


@require_safe
def owner(request: PrincipalRequest, owner: str) -> HttpResponse:
    """Shows a namespace; members are shown to members alone."""
    namespace = namespace_get(owner)
    purpose = purpose_of(request)
    lists = []
    for kind, title in (("model", "Models"), ("dataset", "Datasets")):
        found = repository_search(
            request.principal, type=kind, author=namespace.name, sort="lastModified", limit=_LIMIT
        )
        rows = rows_of(request.principal, found.items, purpose)
        lists.append({"type": kind, "title": title, "rows": rows, "more": found.next_cursor is not None})
    members: list[Membership] = []
    role = request.principal.role_in(namespace.pk)
    if namespace.organization is not None and (role or request.principal.is_staff):
        rows_query = namespace.organization.memberships.select_related("user").order_by("user__username")
        members = list(rows_query)
    context = {"namespace": namespace, "lists": lists, "members": members, "role": role}
    return render(request, "web/owner.html", context)
