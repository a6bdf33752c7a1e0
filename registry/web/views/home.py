"""Home: what is here, what is new and trending, how to point a client at this hub."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.catalogue.selectors import repository_search
from registry.http import PrincipalRequest
from registry.licensing.models import License
from registry.repositories.selectors import visible_repositories
from registry.web.preferences import purpose_of
from registry.web.rows import Row, rows_of
from registry.web.snippets import client_snippet

_LIMIT = 6


@require_safe
def home(request: PrincipalRequest) -> HttpResponse:
    """Shows the hub at a glance, weighed for the viewer's purpose."""
    counts = visible_repositories(request.principal).values_list("type").annotate(number=Count("pk")).order_by()
    by_type = dict(counts)
    trending = _rows(request, "model", "trending")
    recent = _rows(request, "model", "createdAt")
    context: dict[str, Any] = {
        "models": by_type.get("model", 0),
        "datasets": by_type.get("dataset", 0),
        "licenses": License.objects.count(),
        "trending": trending,
        "recent": [row for row in recent if row.repository.pk not in {item.repository.pk for item in trending}],
        "recent_datasets": _rows(request, "dataset", "lastModified")[:4],
        "client": client_snippet(),
    }
    return render(request, "web/home.html", context)


def _rows(request: PrincipalRequest, kind: str, sort: str) -> list[Row]:
    found = repository_search(request.principal, type=kind, sort=sort, limit=_LIMIT)
    return rows_of(request.principal, found.items, purpose_of(request))
