"""Licenses, the license of a repository, offers and acceptances in the native API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.access import services as access
from registry.api import licensing_bodies as bodies
from registry.api.jobs_parsers import BoundedJSONParser
from registry.api.licensing_bodies import checked, principal_of
from registry.licensing import selectors, services
from registry.licensing.errors import OfferNotFoundError
from registry.licensing.models import License, Offer
from registry.repositories.errors import RepositoryNotFoundError
from registry.repositories.models import Repository
from registry.repositories.permissions import Need
from registry.repositories.selectors import repository_get

# Addresses take the singular of our API and the plural of Hugging Face's.
_TYPES = {
    "model": "model",
    "models": "model",
    "dataset": "dataset",
    "datasets": "dataset",
    "space": "space",
    "spaces": "space",
}


class LicensingView(APIView):
    """Base of these views: bounded JSON bodies."""

    parser_classes = [BoundedJSONParser]


def repository_of(request: Request, place: Mapping[str, str], need: Need = "read") -> Repository:
    """Returns the repository that an address names, if the caller may use it in this way.

    Raises:
        RepositoryNotFoundError: it is missing or invisible, or the type is none.
        DeniedError, AuthenticationError: role or token do not suffice.
    """
    if place["type"] not in _TYPES:
        raise RepositoryNotFoundError("repositories are `model`, `dataset` or `space`")
    full_name = f"{place['owner']}/{place['name']}"
    return repository_get(principal_of(request), _TYPES[place["type"]], full_name, need=need)


class LicensesView(LicensingView):
    """`/api/v1/licenses`."""

    @extend_schema(operation_id="licenses_list", parameters=[bodies.LicenseQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Lists the license catalogue, filtered by category or words."""
        query = checked(bodies.LicenseQuery(data=request.query_params.dict()))
        return Response({"items": [bodies.license_summary(row) for row in selectors.licenses_list(**query)]})


