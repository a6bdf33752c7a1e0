"""Who the caller is, and answers to what this hub does not have (hub-api 1.7, 1.9, 3.4)."""

from __future__ import annotations

from django.http import HttpResponse

from registry.accounts.selectors import whoami as whoami_payload
from registry.errors import NotFoundError
from registry.http import PrincipalRequest
from registry.hub.responses import json_response
from registry.hub.routing import RepositoryRoute


def whoami(request: PrincipalRequest) -> HttpResponse:
    """Answers `GET /api/whoami-v2`."""
    return json_response(whoami_payload(request.principal))


def nothing(request: PrincipalRequest) -> HttpResponse:
    """Answers telemetry, which clients send in the background and whose answer they ignore; it is not kept."""
    del request
    return HttpResponse(status=204)


def no_xet(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `…/xet-read-token/…` and `…/xet-write-token/…`: clients have no fallback, so they need the way out.

    Raises:
        NotFoundError: always, naming the variable that makes the client upload by LFS.
    """
    del request, route
    raise NotFoundError("this hub does not offer Xet transfers yet: set HF_HUB_DISABLE_XET=1 and upload again")


def no_discussions(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers the discussions and pull requests of a repository.

    Raises:
        NotFoundError: always.
    """
    del request, route
    raise NotFoundError("discussions and pull requests are not offered by this hub yet")
