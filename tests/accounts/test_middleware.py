"""How a request becomes a principal: header, session, nobody; and what bad credentials get."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.views import APIView

from registry.accounts import services
from registry.accounts.middleware import client_of
from registry.accounts.models import AccessToken, User
from registry.http import PrincipalRequest

EXACT = "Invalid credentials in Authorization header"


def _who(request: PrincipalRequest) -> HttpResponse:
    principal = request.principal
    return JsonResponse(
        {"user": principal.username, "role": principal.token_role, "client": principal.client, "id": principal.token_id}
    )


class _OwnCredentials(APIView):
    own_credentials = True
    authentication_classes = ()

    def get(self, request: Request) -> HttpResponse:
        return _who(request._request)


_routes = [path("who", _who), path("own", _OwnCredentials.as_view())]
urlpatterns = [
    path("api/hub/", include((_routes, "hub"), namespace="hub")),
    path("api/v1/", include((_routes, "api"), namespace="api")),
    path("page/", include((_routes, "web"), namespace="web")),
    path("accounts/", include((_routes, "account"))),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]
HUB, API, PAGE = "/api/hub/who", "/api/v1/who", "/page/who"


def _basic(secret: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@pytest.mark.parametrize("url", [HUB, API, PAGE])
def test_nobody_is_anonymous_everywhere(client: Client, url: str) -> None:
    assert client.get(url).json()["user"] == ""


@pytest.mark.parametrize("url", [HUB, API, PAGE])
def test_a_bearer_token_is_its_user(client: Client, bearer: Any, alice: User, url: str) -> None:
    assert client.get(url, headers=bearer(alice, "read")).json()["user"] == "alice"
    assert client.get(url, headers=bearer(alice, "read")).json()["role"] == "read"


@pytest.mark.parametrize("url", [HUB, API])
def test_basic_takes_the_token_as_password_with_any_username(
    client: Client, token_for: Any, alice: User, url: str
) -> None:
    assert client.get(url, headers=_basic(token_for(alice))).json()["user"] == "alice"


def test_pages_do_not_take_basic(client: Client, token_for: Any, alice: User) -> None:
    assert client.get(PAGE, headers=_basic(token_for(alice))).json()["user"] == ""


@pytest.mark.parametrize("url", [HUB, API, PAGE])
def test_a_session_is_its_user(client_for: Callable[..., Client], alice: User, url: str) -> None:
    body = client_for(alice).get(url).json()
    assert (body["user"], body["role"], body["id"]) == ("alice", "", None)


def test_a_token_wins_over_a_session(client_for: Callable[..., Client], bearer: Any, alice: User, bob: User) -> None:
    assert client_for(alice).get(HUB, headers=bearer(bob)).json()["user"] == "bob"


def test_signed_in_pages_know_sessions_alone(client: Client, bearer: Any, alice: User) -> None:
    assert client.get("/accounts/who", headers=bearer(alice)).json()["user"] == ""


@pytest.mark.parametrize("state", [{"expired": True}, {"revoked": True}])
def test_a_token_that_no_longer_works_is_refused_with_the_exact_text(
    client: Client, bearer: Any, alice: User, state: dict[str, bool]
) -> None:
    response = client.get(HUB, headers=bearer(alice, **state))
    assert response.status_code == 401
    assert response["X-Error-Message"] == EXACT
    assert response.json()["error"] == EXACT
    assert "X-Error-Code" not in response
    assert response["WWW-Authenticate"] == 'Bearer realm="Weighbridge"'


@pytest.mark.parametrize(
    "header",
    ["Bearer wb_unknown", "Bearer", "Bearer ", "", "Basic !!!", "Basic YQ==", "Digest x", "wb_x", "Bearer \u00e9"],
)
def test_unknown_and_malformed_credentials_are_refused(client: Client, header: str) -> None:
    response = client.get(HUB, headers={"Authorization": header})
    assert (response.status_code, response["X-Error-Message"]) == (401, EXACT)


def test_a_suspended_user_is_refused_by_token_and_unknown_by_session(
    client_for: Callable[..., Client], bearer: Any, alice: User
) -> None:
    client, headers = client_for(alice), bearer(alice)
    services.user_set_active(user=alice, active=False, reason="left")
    assert client.get(HUB, headers=headers).status_code == 401
    assert client.get(HUB).json()["user"] == ""


def test_our_api_says_it_as_problem_details(client: Client) -> None:
    response = client.get(API, headers={"Authorization": "Bearer wb_unknown"})
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "invalid_credentials"


def test_a_view_with_credentials_of_its_own_sees_nobody_and_no_refusal(client: Client) -> None:
    response = client.get("/api/v1/own", headers={"Authorization": "Bearer a worker's secret"})
    assert (response.status_code, response.json()["user"]) == (200, "")


def test_a_request_with_a_token_costs_two_queries_once_its_use_is_noted(
    client: Client, bearer: Any, alice: User, django_assert_num_queries: Any
) -> None:
    headers = bearer(alice)
    client.get(HUB, headers=headers)
    assert AccessToken.objects.get().last_used_at is not None
    with django_assert_num_queries(2):
        client.get(HUB, headers=headers)


def test_an_anonymous_request_costs_no_query(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        client.get(HUB)


@pytest.mark.parametrize("url", [HUB, API, PAGE])
def test_csrf_guards_sessions_and_not_tokens(
    client_for: Callable[..., Client], bearer: Any, alice: User, url: str
) -> None:
    client = client_for(alice, enforce_csrf_checks=True)
    assert client.post(url).status_code == 403
    assert client.post(url, headers=bearer(alice)).status_code == 200


def test_a_header_does_not_lift_csrf_from_signed_in_pages(
    client_for: Callable[..., Client], bearer: Any, alice: User
) -> None:
    client = client_for(alice, enforce_csrf_checks=True)
    assert client.post("/accounts/who", headers=bearer(alice)).status_code == 403


def _request(address: str = "10.0.0.1", agent: str = "a", **headers: str) -> HttpRequest:
    return RequestFactory().get("/", REMOTE_ADDR=address, HTTP_USER_AGENT=agent, headers=headers)


def test_a_client_is_named_by_address_and_agent_without_telling_either() -> None:
    name = client_of(_request())
    assert name == client_of(_request())
    assert len({name, client_of(_request(agent="b")), client_of(_request("10.0.0.2"))}) == 3
    assert "10.0.0.1" not in name


def test_the_name_of_a_client_depends_on_the_hubs_secret(settings: Any) -> None:
    before = client_of(_request())
    settings.SECRET_KEY = "another"
    assert client_of(_request()) != before


def test_forwarded_addresses_count_only_behind_a_proxy(settings: Any) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6, 10.0.0.9"}
    assert client_of(_request(**forged)) == client_of(_request())
    settings.USE_X_FORWARDED_HOST = True
    assert client_of(_request(**forged)) == client_of(_request("10.0.0.9"))
