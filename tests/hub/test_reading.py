"""Repository info, tree, paths-info, refs and commits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse

from registry.accounts.models import User
from registry.hub.payloads import EXPANDABLE
from registry.repositories.models import Repository
from registry.repositories.selectors import revision_resolve

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]
WEIGHTS = b"w" * 5000
CARD = b"""---
license: apache-2.0
pipeline_tag: text-classification
library_name: transformers
widget: [{text: Hi}]
---
# M
"""
CONFIG = b'{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}'


@pytest.fixture
def model(publish: Publish, alice: User) -> Repository:
    files = {"README.md": CARD, "config.json": CONFIG, "d/a.txt": b"a", "d/e/b.txt": b"bb"}
    return publish(alice, "M", files, large={"d/w.bin": WEIGHTS})


def test_info_has_what_the_clients_read(call: Call, model: Repository) -> None:
    info = call("GET", "/api/models/alice/m").json()
    assert info["id"] == info["modelId"] == "alice/M"
    assert info["author"] == "alice"
    assert info["sha"] == revision_resolve(model, "main")
    assert (info["private"], info["disabled"], info["gated"]) == (False, False, False)
    assert info["cardData"]["license"] == "apache-2.0"
    assert {"license:apache-2.0", "text-classification"} <= set(info["tags"])
    assert info["pipeline_tag"] == "text-classification"
    assert info["config"]["model_type"] == "bert"
    assert info["transformersInfo"] == {
        "auto_model": "AutoModelForSequenceClassification",
        "pipeline_tag": "text-classification",
    }
    assert info["widgetData"] == [{"text": "Hi"}]
    assert info["lastModified"].endswith("Z")
    assert {"rfilename": "d/w.bin"} in info["siblings"]
    assert None not in info.values()
    assert len(info["_id"]) == 24


def test_blobs_adds_sizes_and_hashes(call: Call, model: Repository) -> None:
    siblings = {row["rfilename"]: row for row in call("GET", "/api/models/alice/m?blobs=true").json()["siblings"]}
    assert siblings["d/a.txt"]["size"] == 1
    assert "lfs" not in siblings["d/a.txt"]
    lfs = siblings["d/w.bin"]["lfs"]
    assert lfs == {"sha256": hashlib.sha256(WEIGHTS).hexdigest(), "size": 5000, "pointerSize": lfs["pointerSize"]}
    assert siblings["d/w.bin"]["size"] == 5000


def test_an_old_revision_shows_its_own_card_and_files(call: Call, commit: Call, model: Repository, alice: User) -> None:
    old = revision_resolve(model, "main")
    card = {"path": "README.md", "content": "---\nlicense: mit\n---\n", "encoding": "utf-8"}
    commit(alice, "model", "alice/M", [("file", card), ("deletedFolder", {"path": "d"})])
    then = call("GET", f"/api/models/alice/M/revision/{old}").json()
    now = call("GET", "/api/models/alice/M").json()
    assert (then["cardData"]["license"], now["cardData"]["license"]) == ("apache-2.0", "mit")
    assert len(then["siblings"]) > len(now["siblings"])
    assert then["sha"] == old


def test_security_status_is_honest(call: Call, model: Repository) -> None:
    status = call("GET", "/api/models/alice/m?securityStatus=true").json()["securityRepoStatus"]
    assert status == {"scansDone": False, "filesWithIssues": []}


@pytest.mark.parametrize("query", ["expand=sha&expand=tags", "expand[]=sha&expand[]=tags"])
def test_expand_answers_only_what_is_asked(call: Call, model: Repository, query: str) -> None:
    assert set(call("GET", f"/api/models/alice/m?{query}").json()) == {"_id", "id", "modelId", "sha", "tags"}


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_every_property_of_a_type_may_be_asked_for(call: Call, publish: Publish, alice: User, kind: str) -> None:
    publish(alice, "r", {"README.md": b"---\nsdk: static\n---\n"}, type=kind)
    query = "&".join(f"expand={name}" for name in sorted(EXPANDABLE[kind]))
    for address in (f"/api/{kind}s/alice/r", f"/api/{kind}s"):
        assert call("GET", f"{address}?{query}").status_code == 200
    refused = call("GET", f"/api/{kind}s/alice/r?expand=nonsense")
    assert refused.status_code == 400
    assert "siblings" in refused.json()["error"]


def test_lineage_is_told_on_request(call: Call, model: Repository, publish: Publish, alice: User) -> None:
    publish(alice, "child", {"README.md": b"---\nbase_model: alice/M\nbase_model_relation: finetune\n---\n"})
    child = call("GET", "/api/models/alice/child?expand=baseModels").json()
    assert child["baseModels"] == {"relation": "finetune", "models": [{"id": "alice/M"}]}
    assert call("GET", "/api/models/alice/M?expand=childrenModelCount").json()["childrenModelCount"] == 1


def test_missing_things_are_told_apart(call: Call, model: Repository, bob: User) -> None:
    assert call("GET", "/api/models/alice/nothing", bob)["X-Error-Code"] == "RepoNotFound"
    assert call("GET", "/api/datasets/alice/m", bob)["X-Error-Code"] == "RepoNotFound"
    assert call("GET", "/api/models/gpt2", bob)["X-Error-Code"] == "RepoNotFound"
    assert call("GET", "/api/models/alice/m/revision/nope")["X-Error-Code"] == "RevisionNotFound"
    assert call("GET", "/api/models/alice/m/tree/nope")["X-Error-Code"] == "RevisionNotFound"
    assert call("GET", "/api/models/alice/m/tree/main/nope")["X-Error-Code"] == "EntryNotFound"
    assert call("GET", "/api/models/alice/m/commits/nope")["X-Error-Code"] == "RevisionNotFound"


def test_the_tree_lists_children_or_everything(call: Call, model: Repository) -> None:
    def paths(address: str) -> list[str]:
        return [entry["path"] for entry in call("GET", f"/api/models/alice/m/tree/{address}").json()]

    assert paths("main") == [".gitattributes", "README.md", "config.json", "d"]
    assert set(paths("main?recursive=true")) == {
        ".gitattributes", "README.md", "config.json", "d", "d/a.txt", "d/e", "d/e/b.txt", "d/w.bin",
    }  # fmt: skip
    assert paths("main/d") == ["d/a.txt", "d/e", "d/w.bin"]
    assert paths("main/d%2Fe") == paths("main/d/e") == ["d/e/b.txt"]
    assert paths("main/d%2Fa.txt") == ["d/a.txt"]


def test_tree_entries_have_all_keys(call: Call, model: Repository) -> None:
    by_path = {entry["path"]: entry for entry in call("GET", "/api/models/alice/m/tree/main/d?expand=true").json()}
    lfs = by_path["d/w.bin"]["lfs"]
    assert (lfs["oid"], lfs["size"], set(lfs)) == (
        hashlib.sha256(WEIGHTS).hexdigest(),
        5000,
        {"oid", "size", "pointerSize"},
    )
    assert by_path["d/w.bin"]["size"] == 5000
    assert (by_path["d/e"]["type"], by_path["d/e"]["size"]) == ("directory", 0)
    assert by_path["d/e"]["lastCommit"]["title"] == "Add files"
    assert set(by_path["d/a.txt"]["lastCommit"]) == {"id", "title", "date"}
    assert all("xetHash" not in entry for entry in by_path.values())


def test_pages_of_a_tree_stay_with_their_commit(call: Call, commit: Call, model: Repository, alice: User) -> None:
    first = call("GET", "/api/models/alice/m/tree/main?recursive=true&limit=3")
    link = first["Link"]
    assert link.endswith('>; rel="next"')
    assert "recursive=true" in link
    commit(alice, "model", "alice/M", [("deletedFolder", {"path": "d"})])
    seen = [entry["path"] for entry in first.json()]
    while True:
        parts = urlsplit(link.partition(">")[0].strip("<"))
        answer = call("GET", f"{parts.path}?{parts.query}")
        seen += [entry["path"] for entry in answer.json()]
        if "Link" not in answer:
            break
        link = answer["Link"]
    assert len(seen) == len(set(seen)) == 8


@pytest.mark.parametrize("cursor", ["x", "abc:1", "main:-1", ":5", "%00"])
def test_a_cursor_of_somebody_else_is_refused(call: Call, model: Repository, cursor: str) -> None:
    assert call("GET", f"/api/models/alice/m/tree/main?cursor={cursor}").status_code in {400, 404}


def test_paths_info_takes_forms_and_json_and_leaves_out_what_is_missing(call: Call, model: Repository) -> None:
    address = "/api/models/alice/m/paths-info/main"
    body = b"paths=d&paths=d%2Fw.bin&paths=nothing&paths=d/&paths=..%2Fx&expand=true"
    form = call("POST", address, body=body, content_type="application/x-www-form-urlencoded")
    assert [entry["path"] for entry in form.json()] == ["d", "d/w.bin"]
    assert "lastCommit" in form.json()[0]
    as_json = call("POST", address, body={"paths": ["README.md", "d"], "expand": False})
    assert [entry["type"] for entry in as_json.json()] == ["file", "directory"]
    assert call("POST", address, body={"paths": "README.md"}).json()[0]["path"] == "README.md"
    assert call("POST", address, body={}).json() == []


@pytest.mark.parametrize(
    "body", [{"paths": 5}, {"paths": [5]}, {"paths": ["a"], "expand": "maybe"}, {"paths": ["a"] * 6000}]
)
def test_paths_info_refuses_what_is_no_list_of_paths(call: Call, model: Repository, body: Any) -> None:
    assert call("POST", "/api/models/alice/m/paths-info/main", body=body).status_code == 400


def test_commits_are_listed_newest_first_in_pages(call: Call, commit: Call, model: Repository, alice: User) -> None:
    commit(alice, "model", "alice/M", [("deletedFile", {"path": "d/a.txt"})], summary="Remove <a>\n\nBecause.")
    first = call("GET", "/api/models/alice/m/commits/main?limit=2&expand[]=formatted")
    newest, second = first.json()
    assert (newest["title"], newest["message"]) == ("Remove <a>", "Because.")
    assert newest["formatted"]["title"] == "Remove &lt;a&gt;"
    assert newest["authors"][0]["user"] == "alice"
    assert newest["date"].endswith("Z")
    parts = urlsplit(first["Link"].partition(">")[0].strip("<"))
    (last,) = call("GET", f"{parts.path}?{parts.query}").json()
    assert (second["title"], last["title"]) == ("Add files", "initial commit")
    assert "formatted" not in call("GET", "/api/models/alice/m/commits/main").json()[0]


def test_a_listing_stays_cheap(call: Call, publish: Publish, alice: User, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        publish(alice, f"m{number}", {"README.md": CARD})
    call("GET", "/api/models?full=true")
    with django_assert_max_num_queries(4):
        assert len(call("GET", "/api/models?full=true&cardData=true&config=true").json()) == 5


def test_info_stays_cheap(call: Call, model: Repository, bob: User, django_assert_max_num_queries: Any) -> None:
    call("GET", "/api/models/alice/m", bob)
    with django_assert_max_num_queries(6):
        assert call("GET", "/api/models/alice/m", bob).status_code == 200
