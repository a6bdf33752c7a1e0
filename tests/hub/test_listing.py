"""Lists of models, datasets and spaces: every parameter of hub-api 1.8, and who sees what."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse

from registry.accounts.models import Organization, User
from registry.licensing.services import licenses_load
from registry.repositories.models import Repository

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]


def card(**values: str) -> dict[str, bytes]:
    lines = "\n".join(f"{key}: {value}" for key, value in values.items())
    return {"README.md": f"---\n{lines}\n---\n".encode()}


@pytest.fixture
def shelf(publish: Publish, alice: User, bob: User) -> None:
    licenses_load()
    publish(alice, "bert", card(license="mit", pipeline_tag="text-classification", language="[en, de]"))
    publish(alice, "hidden-bert", card(license="mit"), private=True)
    publish(bob, "gated-bert", card(license="apache-2.0"), gated="manual")
    publish(bob, "words", card(license="mit", task_categories="[text-classification]"), type="dataset")
    publish(bob, "room", {"README.md": b"---\nsdk: static\n---\n"}, type="space")


def ids(call: Call, query: str = "", user: User | None = None, kind: str = "models") -> set[str]:
    answer = call("GET", f"/api/{kind}?{query}", user)
    assert answer.status_code == 200, answer.content
    return {item["id"] for item in answer.json()}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"alice/bert", "bob/gated-bert"}),
        ("search=BERT", {"alice/bert", "bob/gated-bert"}),
        ("search=gated&search=bert", {"bob/gated-bert"}),
        ("search=nothing-like-it", set()),
        ("author=ALICE", {"alice/bert"}),
        ("filter=license:mit", {"alice/bert"}),
        ("filter=license:mit&filter=text-classification", {"alice/bert"}),
        ("filter=license:mit&filter=license:apache-2.0", set()),
        ("filter=language:de", {"alice/bert"}),
        ("pipeline_tag=text-classification", {"alice/bert"}),
        ("gated=true", {"bob/gated-bert"}),
        ("gated=false", {"alice/bert"}),
        ("num_parameters=min:1B", set()),
        ("inference=warm", set()),
        ("apps=vllm", set()),
        ("sort=downloads&direction=-1", {"alice/bert", "bob/gated-bert"}),
        ("sort=lastModified", {"alice/bert", "bob/gated-bert"}),
        ("unknown=1", {"alice/bert", "bob/gated-bert"}),
    ],
)
def test_models_are_filtered(call: Call, shelf: None, query: str, expected: set[str]) -> None:
    assert ids(call, query) == expected


def test_the_owner_also_sees_private_ones(call: Call, shelf: None, alice: User, bob: User) -> None:
    assert "alice/hidden-bert" in ids(call, "", alice)
    assert "alice/hidden-bert" not in ids(call, "", bob)


def test_members_see_what_their_organization_keeps_private(
    call: Call, publish: Publish, acme: Organization, carol: User, rita: User, bob: User
) -> None:
    publish(carol, "m", private=True, namespace="acme")
    assert ids(call, "", rita) == {"acme/m"}
    assert ids(call, "", bob) == set()


def test_datasets_and_spaces_have_lists_of_their_own(call: Call, shelf: None) -> None:
    assert ids(call, kind="datasets") == {"bob/words"}
    assert ids(call, "filter=task_categories:text-classification", kind="datasets") == {"bob/words"}
    assert ids(call, kind="spaces") == {"bob/room"}


def test_spaces_are_found_by_what_they_name(call: Call, shelf: None, publish: Publish, alice: User) -> None:
    publish(alice, "demo", card(sdk="static", models="[alice/bert]", datasets="[bob/words]"), type="space")
    for query in ("models=alice/bert", "datasets=bob/words", "linked=true"):
        assert ids(call, query, kind="spaces") == {"alice/demo"}, query
    assert ids(call, "models=alice/other", kind="spaces") == set()


def test_pages_follow_the_link(call: Call, shelf: None) -> None:
    first = call("GET", "/api/models?limit=1&sort=createdAt&full=true")
    parts = urlsplit(first["Link"].partition(">")[0].strip("<"))
    assert "full=true" in parts.query
    second = call("GET", f"{parts.path}?{parts.query}")
    assert [first.json()[0]["id"], second.json()[0]["id"]] == ["bob/gated-bert", "alice/bert"]
    assert "Link" not in second


def test_items_have_more_on_request(call: Call, shelf: None) -> None:
    def item(query: str) -> dict[str, object]:
        return next(iter(call("GET", f"/api/models?author=alice&{query}").json()))  # type: ignore[no-any-return]

    plain = item("")
    assert {"_id", "id", "modelId", "author", "likes", "downloads", "private", "createdAt", "tags"} <= set(plain)
    assert not {"siblings", "cardData", "sha", "gated"} & set(plain)
    assert {"sha", "siblings", "gated", "disabled"} <= set(item("full=true"))
    assert item("cardData=true")["cardData"] == {
        "license": "mit",
        "pipeline_tag": "text-classification",
        "language": ["en", "de"],
    }
    assert set(item("expand=gated&full=true")) == {"_id", "id", "modelId", "gated"}


@pytest.mark.parametrize(
    "query",
    ["sort=nonsense", "limit=0", "limit=-1", "limit=x", "cursor=x", "num_parameters=many", "gated=maybe",
     "full=perhaps", "search=" + "x" * 501, "filter=%00", "expand=nonsense"],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_refused(call: Call, shelf: None, query: str) -> None:
    answer = call("GET", f"/api/models?{query}")
    assert answer.status_code == 400
    assert answer["X-Error-Message"]


def test_a_limit_over_the_cap_is_capped(call: Call, shelf: None) -> None:
    assert ids(call, "limit=100000") == {"alice/bert", "bob/gated-bert"}


def test_tags_are_listed_by_type(call: Call, shelf: None) -> None:
    tags = call("GET", "/api/models-tags-by-type").json()
    assert {"id", "label", "type"} <= set(tags["license"][0])
    assert call("GET", "/api/datasets-tags-by-type").status_code == 200
