"""Rows that the panel shows: a license with a text, an offer to buy, an entitlement, a request, a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.access.services import authorize
from registry.accounts import selectors
from registry.accounts.models import User
from registry.licensing import services
from registry.licensing.models import AccessRequest, DecisionRecord, Entitlement, License, Offer
from registry.repositories.models import Repository


@pytest.fixture
def panel(client_for: Callable[..., Client], operator: User) -> Client:
    """A browser in which olga, an operator, is signed in."""
    return client_for(operator)


@pytest.fixture
def license_row(db: None) -> License:
    """One license of the catalogue."""
    services.licenses_load()
    return License.objects.get(pk="cc-by-nc-4.0")


@pytest.fixture
def model(make_repository: Callable[..., Repository], alice: User) -> Repository:
    """Alice's model, which one must ask for."""
    return make_repository(alice, "m", files={"README.md": "---\nlicense: mit\n---\n# M\n"}, gated="manual")


@pytest.fixture
def offer(model: Repository, license_row: License) -> Offer:
    """An offer to buy the model."""
    return services.offer_create(
        principal=None, repository=model, license_id=license_row.pk, acquisition="purchase", title="Commercial"
    )


@pytest.fixture
def entitlement(offer: Offer, model: Repository, bob: User) -> Entitlement:
    """Bob's entitlement to the offer."""
    return services.entitlement_grant(principal=None, offer=offer, repository=model, user=bob, reason="order 1")


@pytest.fixture
def access_request(model: Repository, bob: User) -> AccessRequest:
    """Bob's open request."""
    return AccessRequest.objects.create(repository=model, user=bob, fields={"Company": "Acme"})


@pytest.fixture
def decision(model: Repository, bob: User) -> DecisionRecord:
    """The record of a refusal."""
    answer: Any = authorize(
        principal=selectors.principal_for_user(bob), action="download", repository=model, commit="0" * 40
    )
    return DecisionRecord.objects.get(pk=answer.id)
