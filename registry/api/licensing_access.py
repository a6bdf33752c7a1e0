"""Access requests and entitlements in the native API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Organization, User
from registry.accounts.selectors import namespace_get
from registry.api import licensing_bodies as bodies
from registry.api.licensing import LicensingView, repository_of, visible_offer
from registry.api.licensing_bodies import checked, principal_of
from registry.errors import NotFoundError
from registry.licensing import selectors, services
from registry.licensing.errors import EntitlementInvalidError
from registry.licensing.forms import gated_form
from registry.licensing.models import Entitlement

_CHANGES: Mapping[str, Callable[..., Entitlement]] = {
    "suspend": services.entitlement_suspend,
    "resume": services.entitlement_resume,
    "revoke": services.entitlement_revoke,
}


def _user(name: str) -> User:
    user = namespace_get(name).user
    if user is None:
        raise EntitlementInvalidError(f"`{name}` is an organization, not a user", field="user")
    return user


def _organization(name: str) -> Organization:
    organization = namespace_get(name).organization
    if organization is None:
        raise EntitlementInvalidError(f"`{name}` is a user, not an organization", field="organization")
    return organization


class AccessRequestsView(LicensingView):
    """`/api/v1/repositories/{type}/{owner}/{name}/access-requests`."""

    @extend_schema(
        operation_id="access_requests_list", parameters=[bodies.RequestsQuery], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request, **place: str) -> Response:
        """Lists a repository's access requests. For those with write access."""
        query = checked(bodies.RequestsQuery(data=request.query_params.dict()))
        rows = selectors.access_requests_of(principal_of(request), repository_of(request, place, "write"), **query)
        return Response({"items": [bodies.request_plain(row) for row in rows[:1000]]})

    @extend_schema(operation_id="access_requests_create", request=bodies.AskBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, **place: str) -> Response:
        """Asks for access, with the answers to the owner's form."""
        values = checked(bodies.AskBody(data=request.data))
        repository = repository_of(request, place)
        row = services.access_request_create(
            principal=principal_of(request),
            repository=repository,
            form=gated_form(repository.profile.card_data),
            answers=values["fields"],
        )
        return Response(bodies.request_plain(row), status=201)


class AccessGrantView(LicensingView):
    """`/api/v1/repositories/{type}/{owner}/{name}/access-requests/grant`."""

    @extend_schema(operation_id="access_requests_grant", request=bodies.GrantBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, **place: str) -> Response:
        """Gives a user access without being asked. For those with write access."""
        repository = repository_of(request, place, "write")
        values = checked(bodies.GrantBody(data=request.data))
        row = services.access_request_grant(
            principal=principal_of(request),
            repository=repository,
            user=_user(values["user"]),
            expires_at=values["expires_at"],
        )
        return Response(bodies.request_plain(row), status=201)


class AccessRequestView(LicensingView):
    """`/api/v1/access-requests/{id}`."""

    @extend_schema(operation_id="access_requests_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, request_id: int) -> Response:
        """Returns a request to its requester and to those who may decide it."""
        return Response(bodies.request_plain(selectors.access_request_get(principal_of(request), request_id)))

    @extend_schema(operation_id="access_requests_decide", request=bodies.DecideBody, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, request_id: int) -> Response:
        """Accepts or rejects a request, or puts it back to pending. For those with write access."""
        row = selectors.access_request_get(principal_of(request), request_id)
        values = checked(bodies.DecideBody(data=request.data))
        row = services.access_request_decide(
            principal=principal_of(request), request=row, repository=row.repository, **values
        )
        return Response(bodies.request_plain(row))


class EntitlementsView(LicensingView):
    """`/api/v1/offers/{id}/entitlements`."""

    @extend_schema(operation_id="entitlements_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, offer_id: int) -> Response:
        """Lists an offer's entitlements. For admins of the repository and staff."""
        offer, _ = visible_offer(request, offer_id)
        rows = selectors.entitlements_of(principal_of(request), offer)
        return Response({"items": [bodies.entitlement_plain(row) for row in rows[:1000]]})

    @extend_schema(
        operation_id="entitlements_grant", request=bodies.EntitlementBody, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, offer_id: int) -> Response:
        """Gives a user or an organization the right to an offer. For admins of the repository and staff."""
        offer, repository = visible_offer(request, offer_id)
        values = checked(bodies.EntitlementBody(data=request.data))
        user, organization = values.pop("user"), values.pop("organization")
        row = services.entitlement_grant(
            principal=principal_of(request),
            offer=offer,
            repository=repository,
            user=_user(user) if user else None,
            organization=_organization(organization) if organization else None,
            **values,
        )
        return Response(bodies.entitlement_plain(row), status=201)


class EntitlementChangeView(LicensingView):
    """`/api/v1/entitlements/{id}/suspend|resume|revoke`."""

    @extend_schema(operation_id="entitlements_change", request=bodies.ReasonBody, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, entitlement_id: int, change: str) -> Response:
        """Suspends, resumes or revokes an entitlement, with a reason. For admins of the repository and staff."""
        if change not in _CHANGES:
            raise NotFoundError(f"an entitlement can be changed by {', '.join(_CHANGES)}")
        row = selectors.entitlement_get(principal_of(request), entitlement_id)
        values = checked(bodies.ReasonBody(data=request.data))
        changed = _CHANGES[change](
            principal=principal_of(request), entitlement=row, repository=row.offer.repository, **values
        )
        return Response(bodies.entitlement_plain(changed))
