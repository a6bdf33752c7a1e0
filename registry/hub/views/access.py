"""Who may read a gated repository: the check that clients make first, asking and answering (hub-api 1.9, 5.6)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from registry.access import services as access
from registry.accounts.selectors import user_get
from registry.errors import InvalidError, NotFoundError
from registry.http import PrincipalRequest, iso_z
from registry.hub.bodies import json_object, optional_text_field, text_field
from registry.hub.queries import query_int, query_text
from registry.hub.responses import json_response, page_response, repository_url
from registry.hub.revisions import commit_and_rest_read
from registry.hub.routing import RepositoryRoute
from registry.hub.views.manage import require_sign_in
from registry.licensing import services as licensing
from registry.licensing.errors import NotGatedError, RequestNotFoundError
from registry.licensing.forms import gated_form
from registry.licensing.models import AccessRequest
from registry.repositories import selectors
from registry.repositories.models import Repository
from registry.repositories.reading import repository_read

PAGE = 100
_SEEN = ("pending", "accepted", "rejected")
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def auth_check(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/{T}/{id}/auth-check[/write]`: 200 if the caller may read the files (or write)."""
    if route.rest not in {(), ("write",)}:
        raise NotFoundError("there is `auth-check` and `auth-check/write`")
    need = "write" if route.rest else "read"
    reading = repository_read(request.principal, route.type, route.full_name)
    commit, _ = commit_and_rest_read(reading, ())
    decision = access.require(
        principal=request.principal,
        action="download",
        repository=reading.repository,
        commit=commit,
        snapshot=reading.snapshot,
    )
    if need == "write":
        selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    return json_response({}, headers=access.headers_of(decision))


def ask_access(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /{prefix}{id}/ask-access`: from a page's form or as JSON, with the answers to the owner's form.

    A browser is sent back to the license panel, a client gets the request's state.
    """
    require_sign_in(request)
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="read")
    from_page = request.content_type in _FORMS
    answers = dict(request.POST.items()) if from_page else json_object(request)
    answers.pop("csrfmiddlewaretoken", None)
    asked = licensing.access_request_create(
        principal=request.principal,
        repository=repository,
        form=gated_form(repository.profile.card_data),
        answers=answers,
    )
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponseRedirect(f"{repository_url(request, repository)}/license", status=303)
    return json_response({"requestId": str(asked.pk), "status": asked.seen_status})


def requests_list(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET …/user-access-request/pending|accepted|rejected` for those who may decide."""
    repository = _own(request, route)
    status = "/".join(route.rest)
    if status not in _SEEN:
        raise NotFoundError(f"there are requests that are {', '.join(_SEEN)}")
    after = query_text(request, "cursor", "0")
    if not after.isascii() or not after.isdigit():
        raise InvalidError("`cursor` is not one that this hub gave out", field="cursor")
    limit = query_int(request, "limit", PAGE, maximum=1000)
    rows = (
        AccessRequest.objects.filter(repository=repository, pk__gt=int(after[:18]))
        .select_related("user__namespace", "decided_by")
        .order_by("pk")
    )
    found = [row for row in rows.iterator() if row.seen_status == status]
    page = found[:limit]
    return page_response(request, [_request(row) for row in page], str(page[-1].pk) if len(found) > limit else None)


def _request(row: AccessRequest) -> dict[str, Any]:
    user = {
        "_id": f"{row.user_id:024x}",
        "user": row.user.username,
        "fullname": row.user.full_name or row.user.username,
    }
    if row.user.email and not row.granted:  # who did not ask has not given the address to the owner
        user["email"] = row.user.email
    payload: dict[str, Any] = {
        "requestId": str(row.pk),
        "status": row.seen_status,
        "timestamp": iso_z(row.decided_at or row.created_at),
        "user": user,
    }
    if row.fields:
        payload["fields"] = row.fields
    if row.decided_by is not None:
        payload["grantedBy" if row.granted else "reviewedBy"] = {"user": row.decided_by.username}
    if row.reason:
        payload["rejectionReason"] = row.reason
    return payload


def requests_change(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST …/user-access-request/handle` and `…/grant`."""
    repository = _own(request, route)
    body = json_object(request)
    if route.rest == ("grant",):
        return _grant(request, repository, body)
    if route.rest != ("handle",):
        raise NotFoundError("requests are changed by `handle` and `grant`")
    status = text_field(body, "status", limit=20)
    if status not in _SEEN:
        raise InvalidError(f"`status` must be one of {', '.join(_SEEN)}", field="status")
    if not licensing.is_requestable(repository):
        raise NotGatedError(f"`{repository.full_name}` is not gated: there are no requests to answer")
    row = licensing.access_request_decide(
        principal=request.principal,
        request=_request_of(repository, body),
        repository=repository,
        status=status,
        reason=text_field(body, "rejectionReason", "", limit=500),
    )
    return json_response({"requestId": str(row.pk), "status": row.seen_status})


def _grant(request: PrincipalRequest, repository: Repository, body: dict[str, Any]) -> HttpResponse:
    user = user_get(text_field(body, "user", limit=200))
    row = licensing.access_request_grant(principal=request.principal, repository=repository, user=user)
    return json_response({"requestId": str(row.pk), "status": row.seen_status})


def _request_of(repository: Repository, body: dict[str, Any]) -> AccessRequest:
    """Returns the request that the body names, by user or by its own id; only of this repository."""
    rows = AccessRequest.objects.filter(repository=repository)
    number, name = optional_text_field(body, "requestId"), optional_text_field(body, "user", limit=200)
    if number is not None:
        row = rows.filter(pk=int(number[:18])).first() if number.isascii() and number.isdigit() else None
    elif name is not None:
        row = rows.filter(user=user_get(name)).first()
    else:
        raise InvalidError("say whose request: `user` or `requestId`", field="user")
    if row is None:
        raise RequestNotFoundError("there is no such access request")
    return row


def _own(request: PrincipalRequest, route: RepositoryRoute) -> Repository:
    return selectors.repository_get(request.principal, route.type, route.full_name, need="write")
