"""A repository's life: create, delete, settings; and the check of a card before it is pushed (hub-api 2.1 to 2.5)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from registry.catalogue import cards, publishing
from registry.errors import AuthenticationError, InvalidError
from registry.http import PrincipalRequest, header_text
from registry.hub.bodies import json_object, optional_bool_field, optional_text_field, text_field
from registry.hub.responses import endpoint_of, json_response, repository_url
from registry.hub.routing import RepositoryRoute
from registry.repositories import selectors, services
from registry.repositories.errors import RepositoryExistsError
from registry.repositories.models import Gating, Visibility

REPOSITORY_TYPES = ("model", "dataset", "space")
SPACE_SDKS = ("gradio", "streamlit", "docker", "static")
MAX_CARD = 5 * 1024 * 1024
_GATING = {"auto": Gating.AUTO, "manual": Gating.MANUAL, False: Gating.NONE, None: Gating.NONE}


def create(request: PrincipalRequest) -> HttpResponse:
    """Answers `POST /api/repos/create`; keys that we do not know are ignored (hub-api 2.1)."""
    require_sign_in(request)
    body = json_object(request)
    kind = repository_type(body)
    try:
        repository = publishing.repository_publish(
            principal=request.principal,
            type=kind,
            namespace=optional_text_field(body, "organization", limit=200),
            name=text_field(body, "name", limit=200),
            private=_private(body),
            space_sdk=_space_sdk(body) if kind == "space" else "",
        )
    except RepositoryExistsError as error:
        # With `exist_ok` the client reads `url` from the 409 as if it were success.
        path = str(error.details.get("url", "")).partition("://")[2].partition("/")[2]
        error.details["url"] = f"{endpoint_of(request)}/{path}"
        raise
    return json_response(
        {
            "url": repository_url(request, repository),
            "name": repository.full_name,
            "id": f"{repository.pk:024x}",
            "private": repository.is_private,
        }
    )


def delete(request: PrincipalRequest) -> HttpResponse:
    """Answers `DELETE /api/repos/delete` with its JSON body (hub-api 2.2)."""
    require_sign_in(request)
    body = json_object(request)
    namespace = optional_text_field(body, "organization", limit=200) or request.principal.username
    name = text_field(body, "name", limit=200)
    repository = selectors.repository_get(request.principal, repository_type(body), f"{namespace}/{name}", need="admin")
    services.repository_delete(principal=request.principal, repository=repository)
    return json_response({})


def settings(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `PUT /api/{T}/{id}/settings`: visibility and gating, for those who administer it (hub-api 2.4)."""
    require_sign_in(request)
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="admin")
    body = json_object(request)
    private = _private(body)
    changes: dict[str, Any] = {}
    if private is not None:
        changes["visibility"] = Visibility.PRIVATE if private else Visibility.PUBLIC
    if "gated" in body:
        if not isinstance(body["gated"], str | bool | None) or body["gated"] not in _GATING:
            raise InvalidError('`gated` must be "auto", "manual" or false', field="gated")
        changes["gated"] = _GATING[body["gated"]]
    if not changes:
        raise InvalidError("nothing to change: give `visibility` (or `private`) or `gated`")
    repository = services.repository_update(principal=request.principal, repository=repository, **changes)
    return json_response(
        {
            "private": repository.is_private,
            "visibility": repository.visibility,
            "gated": repository.gated or False,
        }
    )


def validate_yaml(request: PrincipalRequest) -> HttpResponse:
    """Answers `POST /api/validate-yaml`; always JSON, for the client parses before it looks at the status (2.5)."""
    body = json_object(request)
    content = text_field(body, "content", limit=MAX_CARD)
    kind = text_field(body, "repoType", "model", limit=20)
    if kind not in REPOSITORY_TYPES:
        raise InvalidError(f"`repoType` must be one of {', '.join(REPOSITORY_TYPES)}", field="repoType")
    errors, warnings = cards.validate(content, kind)
    payload = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    if not errors:
        return json_response(payload)
    message = f"Invalid metadata in README.md: {'; '.join(errors)}"
    return json_response({**payload, "error": message}, 400, {"X-Error-Message": header_text(message)})


def require_sign_in(request: PrincipalRequest) -> None:
    """Refuses an anonymous caller.

    Raises:
        AuthenticationError: nobody is signed in.
    """
    if not request.principal.is_authenticated:
        raise AuthenticationError(
            "you must be signed in for this: send an access token in the Authorization header "
            f"(make one at {endpoint_of(request)}/settings/tokens)"
        )


def repository_type(body: dict[str, Any]) -> str:
    """Returns the type that the body names; a model if it names none (hub-api 2.1).

    Raises:
        InvalidError: a type that this hub does not have.
    """
    kind = text_field(body, "type", "model", limit=20)
    if kind not in REPOSITORY_TYPES:
        raise InvalidError(f"`type` must be one of {', '.join(REPOSITORY_TYPES)}", field="type")
    return kind


def _private(body: dict[str, Any]) -> bool | None:
    """Returns whether to be private, from `visibility` (clients from 1.8) or `private`; None for the default."""
    visibility = optional_text_field(body, "visibility", limit=20)
    if visibility is None:
        return optional_bool_field(body, "private")
    if visibility not in {"public", "private"}:
        raise InvalidError("`visibility` must be public or private", field="visibility")
    return visibility == "private"


def _space_sdk(body: dict[str, Any]) -> str:
    sdk = text_field(body, "sdk", limit=20)
    if sdk not in SPACE_SDKS:
        raise InvalidError(f"`sdk` must be one of {', '.join(SPACE_SDKS)}", field="sdk")
    return sdk
