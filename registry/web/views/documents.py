"""Documents that answers of the hub point at, rendered as pages: what an error or a decision code means."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from registry.errors import NotFoundError
from registry.web import markdown

# Inside the package, so that an installed hub has them; the folder `docs` of the source tree links here.
_FOLDER: Final = Path(__file__).resolve().parent.parent / "docs"
_TITLES: Final = {"errors": "Errors", "decision-codes": "Decision codes"}
# Our own documents: their anchors are part of the API (`type` of problem details), so they carry no prefix.
_BASE: Final = markdown.Base(blob="/docs", raw="/docs", id_prefix="")


@lru_cache(maxsize=len(_TITLES))
def _html(name: str) -> str:
    return markdown.render((_FOLDER / f"{name}.md").read_text(encoding="utf-8"), _BASE, heading_shift=0)


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """Shows one document."""
    if name not in _TITLES:
        raise NotFoundError("there is no such document")
    return render(request, "web/document.html", {"title": _TITLES[name], "html": _html(name)})


@require_safe
def source_name(request: HttpRequest, name: str) -> HttpResponse:
    """Leads from a document's file name, by which documents link to one another, to its page."""
    del request
    if name not in _TITLES:
        raise NotFoundError("there is no such document")
    return redirect("web:document", name, permanent=True)
