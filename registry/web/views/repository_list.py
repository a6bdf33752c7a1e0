"""Models and datasets: search, facets, purpose and verdicts; htmx swaps the parts that change."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.http import PrincipalRequest
from registry.web.browse import SORTS, answer, question_of
from registry.web.charts import percent
from registry.web.preferences import PURPOSE_COOKIE, cookie_set, known_purpose, purpose_of


@require_safe
def repository_list(request: PrincipalRequest, type: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows what the viewer may see, each row with its verdict for the viewer's purpose."""
    purpose = purpose_of(request)
    found = answer(request.principal, question_of(type, request.GET), purpose, request.GET.get("cursor", "")[:500])
    context = {
        "section": f"{type}s",
        "type": type,
        "found": found,
        "sorts": SORTS,
        "bars": _bars([count for _, _, count in found.balance]),
    }
    # A restored page of the browser's history must be whole, although htmx asks for it.
    part = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    response = render(request, "web/includes/list_parts.html" if part else "web/repository_list.html", context)
    response["Vary"] = "HX-Request, Cookie"
    if "purpose" in request.GET:
        cookie_set(response, PURPOSE_COOKIE, known_purpose(request.GET["purpose"]))
    return response


def _bars(counts: list[int]) -> list[tuple[str, str, str]]:
    """Returns (class, start, width) of the balance's three parts."""
    total, start, bars = sum(counts), 0, []
    for name, count in zip("acd", counts, strict=False):
        if count and total:
            bars.append((name, percent(start, 0, total), percent(count, 0, total)))
        start += count
    return bars
