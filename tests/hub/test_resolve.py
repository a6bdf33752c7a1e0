"""Downloads through `resolve` and `raw`: headers, ranges, refusals, and how many queries they take."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse

from registry.accounts.models import User
from registry.catalogue.models import RepositoryCounters
from registry.repositories.models import Repository
from registry.repositories.selectors import revision_resolve

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]

TEXT = b"hello, world\n"
WEIGHTS = bytes(range(256)) * 50
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
BIG = b"0123456789" * 60_000
BLOB = hashlib.sha1(b"blob %d\0" % len(TEXT) + TEXT, usedforsecurity=False).hexdigest()
PAGE = b"<script>alert(1)</script>"


@pytest.fixture
def model(publish: Publish, alice: User) -> Repository:
    files = {"dir/a b%.txt": TEXT, "big.txt": BIG, "page.html": PAGE, "empty.txt": b"", "config.json": b"{}"}
    return publish(alice, "m", files, large={"w.bin": WEIGHTS})


def test_a_small_file_is_answered_at_once(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/main/dir/a%20b%25.txt")
    assert answer.status_code == 200
    assert answer.content == TEXT
    assert answer["ETag"] == f'"{BLOB}"'
    assert answer["X-Repo-Commit"] == revision_resolve(model, "main")
    assert answer["Content-Length"] == str(len(TEXT))
    assert answer["Accept-Ranges"] == "bytes"
    assert 'filename="a b_.txt";' in answer["Content-Disposition"]
    assert answer["X-Decision-Code"].startswith("ALLOWED")
    assert 'rel="license"' in answer["Link"]
    assert answer["X-Request-Id"]
    assert "X-Xet-Hash" not in answer


def test_head_says_the_same_without_the_content(call: Call, model: Repository) -> None:
    got, head = (call(method, "/alice/m/resolve/main/dir/a%20b%25.txt") for method in ("GET", "HEAD"))
    assert head.status_code == 200
    assert head.content == b""
    for name in ("ETag", "X-Repo-Commit", "Content-Length", "Content-Type", "Content-Disposition", "X-Decision-Id"):
        assert head[name] == got[name]


def test_a_large_file_is_redirected_to_a_signed_link(call: Call, model: Repository, settings: Any) -> None:
    answer = call("GET", "/alice/m/resolve/main/w.bin")
    assert answer.status_code == 302
    link = urlsplit(answer["Location"])
    assert answer["Location"].startswith(settings.OBJECT_URL)
    assert link.path == f"/objects/{SHA256}/w.bin"
    assert {"expires", "signature"} <= set(parse_qs(link.query))
    assert answer["X-Linked-Etag"] == answer["ETag"] == f'"{SHA256}"'
    assert answer["X-Linked-Size"] == str(len(WEIGHTS))
    assert answer["X-Repo-Commit"] == revision_resolve(model, "main")


def test_head_of_a_large_file_has_everything_and_no_redirect(call: Call, model: Repository) -> None:
    answer = call("HEAD", "/alice/m/resolve/main/w.bin")
    assert answer.status_code == 200
    assert answer["X-Linked-Etag"] == f'"{SHA256}"'
    assert answer["X-Linked-Size"] == answer["Content-Length"] == str(len(WEIGHTS))


def test_a_regular_file_of_the_object_store_is_redirected_and_keeps_its_git_id(call: Call, model: Repository) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(BIG) + BIG, usedforsecurity=False).hexdigest()
    head = call("HEAD", "/alice/m/resolve/main/big.txt")
    assert (head.status_code, head["ETag"], head["Content-Length"]) == (200, f'"{blob}"', str(len(BIG)))
    answer = call("GET", "/alice/m/resolve/main/big.txt")
    assert (answer.status_code, answer["ETag"]) == (302, f'"{blob}"')
    assert hashlib.sha256(BIG).hexdigest() in answer["Location"]


def test_an_empty_file_has_length_zero(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/main/empty.txt")
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("wanted", "content", "says"), [("bytes=0-4", b"hello", "bytes 0-4/13"), ("bytes=7-", b"world\n", "bytes 7-12/13")]
)
def test_a_range_is_answered_with_its_part(
    call: Call, model: Repository, wanted: str, content: bytes, says: str
) -> None:
    answer = call("GET", "/alice/m/resolve/main/dir/a%20b%25.txt", headers={"Range": wanted})
    assert (answer.status_code, answer.content, answer["Content-Range"]) == (206, content, says)
    assert answer["X-Repo-Commit"]


def test_a_range_beyond_the_end_is_416_with_the_size(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/main/dir/a%20b%25.txt", headers={"Range": "bytes=13-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */13")


def test_a_range_of_an_older_version_gets_the_whole_file(call: Call, model: Repository) -> None:
    headers = {"Range": "bytes=0-4", "If-Range": '"other"'}
    assert call("GET", "/alice/m/resolve/main/dir/a%20b%25.txt", headers=headers).status_code == 200


@pytest.mark.parametrize(("path", "etag"), [("dir/a%20b%25.txt", BLOB), ("w.bin", SHA256)])
def test_what_the_client_has_is_not_sent_again(call: Call, model: Repository, path: str, etag: str) -> None:
    answer = call("GET", f"/alice/m/resolve/main/{path}", headers={"If-None-Match": f'"{etag}"'})
    assert (answer.status_code, answer["ETag"]) == (304, f'"{etag}"')
    assert answer["X-Repo-Commit"]


def test_a_page_in_a_repository_cannot_run_on_our_origin(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/main/page.html")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_download_asks_for_an_attachment(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/main/page.html?download=true")
    assert answer["Content-Disposition"].startswith("attachment; ")


def test_raw_shows_the_pointer_of_a_large_file(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/raw/main/w.bin")
    assert answer.content.decode().splitlines()[1] == f"oid sha256:{SHA256}"
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer["Content-Type"].startswith("text/plain")


def test_a_missing_file_names_the_commit_it_is_missing_from(call: Call, model: Repository) -> None:
    answer = call("HEAD", "/alice/m/resolve/main/nothing.json")
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "EntryNotFound")
    assert answer["X-Repo-Commit"] == revision_resolve(model, "main")
    assert "nothing.json" in answer["X-Error-Message"]


@pytest.mark.parametrize("path", ["dir", "dir/", "dir//a", "../m", "w.bin/x", "%2e%2e/secret", "a%00b", ""])
def test_folders_and_odd_paths_are_no_files(call: Call, model: Repository, path: str) -> None:
    answer = call("GET", f"/alice/m/resolve/main/{path}")
    assert answer.status_code in {404, 422}
    assert answer["X-Error-Message"]


def test_a_missing_revision_is_told(call: Call, model: Repository) -> None:
    answer = call("GET", "/alice/m/resolve/nope/a.txt")
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")


def test_a_branch_with_a_slash_is_found_encoded_and_plain(call: Call, model: Repository, alice: User) -> None:
    assert call("POST", "/api/models/alice/m/branch/feat%2Fx", alice, body={}).status_code == 200
    for revision in ("feat%2Fx", "feat/x", "refs/heads/feat/x", "refs%2Fheads%2Ffeat%2Fx"):
        assert call("GET", f"/alice/m/resolve/{revision}/config.json").content == b"{}", revision


def test_without_raw_paths_the_longest_ref_wins(call: Call, model: Repository, alice: User) -> None:
    assert call("POST", "/api/models/alice/m/branch/feat%2Fx", alice, body={}).status_code == 200
    assert call("GET", "/alice/m/resolve/feat/x/config.json", RAW_URI="").content == b"{}"


def test_names_match_without_regard_to_case(call: Call, model: Repository) -> None:
    assert call("GET", "/ALICE/M/resolve/main/config.json").content == b"{}"


def test_a_short_commit_id_is_a_revision(call: Call, model: Repository) -> None:
    commit = revision_resolve(model, "main")
    assert call("GET", f"/alice/m/resolve/{commit[:9]}/config.json")["X-Repo-Commit"] == commit


def test_a_commit_of_another_repository_is_no_revision(
    call: Call, model: Repository, publish: Publish, bob: User
) -> None:
    secret = publish(bob, "secret", {"s.txt": b"secret"}, private=True)
    answer = call("GET", f"/alice/m/resolve/{revision_resolve(secret, 'main')}/s.txt")
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")


def test_missing_and_invisible_look_alike(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "secret", {"s.txt": b"secret"}, private=True)
    for user, status in ((None, 401), (bob, 404)):
        hidden = call("GET", "/alice/secret/resolve/main/s.txt", user)
        missing = call("GET", "/alice/nothing/resolve/main/s.txt", user)
        assert hidden.status_code == missing.status_code == status
        assert hidden["X-Error-Code"] == missing["X-Error-Code"] == "RepoNotFound"
        assert hidden.json()["error"].replace("secret", "nothing") == missing.json()["error"]
        assert sorted(hidden.headers) == sorted(missing.headers)
    assert call("GET", "/alice/secret/resolve/main/s.txt", alice).content == b"secret"


def test_a_single_name_is_a_missing_repository(call: Call, alice: User) -> None:
    answer = call("GET", "/gpt2/resolve/main/config.json", alice)
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RepoNotFound")


@pytest.mark.parametrize("state", ["expired", "revoked"])
def test_a_token_that_no_longer_works_is_refused_even_on_public_files(
    call: Call, model: Repository, bob: User, bearer: Callable[..., dict[str, str]], state: str
) -> None:
    answer = call("GET", "/alice/m/resolve/main/config.json", headers=bearer(bob, **{state: True}))
    assert answer.status_code == 401
    assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"
    assert "X-Error-Code" not in answer


def test_an_unknown_token_is_refused_even_on_public_files(call: Call, model: Repository) -> None:
    answer = call("HEAD", "/alice/m/resolve/main/config.json", headers={"Authorization": "Bearer wb_wrong"})
    assert answer.status_code == 401
    assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_a_gated_file_is_refused_with_the_way_forward(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "g", {"README.md": b"# g"}, gated="manual")
    for user, status, code in ((None, 401, "AUTH_REQUIRED"), (bob, 403, "REQUEST_REQUIRED")):
        answer = call("GET", "/alice/g/resolve/main/README.md", user)
        assert (answer.status_code, answer["X-Error-Code"], answer["X-Decision-Code"]) == (status, "GatedRepo", code)
        assert (
            "Access to model alice/g is restricted and you are not in the authorized list" in answer["X-Error-Message"]
        )
        assert answer["X-Decision-Id"]
        assert 'rel="license"' in answer["Link"]
        assert answer.json()["decision"]["remedies"]
        assert call("HEAD", "/alice/g/resolve/main/README.md", user).status_code == status
        assert call("GET", "/alice/g/raw/main/README.md", user).status_code == status
        assert call("GET", "/alice/g/resolve/nope/README.md", user)["X-Error-Code"] == "GatedRepo"
        assert call("GET", "/api/models/alice/g/tree/main", user).status_code == 200
    assert call("GET", "/alice/g/resolve/main/README.md", alice).status_code == 200


def test_other_methods_are_not_allowed(call: Call, model: Repository, alice: User) -> None:
    answer = call("DELETE", "/alice/m/resolve/main/config.json", alice)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]


def test_a_download_is_counted_once_a_client(call: Call, model: Repository, bob: User) -> None:
    for _ in range(2):
        call("GET", "/alice/m/resolve/main/w.bin", bob, headers={"X-HF-Download-Counter": "1"})
        call("GET", "/alice/m/resolve/main/config.json", bob)
        call("GET", "/alice/m/resolve/main/page.html", bob)
    info = call("GET", "/api/models/alice/m").json()
    assert info["downloads"] == 1
    assert RepositoryCounters.objects.get(repository=model).downloads_all_time == 1


@pytest.mark.parametrize(("path", "queries"), [("config.json", 6), ("w.bin", 6)])
def test_a_warm_head_takes_few_queries(
    call: Call, model: Repository, bob: User, path: str, queries: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(2):
        call("HEAD", f"/alice/m/resolve/main/{path}", bob)
    with django_assert_max_num_queries(queries):
        assert call("HEAD", f"/alice/m/resolve/main/{path}", bob).status_code == 200
