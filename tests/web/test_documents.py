"""Documents that answers point at: served to everybody, each code at the anchor that `type` names."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from django.test import Client

from registry.errors import DomainError
from registry.http_errors import problem_body
from registry.licensing.codes import Code
from registry.repositories.errors import RepositoryNotFoundError

pytestmark = pytest.mark.django_db


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("error", [DomainError("x"), RepositoryNotFoundError("x")])
def test_the_address_in_problem_details_leads_to_the_code(client: Client, error: DomainError) -> None:
    address, anchor = problem_body(error)["type"].split("#")
    assert f'id="{anchor}"' in _page(client, address)


def test_every_decision_code_has_an_anchor(client: Client) -> None:
    page = _page(client, "/docs/decision-codes")
    assert [code for code in Code if f'id="{code.lower()}"' not in page] == []


@pytest.mark.parametrize("name", ["errors", "decision-codes"])
def test_a_document_is_one_well_formed_page(client: Client, name: str) -> None:
    page = _page(client, f"/docs/{name}")
    assert page.count("<h1") == 1
    ids = Counter(re.findall(r'\bid="([^"]+)"', page))
    assert [anchor for anchor, count in ids.items() if count > 1] == []
    assert "<script>" not in page
    assert "style=" not in page


def test_links_between_documents_lead_to_pages(client: Client) -> None:
    page = _page(client, "/docs/errors")
    (target,) = set(re.findall(r'href="(/docs/decision-codes[^"#]*)"', page))
    moved = client.get(target)
    assert (moved.status_code, moved["Location"]) == (301, "/docs/decision-codes")
    assert client.get(moved["Location"]).status_code == 200


@pytest.mark.parametrize("address", ["/docs/nothing", "/docs/..", "/docs/errors/..", "/docs/%2e%2e%2fmodels"])
def test_other_documents_do_not_exist(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_documents_are_for_reading(client: Client) -> None:
    assert client.post("/docs/errors").status_code in {403, 405}


def test_an_error_page_links_its_code(client: Client) -> None:
    answer = client.get("/nobody/nothing")
    assert answer.status_code == 404
    assert 'href="/docs/errors#repository_not_found"' in answer.content.decode()


def test_the_api_reference_lists_every_native_operation_with_its_body(client: Client) -> None:
    response = client.get("/docs/api")
    page = response.content.decode()
    assert response.status_code == 200
    for path in ("/api/v1/jobs", "/api/v1/decisions", "/api/v1/offers/{offer_id}/accept"):
        assert path in page
    assert "text_sha256" in page
