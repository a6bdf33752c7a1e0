"""What many pages share: addresses, sign-in first, who is signed in, the answer to a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from registry.errors import AuthenticationError, DeniedError, DomainError
from registry.http import PrincipalRequest
from registry.repositories.names import RepoId

P = ParamSpec("P")


def page_url(type: str, full_name: str, *parts: str) -> str:  # noqa: A002 (the domain's word)
    """Returns the address of a repository's page, or of one below it."""
    namespace, _, name = full_name.partition("/")
    return "/" + "/".join((RepoId(type, namespace, name).path, *parts))


def signed_in(
    view: Callable[Concatenate[PrincipalRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Sends visitors to the sign-in page and back; a token, narrower than its owner, opens no such page."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        typed = cast("PrincipalRequest", request)
        if not typed.principal.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if typed.principal.token_id is not None:
            raise DeniedError("this page needs a signed-in session; use the API with a token")
        return view(typed, *args, **kwargs)

    update_wrapper(guarded, view)
    return guarded


def user_id(request: PrincipalRequest) -> int:
    """Returns the signed-in user's key; only views behind `signed_in` may ask."""
    key = request.principal.user_id
    if key is None:
        raise AuthenticationError("sign in first")
    return key


def safe_next(request: HttpRequest, fallback: str = "/") -> str:
    """Returns where a form asks to go back to, if that is on this host."""
    target = request.POST.get("next", "")
    return target if url_has_allowed_host_and_scheme(target, {request.get_host()}) else fallback


def form_errors_add(form: BaseForm, error: DomainError, *, fields: Mapping[str, str] | None = None) -> None:
    """Puts a domain error on the fields of a form that it names; the rest stands above the form.

    Args:
        form: a bound form.
        error: with `details["errors"]`, or `details["field"]`.
        fields: field names of the service -> those of the form, where they differ.
    """
    items: list[dict[str, Any]] = error.details.get("errors") or [
        {"field": error.details.get("field", ""), "message": error.message}
    ]
    for item in items:
        name = str(item.get("field", ""))
        name = (fields or {}).get(name, name)
        text = str(item.get("message", error.message))
        form.add_error(name if name in form.fields else None, text[:1].upper() + text[1:])


def done(request: HttpRequest, sentence: str, target: str) -> HttpResponse:
    """Says what was done and shows the page where it can be seen."""
    messages.success(request, sentence)
    return redirect(target)


def refused(request: HttpRequest, error: DomainError, target: str) -> HttpResponse:
    """Says why a button did nothing, on the page where it stood."""
    messages.error(request, error.message[:1].upper() + error.message[1:])
    return redirect(target)