class LicenseView(LicensingView):
    """`/api/v1/licenses/{id}`."""

    @extend_schema(operation_id="licenses_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, license_id: str) -> Response:
        """Returns a license: every term with its clause and confidence, and the texts that the hub holds."""
        del request
        row = selectors.license_get(license_id)
        texts = [bodies.text_plain(text) for text in selectors.license_texts(row.pk)]
        return Response({**bodies.license_summary(row), "terms": row.terms, "texts": texts})


class RepositoryLicenseView(LicensingView):
    """`/api/v1/repositories/{type}/{owner}/{name}/license`."""

    @extend_schema(operation_id="repository_license", parameters=[bodies.PurposeQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, **place: str) -> Response:
        """Says what a repository's license permits, asks and forbids, and what the caller would be answered."""
        query = checked(bodies.PurposeQuery(data=request.query_params.dict()))
        repository = repository_of(request, place)
        decision = access.authorize_preview(principal=principal_of(request), repository=repository, **query)
        profile = repository.profile
        row = License.objects.filter(pk=profile.license_id).first() if profile.license_id else None
        return Response(
            {
                "repository": repository.full_name,
                "type": repository.type,
                "declared": profile.license_declared,
                "license_name": profile.license_name,
                "license_link": profile.license_link,
                "status": profile.license_status,
                "gated": repository.gated or False,
                "license": _license_terms(row) if row is not None else None,
                "offers": [bodies.offer_plain(offer) for offer in selectors.offers_of(repository)],
                "decision": decision.as_dict(),
            },
            headers=access.headers_of(decision),
        )


def _license_terms(row: License) -> dict[str, Any]:
    text = services.current_text(row.pk)
    terms = row.terms
    return {
        **bodies.license_summary(row),
        "text_sha256": text.sha256 if text is not None else "",
        "acceptance": terms["acceptance"],
        "may": _by_value(terms, "allowed"),
        "may_if": _by_value(terms, "conditional"),
        "may_not": _by_value(terms, "prohibited"),
        "purposes": terms["purposes"],
        "must": terms["duties"],
        "must_not": terms["use_restrictions"],
        "thresholds": terms["thresholds"],
        "territory": terms["territory"],
    }


def _by_value(terms: Mapping[str, Any], value: str) -> dict[str, Any]:
    return {action: fact for action, fact in terms["actions"].items() if fact["value"] == value}


# --- offers -----------------------------------------------------------------------------------------------------
class OffersView(LicensingView):
    """`/api/v1/repositories/{type}/{owner}/{name}/offers`."""

    @extend_schema(operation_id="offers_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, **place: str) -> Response:
        """Lists the published offers beside the repository's own license."""
        offers = selectors.offers_of(repository_of(request, place))
        return Response({"items": [bodies.offer_plain(offer) for offer in offers]})

    @extend_schema(operation_id="offers_create", request=bodies.OfferBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, **place: str) -> Response:
        """Publishes an offer. For admins of the repository."""
        repository = repository_of(request, place, "admin")
        values = checked(bodies.OfferBody(data=request.data))
        offer = services.offer_create(
            principal=principal_of(request), repository=repository, license_id=values.pop("license"), **values
        )
        return Response(bodies.offer_plain(offer), status=201)


def visible_offer(request: Request, offer_id: int, need: Need = "read") -> tuple[Offer, Repository]:
    """Returns an offer and its repository, if the caller may use that in this way.

    Raises:
        OfferNotFoundError: it is missing, or the caller may not know of its repository.
    """
    offer = selectors.offer_get(offer_id)
    try:
        repository = repository_get(principal_of(request), offer.repository.type, offer.repository.full_name, need=need)
    except RepositoryNotFoundError:
        raise OfferNotFoundError(f"there is no offer {offer_id}") from None
    return offer, repository


class OfferWithdrawView(LicensingView):
    """`/api/v1/offers/{id}/withdraw`."""

    @extend_schema(operation_id="offers_withdraw", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, offer_id: int) -> Response:
        """Withdraws an offer. For admins of the repository."""
        offer, repository = visible_offer(request, offer_id, "admin")
        row = services.offer_withdraw(principal=principal_of(request), offer=offer, repository=repository)
        return Response(bodies.offer_plain(row))


class OfferAcceptView(LicensingView):
    """`/api/v1/offers/{id}/accept`."""

    @extend_schema(operation_id="offers_accept", request=bodies.AcceptBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, offer_id: int) -> Response:
        """Accepts the current text of an offer's license, quoting its hash."""
        values = checked(bodies.AcceptBody(data=request.data))
        offer, repository = visible_offer(request, offer_id)
        row = services.offer_accept(principal=principal_of(request), offer=offer, repository=repository, **values)
        return Response(bodies.acceptance_plain(row), status=201)


# --- acceptances ------------------------------------------------------------------------------------------------
class RepositoryAcceptancesView(LicensingView):
    """`/api/v1/repositories/{type}/{owner}/{name}/acceptances`."""

    @extend_schema(
        operation_id="acceptances_create", request=bodies.LicenseAcceptBody, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, **place: str) -> Response:
        """Accepts the current text of a license for a repository, quoting its hash."""
        values = checked(bodies.LicenseAcceptBody(data=request.data))
        row = services.license_accept(
            principal=principal_of(request),
            repository=repository_of(request, place),
            license_id=values["license"],
            text_sha256=values["text_sha256"],
        )
        return Response(bodies.acceptance_plain(row), status=201)


class AcceptancesView(LicensingView):
    """`/api/v1/acceptances`."""

    @extend_schema(operation_id="acceptances_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Lists the caller's live acceptances."""
        rows = selectors.acceptances_of(principal_of(request))
        return Response({"items": [bodies.acceptance_plain(row) for row in rows[:500]]})


class AcceptanceView(LicensingView):
    """`/api/v1/acceptances/{id}`."""

    @extend_schema(operation_id="acceptances_withdraw", responses={204: None})
    def delete(self, request: Request, acceptance_id: int) -> Response:
        """Takes one of the caller's acceptances back."""
        services.acceptance_withdraw(principal=principal_of(request), acceptance_id=acceptance_id)
        return Response(status=204)
