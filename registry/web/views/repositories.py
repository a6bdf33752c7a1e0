"""One repository: its card page, making a new one, settings, deletion."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.access.services import authorize_preview
from registry.accounts.selectors import organizations_of
from registry.catalogue.cards import parse_card
from registry.catalogue.publishing import repository_publish
from registry.errors import DomainError
from registry.http import PrincipalRequest
from registry.repositories.models import Gating, Repository, Visibility
from registry.repositories.services import repository_delete, repository_update
from registry.repositories.trees import blob_bytes
from registry.web import markdown
from registry.web.common import done, form_errors_add, page_url, refused, signed_in
from registry.web.license_panel import LicensePanel
from registry.web.lineage_view import lineage_view
from registry.web.preferences import purpose_of
from registry.web.repository_page import RepositoryPage, open_page
from registry.web.results import results_of
from registry.web.snippets import use_snippets


@require_safe
def detail(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows the card, the license ticket, lineage, results and how to use it; htmx asks for the ticket alone."""
    page = open_page(request, type, owner, name, tab="card")
    panel = panel_of(page, purpose_of(request))
    if request.headers.get("HX-Target") == "license":
        return render(request, "web/includes/ticket.html", page.context(panel=panel))
    license_name = panel.license.pk if panel.license is not None else "license not stated"
    context = page.context(
        panel=panel,
        card=_card_html(page),
        lineage=lineage_view(request.principal, page.repository, license_name, panel.decision.duties),
        results=results_of(page.profile.card_data if page.profile is not None else None),
        snippets=use_snippets(page.repository, page.profile),
    )
    return render(request, "web/repository.html", context)


def panel_of(page: RepositoryPage, purpose: str) -> LicensePanel:
    """Weighs the repository for the viewer, without recording: looking at a page is not asking for files."""
    decision = authorize_preview(
        principal=page.request.principal, action="download", repository=page.repository, purpose=purpose
    )
    license_row = page.profile.license if page.profile is not None else None
    return LicensePanel(page.repository, page.url, license_row, decision, page.request.principal)


def _card_html(page: RepositoryPage) -> str:
    """Returns the card's body as safe HTML; empty where there is no README."""
    if page.profile is None or not page.profile.card_oid:
        return ""
    body = parse_card(blob_bytes(page.profile.card_oid)).body
    return markdown.render(body, markdown.Base(f"{page.url}/blob/main", f"{page.url}/resolve/main"))


class RepositoryForm(forms.Form):
    """A new repository."""

    type = forms.ChoiceField(label="Kind", choices=[("model", "Model"), ("dataset", "Dataset")])
    owner = forms.ChoiceField(label="Owner")
    name = forms.CharField(
        label="Name", max_length=96, help_text="Letters, digits, <code>-</code>, <code>_</code> and <code>.</code>"
    )
    visibility = forms.ChoiceField(
        label="Visibility", choices=[("public", "Public"), ("private", "Private: members only")]
    )


@signed_in
@require_http_methods(["GET", "POST"])
def new(request: PrincipalRequest) -> HttpResponse:
    """Makes an empty repository; its license is stated by the first card."""
    posted = request.method == "POST"
    form = RepositoryForm(request.POST if posted else None, initial=request.GET.dict())
    writable = [item for item in organizations_of(request.principal) if item.role != "read"]
    owners = [request.principal.username, *(item.organization.name for item in writable)]
    field = form.fields["owner"]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 (narrows the type)
    field.choices = [(owner, owner) for owner in owners]
    if posted and form.is_valid():
        try:
            repository = _create(request, form.cleaned_data)
        except DomainError as error:
            form_errors_add(form, error, fields={"namespace": "owner", "": "name"})
        else:
            return done(request, f"{repository.full_name} is made. Its card states the license.", _url(repository))
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "web/repository_new.html", {"form": form}, status=status)


def _create(request: PrincipalRequest, data: dict[str, Any]) -> Repository:
    return repository_publish(
        principal=request.principal,
        type=data["type"],
        namespace=data["owner"],
        name=data["name"],
        private=data["visibility"] == "private",
    )


def _url(repository: Repository) -> str:
    return page_url(repository.type, repository.full_name)


class SettingsForm(forms.Form):
    """Who may see a repository, and how its main offer is acquired."""

    visibility = forms.ChoiceField(label="Visibility", choices=Visibility.choices)
    gated = forms.ChoiceField(
        label="Access to files",
        choices=Gating.choices,
        required=False,
        help_text="Card and license text stay readable; files ask for this first.",
    )


@signed_in
@require_http_methods(["GET", "POST"])
def settings(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Shows and changes visibility and gating."""
    page = open_page(request, type, owner, name, tab="settings", need="admin")
    initial = {"visibility": page.repository.visibility, "gated": page.repository.gated}
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        try:
            repository_update(principal=request.principal, repository=page.repository, **form.cleaned_data)
        except DomainError as error:
            form_errors_add(form, error)
        else:
            return done(request, "The settings are saved and hold from the next request on.", f"{page.url}/settings")
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "web/repository_settings.html", page.context(form=form), status=status)


@signed_in
@require_POST
def delete(request: PrincipalRequest, type: str, owner: str, name: str) -> HttpResponse:  # noqa: A002 (the domain's word)
    """Deletes a repository whose full name was typed."""
    page = open_page(request, type, owner, name, tab="settings", need="admin")
    full_name = page.repository.full_name
    if request.POST.get("confirm", "").strip() != full_name:
        wrong = DomainError(f"nothing was deleted: type {full_name} to confirm")
        return refused(request, wrong, f"{page.url}/settings")
    repository_delete(principal=request.principal, repository=page.repository)
    done(request, f"{full_name} is deleted.", "/")
    return redirect("web:owner", owner=page.repository.namespace.name)
