"""The license catalogue: all licenses by category, and one with its terms and text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.errors import NotFoundError
from registry.http import PrincipalRequest
from registry.licensing.models import License
from registry.licensing.terms import LicenseTerms, TermsError, load_vocabulary, parse_terms
from registry.repositories.selectors import visible_repositories
from registry.web.wording import CATEGORIES, Sheet, sheet_of

_TONE: Final = {"allowed": "allow", "conditional": "cond", "prohibited": "deny"}
_WORD: Final = {
    "allowed": "Yes",
    "conditional": "If",
    "prohibited": "No",
    "unstated": "Not said",
    "unknown": "Not read",
}


@dataclass(frozen=True, slots=True)
class TermRow:
    """One action or purpose of the terms table."""

    name: str
    meaning: str
    tone: str
    word: str
    conditions: str
    clause: str
    confidence: str


@require_safe
def license_list(request: PrincipalRequest) -> HttpResponse:
    """Lists the catalogue with search and category; the whole of it, since people look for a name in it."""
    search = request.GET.get("search", "").strip()[:100]
    category = request.GET.get("category", "")
    rows = _matching(search)
    counts = dict(rows.values_list("category").annotate(number=Count("pk")).order_by())
    facets = [(code, label, counts.get(code, 0)) for code, label in CATEGORIES.items()]
    if category in CATEGORIES:
        rows = rows.filter(category=category)
    fields = ("id", "name", "spdx", "category", "confidence", "steward", "is_family")
    context = {
        "section": "licenses",
        "licenses": rows.only(*fields).order_by("name"),
        "facets": facets,
        "search": search,
        "category": category if category in CATEGORIES else "",
        "total": sum(counts.values()),
    }
    template = "web/includes/license_rows.html" if request.headers.get("HX-Request") else "web/license_list.html"
    return render(request, template, context)


def _matching(search: str) -> QuerySet[License]:
    rows = License.objects.all()
    for word in search.split()[:6]:
        rows = rows.filter(
            Q(id__icontains=word) | Q(name__icontains=word) | Q(spdx__icontains=word) | Q(steward__icontains=word)
        )
    return rows


@require_safe
def license_detail(request: PrincipalRequest, license_id: str) -> HttpResponse:
    """Shows one license: what it permits with clauses, thresholds, what derivatives may carry, and its text."""
    license_row = License.objects.filter(pk=license_id[:100]).first()
    if license_row is None:
        raise NotFoundError(f"the catalogue has no license {license_id[:100]}")
    terms = _terms(license_row)
    used_by = visible_repositories(request.principal).filter(profile__license=license_row)
    context = {
        "section": "licenses",
        "license": license_row,
        "terms": terms,
        "sheet": _sheet(terms),
        "actions": _rows(terms, "action"),
        "purposes_table": _rows(terms, "purpose"),
        "derivatives": _derivatives(terms),
        "text": license_row.texts.filter(is_current=True).first(),
        "used_by": used_by.order_by("-counters__downloads", "full_name")[:8],
    }
    return render(request, "web/license_detail.html", context)


def _terms(row: License) -> LicenseTerms | None:
    try:
        return parse_terms(row.terms)
    except TermsError:
        return None


def _sheet(terms: LicenseTerms | None) -> Sheet | None:
    return sheet_of(terms) if terms is not None else None


def _rows(terms: LicenseTerms | None, group: str) -> list[TermRow]:
    if terms is None:
        return []
    vocabulary = load_vocabulary()
    items = terms.actions if group == "action" else terms.purposes
    return [
        TermRow(
            name=code.replace("-", " "),
            meaning=vocabulary.words(group, code),
            tone=_TONE.get(item.value, ""),
            word=_WORD[item.value],
            conditions="; ".join(vocabulary.words("condition", condition) for condition in item.conditions),
            clause=item.clause,
            confidence=item.confidence,
        )
        for code, item in items.items()
    ]


def _derivatives(terms: LicenseTerms | None) -> str:
    """Returns which licenses a derivative may carry, in words."""
    if terms is None:
        return ""
    mode = load_vocabulary().words("derivative_mode", terms.derivatives.mode)
    compatible = ", ".join(sorted(terms.derivatives.compatible)[:8])
    return f"{mode}{f'; compatible: {compatible}' if compatible else ''}"
