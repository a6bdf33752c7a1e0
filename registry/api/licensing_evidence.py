"""Decisions and receipts in the native API, and the keys that receipts are verified with."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from registry.access import services as access
from registry.api import licensing_bodies as bodies
from registry.api.licensing import LicensingView
from registry.api.licensing_bodies import checked, principal_of
from registry.licensing import selectors
from registry.licensing.signing import public_keys
from registry.repositories.selectors import repository_get


class DecisionsView(LicensingView):
    """`/api/v1/decisions`."""

    @extend_schema(operation_id="decisions_list", parameters=[bodies.PageQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Lists what the caller was answered, newest first."""
        query = checked(bodies.PageQuery(data=request.query_params.dict()))
        page = selectors.decisions_of(principal_of(request), **query)
        return Response({"items": [bodies.decision_plain(row) for row in page.items], "next_cursor": page.next_cursor})

    @extend_schema(operation_id="decisions_preview", request=bodies.QuestionBody, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """Says what would be decided and why, with every check in order; nothing is recorded."""
        values = checked(bodies.QuestionBody(data=request.data))
        principal = principal_of(request)
        repository = repository_get(principal, values.pop("type"), values.pop("repository"))
        decision = access.authorize_preview(principal=principal, repository=repository, **values)
        return Response(decision.as_dict(), headers=access.headers_of(decision))


class DecisionView(LicensingView):
    """`/api/v1/decisions/{id}`."""

    @extend_schema(operation_id="decisions_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, decision_id: str) -> Response:
        """Returns a decision to whom it was given, to the repository's admins, and to staff."""
        return Response(bodies.decision_plain(selectors.decision_get(principal_of(request), decision_id)))


class ReceiptsView(LicensingView):
    """`/api/v1/receipts`."""

    @extend_schema(operation_id="receipts_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Lists the caller's receipts, newest first."""
        rows = selectors.receipts_of(principal_of(request))
        return Response({"items": [bodies.receipt_plain(row) for row in rows[:500]]})


class ReceiptView(LicensingView):
    """`/api/v1/receipts/{id}`."""

    @extend_schema(operation_id="receipts_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, receipt_id: str) -> Response:
        """Returns one of the caller's receipts."""
        return Response(bodies.receipt_plain(selectors.receipt_get(principal_of(request), receipt_id)))


@require_safe
@cache_control(public=True, max_age=300)
def jwks(request: HttpRequest) -> JsonResponse:
    """Answers `/.well-known/jwks.json`: the public keys of receipts (RFC 7517)."""
    del request
    return JsonResponse(public_keys(), content_type="application/jwk-set+json")
