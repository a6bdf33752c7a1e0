"""Creating, committing and deleting by the hub API; whatever is refused leaves nothing behind."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse

from registry.accounts.models import Organization, User
from registry.repositories.models import GitObject, Repository, RepositoryCommit
from registry.repositories.selectors import revision_resolve

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]
NOWHERE = "0" * 40
ONE_FILE = b"""{"key":"header","value":{"summary":"S"}}
{"key":"file","value":{"path":"a","content":"a","encoding":"utf-8"}}"""


def text(path: str, content: str) -> tuple[str, dict[str, str]]:
    return "file", {"path": path, "content": content, "encoding": "utf-8"}


# --- create, delete, settings ---------------------------------------------------------------------------------
def test_a_repository_is_made_in_ones_own_namespace(call: Call, alice: User) -> None:
    answer = call(
        "POST", "/api/repos/create", alice, body={"name": "New.Model", "organization": None, "sdk": "x", "new_key": 1}
    )
    assert answer.status_code == 200
    assert answer.json() | {"id": ""} == {
        "url": "http://testserver/alice/New.Model",
        "name": "alice/New.Model",
        "id": "",
        "private": False,
    }


def test_visibility_has_two_spellings_and_the_organizations_default(
    call: Call, carol: User, acme: Organization
) -> None:
    def private(name: str, **body: Any) -> bool:
        answer = call("POST", "/api/repos/create", carol, body={"name": name, "organization": "acme", **body})
        return bool(answer.json()["private"])

    assert private("a", private=True)
    assert private("b", visibility="private")
    assert not private("c")
    Organization.objects.filter(pk=acme.pk).update(default_private=True)
    assert private("d")
    assert not private("e", visibility="public")


def test_the_second_creation_is_a_conflict_that_names_the_first(call: Call, alice: User) -> None:
    call("POST", "/api/repos/create", alice, body={"name": "m", "type": "dataset"})
    answer = call("POST", "/api/repos/create", alice, body={"name": "M", "type": "dataset"})
    assert answer.status_code == 409
    assert answer.json()["url"] == "http://testserver/datasets/alice/m"
    assert "already created" in answer.json()["error"]


def test_who_may_create_where(call: Call, acme: Organization, rita: User, wendy: User, bob: User, alice: User) -> None:
    def status(user: User | None, role: str = "write", organization: str | None = "acme") -> int:
        return call(
            "POST", "/api/repos/create", user, role, body={"name": "m", "organization": organization}
        ).status_code

    assert status(None) == 401
    assert status(bob) == status(rita) == 403
    assert status(wendy, "read") == 403
    assert status(bob, organization="alice") == 403
    assert status(wendy) == 200
    assert status(bob) == 403  # permission is asked before existence


def test_deletion_is_for_the_owner(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m")
    body = {"name": "m", "organization": "alice"}
    assert call("DELETE", "/api/repos/delete", body=body).status_code == 401
    assert call("DELETE", "/api/repos/delete", bob, body=body).status_code == 403
    assert call("DELETE", "/api/repos/delete", alice, "read", body=body).status_code == 403
    assert call("DELETE", "/api/repos/delete", alice, body={"name": "m"}).json() == {}
    gone = call("DELETE", "/api/repos/delete", alice, body=body)
    assert (gone.status_code, gone["X-Error-Code"]) == (404, "RepoNotFound")


def test_settings_take_effect_at_once(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m")
    assert call("PUT", "/api/models/alice/m/settings", bob, body={"private": True}).status_code == 403
    answer = call("PUT", "/api/models/alice/m/settings", alice, body={"visibility": "private", "gated": "manual"})
    assert answer.json() == {"private": True, "visibility": "private", "gated": "manual"}
    assert call("GET", "/api/models/alice/m", alice).json()["gated"] == "manual"
    assert call("GET", "/api/models/alice/m", bob).status_code == 404
    assert call("PUT", "/api/models/alice/m/settings", alice, body={"gated": False}).json()["gated"] is False
    for body in ({}, {"gated": "maybe"}, {"gated": []}, {"visibility": "secret"}, {"private": "perhaps"}):
        assert call("PUT", "/api/models/alice/m/settings", alice, body=body).status_code == 400


# --- cards ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("---\nlicense: mit\n---\n# x", 200),
        ("# no front matter", 200),
        ("---\nlicense: [\n---\n", 400),
        ("---\n- a\n---\n", 400),
        ("---\nmodel-index: 5\n---\n", 400),
        ("---\nlanguage: {a: 1}\n---\n", 400),
    ],
)
def test_a_card_is_checked(call: Call, content: str, status: int) -> None:
    answer = call("POST", "/api/validate-yaml", body={"content": content, "repoType": "model"})
    assert answer.status_code == status
    assert bool(answer.json()["errors"]) == (status == 400)


def test_a_card_without_front_matter_gets_the_warning_that_clients_expect(call: Call) -> None:
    answer = call("POST", "/api/validate-yaml", body={"content": "# x", "repoType": "dataset"})
    assert answer.json()["warnings"][0]["message"] == "empty or missing yaml metadata in repo card"


# --- preupload --------------------------------------------------------------------------------------------------
def test_preupload_says_how_to_send_and_what_is_there(call: Call, publish: Publish, alice: User) -> None:
    publish(alice, "m", {"a.txt": b"text", ".gitignore": b"*.tmp\n"}, large={"w.bin": b"weights"})
    files = [
        {"path": path, "size": size, "sample": base64.b64encode(sample).decode()}
        for path, size, sample in (
            ("a.txt", 4, b"text"), ("w.bin", 7, b"weights"), ("new.txt", 9_000_000, b"text"),
            ("huge.txt", 11_000_000, b"t"), ("x.tmp", 1, b"x"), (".gitignore", 1, b"x"),
        )
    ]  # fmt: skip
    answer = call("POST", "/api/models/alice/m/preupload/main", alice, body={"files": files}).json()["files"]
    by_path = {entry["path"]: entry for entry in answer}
    assert [entry["path"] for entry in answer] == [entry["path"] for entry in files]
    assert {path: entry["uploadMode"] for path, entry in by_path.items()} == {
        "a.txt": "regular", "w.bin": "lfs", "new.txt": "regular", "huge.txt": "lfs", "x.tmp": "regular",
        ".gitignore": "regular",
    }  # fmt: skip
    assert {path for path, entry in by_path.items() if entry["shouldIgnore"]} == {"x.tmp"}
    assert by_path["a.txt"]["oid"] == hashlib.sha1(b"blob 4\0text", usedforsecurity=False).hexdigest()
    assert by_path["w.bin"]["oid"] == hashlib.sha256(b"weights").hexdigest()
    assert by_path["new.txt"]["oid"] is None
    given = call("POST", "/api/models/alice/m/preupload/main", alice, body={"files": files[:1], "gitIgnore": "*.txt"})
    assert given.json()["files"][0]["shouldIgnore"] is True


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ("x", 400),
        ([1], 400),
        ([{"path": "a"}], 400),
        ([{"path": "a", "size": -1}], 400),
        ([{"path": "a", "size": "1"}], 400),
        ([{"path": 1, "size": 1}], 400),
        ([{"path": "a", "size": 1, "sample": "!"}], 400),
        ([{"path": "../a", "size": 1}], 422),
        ([{"path": "/a", "size": 1}], 422),
        ([{"path": "a\\b", "size": 1}], 422),
        ([{"path": ".git/config", "size": 1}], 422),
        ([{"path": "a//b", "size": 1}], 422),
    ],
)
def test_preupload_refuses_what_it_cannot_use(
    call: Call, publish: Publish, alice: User, files: Any, status: int
) -> None:
    publish(alice, "m")
    answer = call("POST", "/api/models/alice/m/preupload/main", alice, body={"files": files})
    assert answer.status_code == status
    assert answer.json()["error"]


# --- commit -----------------------------------------------------------------------------------------------------
def test_operations_are_applied_in_one_commit(call: Call, commit: Call, publish: Publish, alice: User) -> None:
    publish(alice, "m", {"old.txt": b"old", "d/a.txt": b"a", "d/b.txt": b"b"}, large={"w.bin": b"weights"})
    answer = commit(
        alice, "model", "alice/m",
        [
            ("file", {"path": "n.bin", "content": base64.b64encode(b"\0\1").decode(), "encoding": "base64"}),
            ("deletedFile", {"path": "old.txt"}),
            ("deletedFolder", {"path": "d/"}),
            ("lfsFile", {"path": "copy.bin", "algo": "sha256", "oid": hashlib.sha256(b"weights").hexdigest()}),
        ],
    )  # fmt: skip
    payload = answer.json()
    head = call("GET", "/api/models/alice/m").json()["sha"]
    assert payload == {
        "success": True,
        "commitOid": head,
        "commitUrl": f"http://testserver/alice/m/commit/{head}",
        "hookOutput": "",
    }
    files = {entry["rfilename"] for entry in call("GET", "/api/models/alice/m").json()["siblings"]}
    assert files == {".gitattributes", "n.bin", "w.bin", "copy.bin"}
    assert call("GET", "/alice/m/resolve/main/n.bin").content == b"\0\1"


def test_no_change_is_no_commit(commit: Call, publish: Publish, alice: User) -> None:
    model = publish(alice, "m", {"a.txt": b"a"})
    head = revision_resolve(model, "main")
    assert commit(alice, "model", "alice/m", [text("a.txt", "a")]).json()["commitOid"] == head
    assert commit(alice, "model", "alice/m", []).json()["commitOid"] == head


def test_a_stale_parent_is_refused_in_the_words_that_clients_know(commit: Call, publish: Publish, alice: User) -> None:
    model = publish(alice, "m", {"a.txt": b"a"})
    answer = commit(alice, "model", "alice/m", [text("b.txt", "b")], parent=NOWHERE)
    assert answer.status_code == 412
    assert "The branch was updated since you opened this page. Please refresh and try again." in answer.json()["error"]
    fresh = commit(alice, "model", "alice/m", [text("b.txt", "b")], parent=revision_resolve(model, "main"))
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("operations", "branch", "status", "code"),
    [
        ([("deletedFile", {"path": "nothing"})], "main", 404, "EntryNotFound"),
        ([("deletedFolder", {"path": "a.txt"})], "main", 404, "EntryNotFound"),
        ([text("b", "b")], "nope", 404, "RevisionNotFound"),
        ([text("b", "b")], NOWHERE, 404, "RevisionNotFound"),
        ([text("a.txt/b", "b")], "main", 400, None),
        ([text("../b", "b")], "main", 422, None),
        ([text("/b", "b")], "main", 422, None),
        ([text("b\x01", "b")], "main", 422, None),
        ([text(".git/hooks/x", "b")], "main", 422, None),
        ([("lfsFile", {"path": "w", "algo": "sha256", "oid": "0" * 64, "size": 5})], "main", 400, None),
        ([("lfsFile", {"path": "w", "algo": "sha256", "oid": "short"})], "main", 400, None),
        ([("unknown", {"path": "w"})], "main", 400, None),
        ([text("README.md", "---\nlicense: [\n---\n")], "main", 400, None),
    ],
)
def test_a_commit_that_does_not_fit_changes_nothing(
    commit: Call, publish: Publish, alice: User, operations: Any, branch: str, status: int, code: str | None
) -> None:
    model = publish(alice, "m", {"a.txt": b"a"})
    before = (revision_resolve(model, "main"), GitObject.objects.count(), RepositoryCommit.objects.count())
    answer = commit(alice, "model", "alice/m", [text("good.txt", "good"), *operations], branch=branch)
    assert (answer.status_code, answer.get("X-Error-Code")) == (status, code)
    assert answer.json()["error"]
    assert (revision_resolve(model, "main"), GitObject.objects.count(), RepositoryCommit.objects.count()) == before


def test_the_object_of_a_private_repository_cannot_be_claimed_by_its_hash(
    commit: Call, publish: Publish, alice: User, bob: User
) -> None:
    publish(alice, "secret", large={"w.bin": b"weights"}, private=True)
    publish(bob, "m")
    claim = ("lfsFile", {"path": "w.bin", "algo": "sha256", "oid": hashlib.sha256(b"weights").hexdigest(), "size": 7})
    answer = commit(bob, "model", "bob/m", [claim])
    assert answer.status_code == 400
    assert "w.bin" in answer.json()["error"]


def test_who_may_commit(
    commit: Call, publish: Publish, acme: Organization, carol: User, wendy: User, rita: User, bob: User
) -> None:
    publish(carol, "m", namespace="acme")
    assert commit(None, "model", "acme/m", [text("a", "a")]).status_code == 401
    assert commit(bob, "model", "acme/m", [text("a", "a")]).status_code == 403
    assert commit(rita, "model", "acme/m", [text("a", "a")]).status_code == 403
    assert commit(wendy, "model", "acme/m", [text("a", "a")], role="read").status_code == 403
    assert commit(wendy, "model", "acme/m", [text("a", "a")]).status_code == 200


def test_pull_requests_are_refused_with_a_clear_word(call: Call, publish: Publish, alice: User) -> None:
    publish(alice, "m")
    for address in ("commit/main", "preupload/main"):
        answer = call("POST", f"/api/models/alice/m/{address}?create_pr=1", alice, body={})
        assert answer.status_code == 400
        assert "pull requests are not offered" in answer.json()["error"]


def test_a_body_over_the_limit_is_413(call: Call, publish: Publish, alice: User, settings: Any) -> None:
    publish(alice, "m")
    settings.MAX_COMMIT_SIZE = 10
    answer = call("POST", "/api/models/alice/m/commit/main", alice, body=b"x" * 11, content_type="application/x-ndjson")
    assert answer.status_code == 413


def test_a_body_that_is_cut_off_changes_nothing(call: Call, commit: Call, publish: Publish, alice: User) -> None:
    model = publish(alice, "m")
    head = revision_resolve(model, "main")
    extra = {"wsgi.input": io.BytesIO(ONE_FILE), "CONTENT_LENGTH": str(len(ONE_FILE) + 5)}
    answer = call("POST", "/api/models/alice/m/commit/main", alice, **extra)
    assert answer.status_code == 400
    assert "ended" in answer.json()["error"]
    assert revision_resolve(model, "main") == head


def test_a_chunked_body_is_read_from_the_server(call: Call, publish: Publish, alice: User) -> None:
    publish(alice, "m")
    extra = {"wsgi.input": io.BytesIO(ONE_FILE), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = call("POST", "/api/models/alice/m/commit/main", alice, **extra)
    assert answer.status_code == 200
    assert call("GET", "/alice/m/resolve/main/a").content == b"a"


# --- branches and tags ------------------------------------------------------------------------------------------
def test_branches_and_tags_come_and_go(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m")
    base = "/api/models/alice/m"
    assert call("POST", f"{base}/branch/dev", bob, body={}).status_code == 403
    assert call("POST", f"{base}/branch/dev", alice, body={"startingPoint": "main"}).status_code == 200
    again = call("POST", f"{base}/branch/dev", alice, body={})
    assert (again.status_code, again.json()["error"]) == (409, "Reference refs/heads/dev already exists")
    assert call("POST", f"{base}/branch/x", alice, body={"startingPoint": "nope"})["X-Error-Code"] == "RevisionNotFound"
    assert call("POST", f"{base}/branch/refs%2Fheads%2Fx", alice, body={}).status_code == 400
    assert call("POST", f"{base}/tag/main", alice, body={"tag": "dev", "message": "M"}).status_code == 200
    assert call("POST", f"{base}/tag/nope", alice, body={"tag": "bad name"})["X-Error-Code"] == "RevisionNotFound"
    assert call("POST", f"{base}/tag/main", alice, body={"tag": "bad name"}).status_code == 400
    assert call("POST", f"{base}/tag/main", alice, body={}).status_code == 400
    refs = call("GET", f"{base}/refs?include_prs=1").json()
    assert [ref["name"] for ref in refs["branches"]] == ["dev", "main"]
    assert refs["tags"][0]["targetCommit"] == refs["branches"][1]["targetCommit"]
    assert (refs["converts"], refs["pullRequests"]) == ([], [])
    assert call("DELETE", f"{base}/branch/main", alice).status_code == 403
    assert call("DELETE", f"{base}/branch/dev", alice).status_code == 200
    gone = call("DELETE", f"{base}/branch/dev", alice)
    assert (gone.status_code, gone["X-Error-Code"]) == (404, "RevisionNotFound")
    assert call("DELETE", f"{base}/tag/dev", alice).status_code == 200
    assert call("DELETE", f"{base}/tag/dev", alice).status_code == 404
