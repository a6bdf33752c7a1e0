"""Settings of one's own account: profile and access tokens. Password, e-mail and MFA are allauth's pages."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from registry.accounts import selectors, services
from registry.accounts.models import AccessToken, Environment, Purpose, TokenRole, User
from registry.errors import DomainError, NotFoundError
from registry.http import PrincipalRequest
from registry.web.common import done, form_errors_add, signed_in, user_id

_EXPIRY = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "Never"))


class ProfileForm(forms.Form):
    """Who one is, and what one usually wants models for."""

    full_name = forms.CharField(max_length=200, required=False, label="Full name")
    default_purpose = forms.ChoiceField(
        choices=[("", "None"), *Purpose.choices],
        required=False,
        label="Default purpose",
        help_text="What the gate assumes where neither a token nor a page says it.",
    )


class TokenForm(forms.Form):
    """A new access token."""

    name = forms.CharField(
        max_length=100, label="Name", help_text="What it is for: <i>laptop</i>, <i>ci-production</i>."
    )
    role = forms.ChoiceField(
        choices=[(TokenRole.READ, "Read"), (TokenRole.WRITE, "Read and write")],
        label="May",
        help_text="Downloading needs read; publishing and jobs need write.",
    )
    purpose = forms.ChoiceField(
        choices=[("", "Not bound"), *Purpose.choices],
        required=False,
        label="Purpose",
        help_text="The gate answers this token for this purpose. Clients cannot say it, so the token does.",
    )
    environment = forms.ChoiceField(
        choices=[("", "Not bound"), *Environment.choices], required=False, label="Environment"
    )
    organization = forms.ChoiceField(
        required=False, label="On behalf of", help_text="Whose acceptances and entitlements count."
    )
    expires_in = forms.ChoiceField(choices=_EXPIRY, required=False, initial="90", label="Expires after")

    def organizations_set(self, names: list[str]) -> None:
        """Offers the organizations of the signed-in user."""
        field = self.fields["organization"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (narrows the type)
        field.choices = [("", "Myself"), *((name, name) for name in names)]


@signed_in
@require_http_methods(["GET", "POST"])
def profile(request: PrincipalRequest) -> HttpResponse:
    """Shows and changes one's name and default purpose."""
    user = User.objects.get(pk=user_id(request))
    initial = {"full_name": user.full_name, "default_purpose": user.default_purpose}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        services.user_update(user=user, **form.cleaned_data)
        return done(request, "Your profile is saved.", "web:profile")
    organizations = selectors.organizations_of(request.principal)
    return render(request, "web/profile.html", {"form": form, "memberships": organizations}, status=_status(form))


@signed_in
@require_http_methods(["GET", "POST"])
def tokens(request: PrincipalRequest) -> HttpResponse:
    """Lists one's tokens and makes new ones; a secret is shown in the answer that made it, and never again."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    memberships = list(selectors.organizations_of(request.principal))
    form.organizations_set([membership.organization.name for membership in memberships])
    created: tuple[AccessToken, str] | None = None
    if form.is_bound and form.is_valid():
        created = _token_create(request, form)
        form = TokenForm() if created else form
        form.organizations_set([membership.organization.name for membership in memberships])
    context = {
        "form": form,
        "tokens": selectors.tokens_of(request.principal),
        "created": created,
        "use_snippet": f"export HF_ENDPOINT={settings.PUBLIC_URL}\nexport HF_TOKEN={created[1]}" if created else "",
        "now": timezone.now(),
    }
    response = render(request, "web/tokens.html", context, status=_status(form))
    response["Cache-Control"] = "no-store"
    return response


def _token_create(request: PrincipalRequest, form: TokenForm) -> tuple[AccessToken, str] | None:
    """Makes the token; None after putting what is wrong on the form."""
    data = form.cleaned_data
    try:
        return services.token_create(
            user=User.objects.get(pk=user_id(request)),
            name=data["name"],
            role=data["role"],
            organization=selectors.organization_get(data["organization"]) if data["organization"] else None,
            purpose=data["purpose"],
            environment=data["environment"],
            expires_at=_expiry(data["expires_in"]),
        )
    except DomainError as error:
        form_errors_add(form, error)
        return None


def _expiry(days: str) -> datetime | None:
    return timezone.now() + timedelta(days=int(days)) if days else None


@signed_in
@require_POST
def token_revoke(request: PrincipalRequest, pk: int) -> HttpResponse:
    """Revokes one of one's own tokens; its next request is refused."""
    token = selectors.tokens_of(request.principal).filter(pk=pk).first()
    if token is None:
        raise NotFoundError("you have no such token")
    services.token_revoke(token=token, principal=request.principal)
    return done(request, f"The token {token.name} is revoked; its next request is refused.", "web:tokens")


def _status(form: forms.Form) -> int:
    return 422 if form.is_bound and form.errors else 200
