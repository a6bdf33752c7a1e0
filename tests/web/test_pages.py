"""What pages show and do: verdicts, terms, forms, files, settings."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from registry.accounts.models import AccessToken, User
from registry.catalogue.publishing import commit_publish
from registry.licensing.models import Acceptance, AccessRequest
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile
from tests.web.conftest import CARD

ClientFor = Callable[..., Client]
JOB = {
    "kind": "finetune", "text_column": "text", "label_column": "label", "method": "frozen", "epochs": "1",
    "max_length": "128", "minutes": "60", "purpose": "internal", "output": "alice/out", "visibility": "private",
}  # fmt: skip


def _text(response: Any) -> str:
    return response.content.decode()


# --- policy ------------------------------------------------------------------------------------------------------
def test_pages_have_a_strict_policy_and_no_inline_styles(open_model: Repository, client_for: ClientFor) -> None:
    for address in ("/", "/models", "/alice/open", "/licenses", "/licenses/mit", "/accounts/login/", "/nobody/nothing"):
        response = client_for().get(address)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert nonce
        assert f'nonce="{nonce}"' in _text(response)
        assert " style=" not in _text(response)
        assert "onclick" not in _text(response)


def test_nonces_differ(db: None, client_for: ClientFor) -> None:
    policies = {client_for().get("/")["Content-Security-Policy"] for _ in range(2)}
    assert len(policies) == 2


def test_a_page_names_no_other_host(open_model: Repository, client_for: ClientFor) -> None:
    for address in ("/", "/models", "/alice/open"):
        text = _text(client_for().get(address))
        for attribute in ('src="http', 'href="//', 'src="//'):
            assert attribute not in text


# --- lists -------------------------------------------------------------------------------------------------------
def test_the_list_weighs_each_row_for_the_purpose(
    open_model: Repository, research_model: Repository, bob: User, client_for: ClientFor
) -> None:
    text = _text(client_for(bob).get("/models?purpose=commercial-product"))
    assert "Its license leaves out commercial product" in text
    assert "Allowed <" not in text
    only = _text(client_for(bob).get("/models?purpose=commercial-product&verdict=allow"))
    assert "/alice/open" in only
    assert "/alice/research" not in only


def test_the_purpose_is_remembered(open_model: Repository, client_for: ClientFor) -> None:
    client = client_for()
    client.get("/models?purpose=hosted-service")
    assert "for hosted service" in _text(client.get("/alice/open"))
    client.post("/settings/preferences", {"purpose": "", "next": "/models?purpose=hosted-service&sort=created"})
    assert "for hosted service" not in _text(client.get("/alice/open"))


def test_search_finds_by_name_and_an_empty_list_says_which_filter_to_drop(
    open_model: Repository, research_model: Repository, client_for: ClientFor
) -> None:
    assert "/alice/research" not in _text(client_for().get("/models?search=open"))
    text = _text(client_for().get("/models?search=open&task=translation"))
    assert "Nothing on the scale" in text
    assert "Show 1 model" in text


def test_htmx_gets_the_parts_that_change(open_model: Repository, client_for: ClientFor) -> None:
    response = client_for().get("/models?search=open", headers={"HX-Request": "true"})
    text = _text(response)
    assert "<html" not in text
    assert text.count('hx-swap-oob="true"') == 2
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("query", ["cursor=%00", "cursor=nonsense", "sort=zzz", "size=zzz", "verdict=zzz",
                                   "language=" + "x" * 9999,
                                   "search=%00%27%22--", "purpose=zzz", "task=<script>alert(1)</script>"])  # fmt: skip
def test_a_nonsense_address_still_lists(query: str, open_model: Repository, client_for: ClientFor) -> None:
    response = client_for().get(f"/models?{query}")
    assert response.status_code == 200
    assert "<script>alert" not in _text(response)


def test_a_list_costs_a_bounded_number_of_queries(
    catalogue: None,
    alice: User,
    make_repository: Callable[..., Repository],
    client_for: ClientFor,
    django_assert_max_num_queries: Any,
) -> None:
    for index in range(12):
        make_repository(alice, f"m{index}", files={"README.md": CARD.format(license="mit")})
    client_for().get("/models?purpose=research")
    with django_assert_max_num_queries(9):
        client_for().get("/models?purpose=research")


# --- one repository ----------------------------------------------------------------------------------------------
def test_the_ticket_says_what_one_may_must_and_why(
    research_model: Repository, bob: User, client_for: ClientFor
) -> None:
    text = _text(client_for(bob).get("/alice/research?purpose=commercial-product"))
    assert "Not allowed" in text
    assert "TERMS_PROHIBIT" in text
    assert "You may" in text
    assert "§3(a)" in text


def test_a_repository_page_costs_a_bounded_number_of_queries(
    open_model: Repository, bob: User, client_for: ClientFor, django_assert_max_num_queries: Any
) -> None:
    client = client_for(bob)
    client.get("/alice/open")
    with django_assert_max_num_queries(13):
        client.get("/alice/open")


def test_snippets_name_this_host(open_model: Repository, client_for: ClientFor, settings: Any) -> None:
    settings.PUBLIC_URL = "https://hub.example"
    text = _text(client_for().get("/alice/open"))
    assert "export HF_ENDPOINT=https://hub.example" in text
    assert "https://hub.example/alice/open/resolve/main/README.md" in text


@pytest.mark.parametrize(
    "readme",
    [
        "---\nlicense: [unclosed\n---\n# B\n\nbody-text",
        "---\n- a\n- list\n---\nbody-text",
        "---\nmodel-index: 5\ntags: {a: b}\nextra_gated_fields: 3\nlanguage: {x: 1}\nlicense: {a: b}\n---\nbody-text",
        "---\nlicense: '<script>alert(1)</script>'\nlicense_name: '\"><img src=x onerror=alert(1)>'\n---\nbody-text",
        "---\npipeline_tag: '<b>x</b>'\nlibrary_name: '\"><script>alert(1)</script>'\n---\nbody-text <script>alert(1)",
        "---\nbase_model: ['<script>alert(1)</script>/x', ../../etc]\ndatasets: [a/b, 7]\n---\nbody-text",
    ],
)
def test_a_hostile_or_broken_card_breaks_no_page(
    readme: str, catalogue: None, alice: User, make_repository: Callable[..., Repository], client_for: ClientFor
) -> None:
    make_repository(alice, "odd", files={"README.md": readme})
    for address in ("/alice/odd", "/alice/odd/license", "/alice/odd/tree/main", "/models", "/", "/alice"):
        response = client_for().get(address)
        assert response.status_code == 200
        assert "<script>alert" not in _text(response)
        assert "<img src=x" not in _text(response)
    assert "body-text" in _text(client_for().get("/alice/odd"))


def test_a_private_base_is_named_as_declared_but_not_linked(
    private_model: Repository,
    alice: User,
    bob: User,
    rita: User,
    make_repository: Callable[..., Repository],
    client_for: ClientFor,
) -> None:
    make_repository(alice, "child", files={"README.md": "---\nlicense: mit\nbase_model: acme/private\n---\nx"})
    assert 'href="/acme/private"' not in _text(client_for(bob).get("/alice/child"))
    assert 'href="/acme/private"' in _text(client_for(rita).get("/alice/child"))


def test_a_private_descendant_is_not_told(
    open_model: Repository,
    carol: User,
    acme: Any,
    bob: User,
    make_repository: Callable[..., Repository],
    client_for: ClientFor,
) -> None:
    make_repository(
        carol, "unseen", namespace="acme", private=True, files={"README.md": "---\nbase_model: alice/open\n---\nx"}
    )
    assert "unseen" not in _text(client_for(bob).get("/alice/open"))
    assert "acme/unseen" in _text(client_for(carol).get("/alice/open"))


# --- license: accept, ask ----------------------------------------------------------------------------------------
def test_accepting_quotes_the_hash_of_the_text_that_was_shown(
    catalogue: None, alice: User, bob: User, make_repository: Callable[..., Repository], client_for: ClientFor
) -> None:
    make_repository(alice, "click", gated="auto", files={"README.md": CARD.format(license="mit"), "f.txt": "f"})
    client = client_for(bob)
    assert client.get("/alice/click/blob/main/f.txt").status_code == 403
    page = _text(client.get("/alice/click/license"))
    assert "Permission is hereby granted" in page
    text_hash = page.partition('name="text_sha256" value="')[2].partition('"')[0]
    stale = client.post("/alice/click/license/accept", {"license": "mit", "text_sha256": "0" * 64}, follow=True)
    assert "read the text again" in _text(stale)
    assert not Acceptance.objects.exists()
    client.post("/alice/click/license/accept", {"license": "mit", "text_sha256": text_hash})
    assert Acceptance.objects.get().text_sha256 == text_hash
    assert client.get("/alice/click/blob/main/f.txt").status_code == 200


def test_asking_sends_the_owners_form_and_says_what_is_missing(
    gated_model: Repository, bob: User, client_for: ClientFor
) -> None:
    client = client_for(bob)
    page = _text(client.get("/alice/gated/license"))
    assert "Tell us." in page
    missing = client.post("/alice/gated/license/request", {"field_0": ""})
    assert missing.status_code == 422
    assert 'aria-invalid="true"' in _text(missing)
    assert not AccessRequest.objects.exists()
    client.post("/alice/gated/license/request", {"field_0": "Bobcorp", "field_1": "on"})
    assert AccessRequest.objects.get().fields == {"Company": "Bobcorp", "I agree": True}
    assert "Waiting" in _text(client.get("/alice/gated/license"))


def test_a_refused_file_answers_a_page_with_the_decision_and_its_headers(
    gated_model: Repository, bob: User, client_for: ClientFor
) -> None:
    response = client_for(bob).get("/alice/gated/blob/main/secret.txt")
    assert response.status_code == 403
    assert response["X-Decision-Code"] == "REQUEST_REQUIRED"
    assert "s3cret" not in _text(response)
    assert "What would make it allowed" in _text(response)
    listed = _text(client_for(bob).get("/decisions"))
    assert "REQUEST_REQUIRED" in listed


def test_the_owner_denies_with_a_reason_that_is_shown(
    gated_model: Repository, alice: User, bob: User, client_for: ClientFor
) -> None:
    client_for(bob).post("/alice/gated/license/request", {"field_0": "Bobcorp", "field_1": "on"})
    asked = AccessRequest.objects.get()
    assert "Bobcorp" in _text(client_for(alice).get("/requests"))
    client_for(alice).post(f"/requests/{asked.pk}", {"answer": "deny", "reason": "Not now <b>"})
    assert "Not now &lt;b&gt;" in _text(client_for(bob).get("/alice/gated/license"))


# --- files -------------------------------------------------------------------------------------------------------
def test_files_are_listed_and_shown(open_model: Repository, client_for: ClientFor) -> None:
    assert "config.json" in _text(client_for().get("/alice/open/tree/main"))
    assert "{}" in _text(client_for().get("/alice/open/blob/main/config.json"))
    assert "Initial commit" in _text(client_for().get("/alice/open/commits/main")).replace("initial", "Initial")


def test_a_branch_with_a_slash_in_its_name_is_found(
    open_model: Repository, alice: User, principal_of: Any, client_for: ClientFor
) -> None:
    from registry.repositories.references import branch_create  # noqa: PLC0415 (only this test needs it)

    branch_create(principal=principal_of(alice), repository=open_model, branch="feature/x")
    assert client_for().get("/alice/open/tree/feature/x").status_code == 200
    assert client_for().get("/alice/open/blob/feature/x/config.json").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "tree/nope",
        "blob/main/nope.txt",
        "blob/main/../../etc/passwd",
        "commit/0000000",
        "commits/nope",
        "tree/main/.git/config",
    ],
)
def test_what_is_not_there_is_a_page_of_its_own(path: str, open_model: Repository, client_for: ClientFor) -> None:
    response = client_for().get(f"/alice/open/{path}")
    assert response.status_code in {404, 422}
    assert "Browse models" in _text(response)


def test_a_safetensors_header_is_shown_and_a_broken_one_is_said(
    catalogue: None, alice: User, make_repository: Callable[..., Repository], client_for: ClientFor
) -> None:
    header = json.dumps({"w<b>": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    whole = struct.pack("<Q", len(header)) + header + b"\0" * 24
    make_repository(
        alice, "w", files={"ok.safetensors": whole, "bad.safetensors": b"\xff" * 40, "empty.safetensors": b""}
    )
    text = _text(client_for().get("/alice/w/blob/main/ok.safetensors"))
    assert "w&lt;b&gt;" in text
    assert "2 × 3" in text
    for name in ("bad", "empty"):
        assert "cannot be shown" in _text(client_for().get(f"/alice/w/blob/main/{name}.safetensors"))


def test_a_commit_says_what_it_changed(
    open_model: Repository, alice: User, principal_of: Any, client_for: ClientFor
) -> None:
    made = commit_publish(
        principal=principal_of(alice),
        repository=open_model,
        branch="main",
        operations=[AddFile("new.txt", b"n")],
        title="<i>Add</i>",
    )
    text = _text(client_for().get(f"/alice/open/commit/{made.oid}"))
    assert "1 file changed" in text
    assert "&lt;i&gt;Add&lt;/i&gt;" in text


# --- settings ----------------------------------------------------------------------------------------------------
def test_a_token_is_shown_once_and_not_cached(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    data = {"name": "ci", "role": "read", "purpose": "hosted-service", "environment": "production", "expires_in": "30"}
    made = client.post("/settings/tokens", data)
    assert "no-store" in made["Cache-Control"]
    secret = _text(made).partition("<code>wb_")[2].partition("<")[0]
    assert len(secret) > 30
    assert f"wb_{secret}" not in _text(client.get("/settings/tokens"))
    token = AccessToken.objects.get(name="ci")
    assert (token.purpose, token.environment) == ("hosted-service", "production")
    client.post(f"/settings/tokens/{token.pk}/revoke")
    assert "None yet" in _text(client.get("/settings/tokens"))


def test_a_token_without_a_name_is_said_at_the_field(alice: User, client_for: ClientFor) -> None:
    response = client_for(alice).post("/settings/tokens", {"name": "", "role": "read"})
    assert response.status_code == 422
    assert 'aria-invalid="true"' in _text(response)


def test_the_profile_is_saved(alice: User, client_for: ClientFor) -> None:
    client_for(alice).post("/settings/profile", {"full_name": "Alice A.", "default_purpose": "internal"})
    alice.refresh_from_db()
    assert (alice.full_name, alice.default_purpose) == ("Alice A.", "internal")


def test_a_repository_is_made_and_a_taken_name_is_said(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    data = {"type": "model", "owner": "alice", "name": "fresh", "visibility": "private"}
    assert client.post("/new", data).url == "/alice/fresh"
    assert Repository.objects.get(name="fresh").is_private
    again = client.post("/new", data)
    assert again.status_code == 422
    assert client.post("/new", {**data, "owner": "bob"}).status_code == 422


def test_gating_is_set_on_the_settings_page(open_model: Repository, alice: User, client_for: ClientFor) -> None:
    client_for(alice).post("/alice/open/settings", {"visibility": "public", "gated": "manual"})
    open_model.refresh_from_db()
    assert open_model.gated == "manual"


def test_the_theme_is_a_cookie_and_going_back_stays_on_this_host(db: None, client_for: ClientFor) -> None:
    client = client_for()
    response = client.post("/settings/preferences", {"theme": "dark", "next": "https://evil.example/"})
    assert response.url == "/"
    assert 'data-theme="dark"' in _text(client.get("/"))


# --- license catalogue -------------------------------------------------------------------------------------------
def test_the_catalogue_is_searched_and_each_license_reads(catalogue: None, client_for: ClientFor) -> None:
    assert "Llama 3.1" in _text(client_for().get("/licenses?search=llama"))
    assert "No such license" in _text(client_for().get("/licenses?search=zzzz"))
    text = _text(client_for().get("/licenses/agpl-3.0"))
    assert "Network copyleft" in text
    assert "§13" in text
    assert client_for().get("/licenses/none-such").status_code == 404


# --- jobs --------------------------------------------------------------------------------------------------------
def test_a_job_form_says_what_is_wrong_by_field(open_model: Repository, alice: User, client_for: ClientFor) -> None:
    data = {**JOB, "model": "alice/none", "dataset": "alice/none", "check": "1"}
    response = client_for(alice).post("/jobs/new", data)
    assert response.status_code == 422
    assert "There is no model `alice/none` that you may see" in _text(response)


def test_a_check_shows_decision_and_estimate_and_queues_nothing(
    open_model: Repository, alice: User, make_repository: Callable[..., Repository], client_for: ClientFor
) -> None:
    make_repository(
        alice,
        "rows",
        type="dataset",
        files={"README.md": "---\nlicense: cc0-1.0\n---\nx", "train.csv": "text,label\na,b\n"},
    )
    data = {**JOB, "model": "alice/open", "dataset": "alice/rows"}
    client = client_for(alice)
    text = _text(client.post("/jobs/new", {**data, "check": "1"}))
    assert "Memory" in text
    assert "Allowed" in text
    assert "No jobs yet" in _text(client.get("/jobs"))
    started = client.post("/jobs/new", {**data, "submit": "1"})
    assert started.status_code == 302
    page = _text(client.get(started.url))
    assert "Fine-tune out" in page
    assert "data-stream=" in page
    client.post(f"{started.url}/stop", {"mode": "cancel"})
    assert "Cancelled" in _text(client.get(started.url))


def test_a_job_of_somebody_else_is_not_there(open_model: Repository, bob: User, client_for: ClientFor) -> None:
    assert client_for(bob).get("/jobs/job_00000000000000000000000000").status_code == 404
