"""The License page of one repository: terms, text, accepting it, asking the owner for access."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from registry.errors import DomainError, InvalidError, NotFoundError
from registry.http import PrincipalRequest
from registry.licensing.models import AccessRequest, Offer
from registry.licensing.services import access_request_create, license_accept, offer_accept
from registry.repositories.models import Repository
from registry.web.common import done, form_errors_add, refused, signed_in
from registry.web.license_panel import RequestForm
from registry.web.preferences import purpose_of
from registry.web.repository_page import open_page
from registry.web.views.repositories import panel_of


@require_safe
def panel(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows the terms with their clauses, the text, and the forms that the decision asks for."""
    page = open_page(request, type, owner, name, tab="license")
    shown = panel_of(page, purpose_of(request))
    return render(request, "web/repository_license.html", page.context(panel=shown, form=RequestForm(shown.gated_form)))


@signed_in
@require_POST
def accept(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Records the viewer's assent to the text whose hash the form quotes."""
    page = open_page(request, type, owner, name, tab="license")
    target = f"{page.url}/license"
    try:
        _accept(request, page.repository)
    except DomainError as error:
        return refused(request, error, target)
    return done(request, "You accepted the terms. The files are yours to download.", target)


def _accept(request: PrincipalRequest, repository: Repository) -> None:
    """Accepts the terms of an offer, or of the repository's own or an inherited license."""
    text_sha256 = request.POST.get("text_sha256", "")[:64]
    offer = _offer(repository.pk, request.POST.get("offer", ""))
    if offer is not None:
        offer_accept(principal=request.principal, repository=repository, offer=offer, text_sha256=text_sha256)
        return
    license_accept(
        principal=request.principal,
        repository=repository,
        license_id=request.POST.get("license", "")[:100],
        text_sha256=text_sha256,
    )


def _offer(repository: int, pk: str) -> Offer | None:
    """Returns the published offer of this repository; None for the main one, which needs no row."""
    if not pk:
        return None
    offer = None
    if pk.isdecimal() and len(pk) < 19:  # noqa: PLR2004 (digits of a 64-bit key)
        offer = Offer.objects.filter(pk=int(pk), repository=repository, status=Offer.Status.PUBLISHED).first()
    if offer is None:
        raise NotFoundError("this offer is not available any more")
    return offer


@signed_in
@require_POST
def request_access(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Sends the owner's form; what is missing in it is said beside its field."""
    page = open_page(request, type, owner, name, tab="license")
    shown = panel_of(page, purpose_of(request))
    form = RequestForm(shown.gated_form, request.POST)
    if not form.is_valid():
        return render(request, "web/repository_license.html", page.context(panel=shown, form=form), status=422)
    try:
        made = access_request_create(
            principal=request.principal, repository=page.repository, form=shown.gated_form, answers=form.answers
        )
    except InvalidError as error:
        form_errors_add(form, error, fields=form.names)
        return render(request, "web/repository_license.html", page.context(panel=shown, form=form), status=422)
    except DomainError as error:
        return refused(request, error, f"{page.url}/license")
    if made.status == AccessRequest.Status.ACCEPTED:
        return done(request, "You have access. The files are yours to download.", f"{page.url}/license")
    return done(request, "Your request is with the owner. This page shows the answer.", f"{page.url}/license")
