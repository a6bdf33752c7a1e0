"""Commits: what they do to a branch, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.errors import AuthenticationError, DeniedError, InvalidError, TooLargeError
from registry.repositories import trees
from registry.repositories.commits import (
    AddFile,
    AddLfs,
    CommitResult,
    DeleteFile,
    DeleteFolder,
    Operation,
    commit_create,
)
from registry.repositories.errors import (
    CommitConflictError,
    EntryNotFoundError,
    ObjectMissingError,
    RevisionNotFoundError,
    StaleParentError,
)
from registry.repositories.gitobjects import make_object
from registry.repositories.models import GitObject, Ref, Repository, RepositoryCommit, RepositoryObject
from registry.repositories.pointers import format_pointer
from registry.repositories.selectors import commits, revision_resolve
from registry.repositories.services import branch_create, large_object_attach, tag_create
from registry.storage.models import LargeObject
from registry.storage.services import object_store_bytes

Put = Callable[..., CommitResult]


@pytest.fixture
def me(alice: User, principal_of: Callable[..., Principal]) -> Principal:
    return principal_of(alice)


@pytest.fixture
def repository(alice: User, make_repository: Callable[..., Repository]) -> Repository:
    return make_repository(alice)


@pytest.fixture
def commit(me: Principal, repository: Repository) -> Callable[..., CommitResult]:
    def make(*operations: Operation, **options: Any) -> CommitResult:
        arguments = {"principal": me, "repository": repository, "branch": "main", "title": "Change", **options}
        return commit_create(operations=operations, **arguments)

    return make


def files_of(oid: str) -> dict[str, bytes]:
    return {e.path: trees.blob_bytes(e.oid) for e in trees.list_recursive(oid) if e.kind == "file"}


def uploaded(repository: Repository, data: bytes) -> LargeObject:
    stored = object_store_bytes(data=data)
    large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=None)
    return stored


def test_a_new_repository_has_one_commit_with_attributes(repository: Repository) -> None:
    page = commits(repository, revision_resolve(repository))
    assert [(item.title, item.author, item.parents) for item in page.items] == [("initial commit", "alice", ())]
    assert list(files_of(page.items[0].oid)) == [".gitattributes"]
    assert b"*.safetensors filter=lfs" in files_of(page.items[0].oid)[".gitattributes"]
    assert b"png" not in files_of(page.items[0].oid)[".gitattributes"]


def test_a_commit_is_visible_at_once(commit: Callable[..., CommitResult], repository: Repository) -> None:
    before = revision_resolve(repository)
    result = commit(AddFile("a/b.txt", b"hi"), title="Add b\n\nBecause.", message="More.")
    assert (result.changed, result.parent) == (True, before)
    assert revision_resolve(repository) == result.oid
    assert files_of(result.oid)["a/b.txt"] == b"hi"
    newest = commits(repository, result.oid).items[0]
    assert (newest.title, newest.message, newest.parents) == ("Add b", "Because.\nMore.", (before,))
    repository.refresh_from_db()
    assert repository.updated_at >= newest.at


def test_the_last_operation_on_a_path_wins(commit: Callable[..., CommitResult]) -> None:
    result = commit(AddFile("a", b"1"), AddFile("a", b"2"), AddFile("b", b"1"), DeleteFile("b"))
    assert files_of(result.oid).get("a") == b"2"
    assert "b" not in files_of(result.oid)


def test_a_file_may_come_as_a_stream(commit: Callable[..., CommitResult]) -> None:
    assert files_of(commit(AddFile("a", io.BytesIO(b"streamed"))).oid)["a"] == b"streamed"


def test_bytes_of_a_big_file_lie_in_the_object_store_before_its_row(commit: Callable[..., CommitResult]) -> None:
    data = bytes(range(256)) * 1025
    entry = trees.entry_get(commit(AddFile("big.dat", data)).oid, "big.dat")
    row = GitObject.objects.get(pk=entry.oid)
    assert (row.data, row.large_object_id, entry.stored_sha256) == (None, entry.stored_sha256, entry.stored_sha256)
    assert trees.blob_bytes(entry.oid) == data
    assert (entry.size, entry.lfs) == (len(data), None)


def test_many_blobs_go_ahead_of_the_commit_and_arrive_all(commit: Callable[..., CommitResult]) -> None:
    files = {f"f/{index}": bytes([index]) * 200_000 for index in range(60)}
    assert files_of(commit(*(AddFile(path, data) for path, data in files.items())).oid).items() >= files.items()


def test_a_file_over_the_limit_must_come_as_a_large_file(
    commit: Callable[..., CommitResult], settings: Any, repository: Repository
) -> None:
    settings.MAX_REGULAR_FILE_SIZE = 100
    head = revision_resolve(repository)
    with pytest.raises(TooLargeError, match=r"`big.txt` is larger than 100 bytes"):
        commit(AddFile("big.txt", b"x" * 101))
    assert revision_resolve(repository) == head


def test_deletions(commit: Callable[..., CommitResult]) -> None:
    commit(AddFile("a/b/c", b"1"), AddFile("a/d", b"1"), AddFile("e/f", b"1"), AddFile("g", b"1"))
    assert set(files_of(commit(DeleteFile("a/b/c")).oid)) == {".gitattributes", "a/d", "e/f", "g"}
    assert set(files_of(commit(DeleteFolder("a/")).oid)) == {".gitattributes", "e/f", "g"}
    assert set(files_of(commit(DeleteFile("e")).oid)) == {".gitattributes", "g"}


@pytest.mark.parametrize("operation", [DeleteFile("nothing"), DeleteFolder("nothing/"), DeleteFolder(".gitattributes")])
def test_deleting_what_is_not_there_is_entry_not_found(
    commit: Callable[..., CommitResult], operation: Operation
) -> None:
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        commit(operation)


def test_a_file_cannot_stand_where_a_folder_is_nor_the_reverse(commit: Callable[..., CommitResult]) -> None:
    commit(AddFile("a", b"1"), AddFile("d/x", b"1"))
    with pytest.raises(CommitConflictError, match=r"`a/b` cannot be written: `a` is a file"):
        commit(AddFile("a/b", b"1"))
    with pytest.raises(CommitConflictError, match=r"`d` cannot be written: `d` is a folder"):
        commit(AddFile("d", b"1"))


@pytest.mark.parametrize("deletion_first", [True, False])
def test_a_blocker_that_the_same_commit_deletes_is_no_blocker(
    commit: Callable[..., CommitResult], *, deletion_first: bool
) -> None:
    commit(AddFile("a", b"1"), AddFile("d/x", b"1"))
    operations = [DeleteFile("a"), AddFile("a/b", b"2"), DeleteFile("d/x"), AddFile("d", b"2")]
    result = commit(*(operations if deletion_first else [operations[1], operations[3], operations[0], operations[2]]))
    assert set(files_of(result.oid)) == {".gitattributes", "a/b", "d"}


def test_nothing_to_do_returns_the_head(commit: Callable[..., CommitResult], repository: Repository) -> None:
    first = commit(AddFile("a", b"1"))
    for operations in ([], [AddFile("a", b"1")], [AddFile("x", b"1"), DeleteFile("x")]):
        result = commit(*operations)
        assert (result.oid, result.changed) == (first.oid, False)
    assert RepositoryCommit.objects.filter(repository=repository).count() == 2


def test_a_stale_parent_is_refused_in_the_words_that_clients_match(commit: Callable[..., CommitResult]) -> None:
    first = commit(AddFile("a", b"1"))
    second = commit(AddFile("b", b"1"), expected_parent=first.oid)
    with pytest.raises(
        StaleParentError, match=r"The branch was updated since you opened this page\. Please refresh and try again\."
    ):
        commit(AddFile("c", b"1"), expected_parent=first.oid)
    assert commit(AddFile("c", b"1"), expected_parent=second.oid.upper()).changed


def test_the_same_commit_sent_twice_is_answered_with_the_head(commit: Callable[..., CommitResult]) -> None:
    first = commit(AddFile("a", b"1"), AddFile("old", b"1"))
    operations = (AddFile("b", b"1"), DeleteFile("old"))
    sent = commit(*operations, expected_parent=first.oid)
    again = commit(*operations, expected_parent=first.oid)
    assert (again.oid, again.changed) == (sent.oid, False)
    assert commit(*operations).oid == sent.oid
    with pytest.raises(StaleParentError):
        commit(*operations, expected_parent=first.oid, title="Other words")


@pytest.mark.parametrize(
    "branch", ["nothing", "v1", "refs/tags/v1", "refs/pr/1", "HEAD", "refs/heads/", "", "a\0b", "x" * 300]
)
def test_only_existing_branches_move(
    commit: Callable[..., CommitResult], me: Principal, repository: Repository, branch: str
) -> None:
    tag_create(principal=me, repository=repository, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        commit(AddFile("a", b"1"), branch=branch)


def test_a_sha_is_no_branch(commit: Callable[..., CommitResult], repository: Repository) -> None:
    with pytest.raises(RevisionNotFoundError):
        commit(AddFile("a", b"1"), branch=revision_resolve(repository))


def test_other_branches_and_pull_requests_move_alone(
    commit: Callable[..., CommitResult], me: Principal, repository: Repository
) -> None:
    head = revision_resolve(repository)
    branch_create(principal=me, repository=repository, branch="feat/x")
    Ref.objects.create(repository=repository, name="refs/pr/1", oid=head, commit_oid=head)
    on_branch = commit(AddFile("a", b"1"), branch="feat/x")
    on_request = commit(AddFile("a", b"2"), branch="refs/pr/1")
    assert revision_resolve(repository, "feat/x") == revision_resolve(repository, "refs/heads/feat/x") == on_branch.oid
    assert revision_resolve(repository, "refs/pr/1") == on_request.oid
    assert revision_resolve(repository) == head


@pytest.mark.parametrize("title", ["", "  ", "\n\nbody"])
def test_a_commit_needs_a_summary(commit: Callable[..., CommitResult], title: str) -> None:
    with pytest.raises(InvalidError, match="needs a summary"):
        commit(AddFile("a", b"1"), title=title)


def test_words_that_no_database_keeps_are_cleaned(commit: Callable[..., CommitResult], repository: Repository) -> None:
    result = commit(AddFile("a", b"1"), title="nul \0 surrogate \ud800" + "x" * 600, message="m\0")
    newest = commits(repository, result.oid).items[0]
    assert newest.title.startswith("nul  surrogate ?")
    assert (len(newest.title), newest.message) == (500, "m")


# --- large files ------------------------------------------------------------------------------------------------
def test_a_large_file_is_a_pointer_in_git_and_its_object_in_listings(
    commit: Callable[..., CommitResult], repository: Repository
) -> None:
    stored = uploaded(repository, b"weights")
    result = commit(AddLfs("model.safetensors", stored.sha256, 7))
    entry = trees.entry_get(result.oid, "model.safetensors")
    assert (entry.size, entry.etag, entry.stored_sha256) == (7, stored.sha256, stored.sha256)
    assert entry.lfs is not None
    pointer = trees.blob_bytes(entry.oid)
    assert (pointer, entry.lfs.pointer_size) == (format_pointer(stored.sha256, 7), len(pointer))
    held = RepositoryObject.objects.get(repository=repository, large_object=stored)
    assert held.referenced_at is not None


def test_a_copy_without_a_size_looks_it_up(commit: Callable[..., CommitResult], repository: Repository) -> None:
    stored = uploaded(repository, b"weights")
    commit(AddLfs("a.bin", stored.sha256, 7))
    assert trees.entry_get(commit(AddLfs("b.bin", stored.sha256)).oid, "b.bin").size == 7


def test_a_large_file_that_no_rule_covers_gets_a_line_of_its_own(
    commit: Callable[..., CommitResult], repository: Repository
) -> None:
    stored = uploaded(repository, b"weights")
    before = files_of(revision_resolve(repository))[".gitattributes"]
    result = commit(AddLfs("a.bin", stored.sha256), AddLfs("odd name", stored.sha256))
    assert (
        files_of(result.oid)[".gitattributes"] == before + b"/odd[[:space:]]name filter=lfs diff=lfs merge=lfs -text\n"
    )
    assert commit(AddLfs("odd name", stored.sha256)).changed is False


@pytest.mark.parametrize("as_pointer", [True, False])
def test_an_object_that_was_never_uploaded_is_refused_by_path(
    commit: Callable[..., CommitResult], repository: Repository, *, as_pointer: bool
) -> None:
    head = revision_resolve(repository)
    unknown = "0" * 64
    operation = AddFile("x.bin", format_pointer(unknown, 3)) if as_pointer else AddLfs("x.bin", unknown, 3)
    with pytest.raises(ObjectMissingError, match=r"`x.bin`"):
        commit(operation)
    assert revision_resolve(repository) == head


def test_a_wrong_size_or_digest_is_refused(commit: Callable[..., CommitResult], repository: Repository) -> None:
    stored = uploaded(repository, b"weights")
    with pytest.raises(InvalidError, match="has 7 bytes, not 8"):
        commit(AddLfs("a.bin", stored.sha256, 8))
    with pytest.raises(InvalidError, match="not a SHA-256"):
        commit(AddLfs("a.bin", stored.sha256.upper()))


@pytest.mark.parametrize("as_pointer", [True, False])
@pytest.mark.parametrize(
    ("options", "allowed"),
    [({}, True), ({"private": True}, False), ({"gated": "manual"}, False), ({"gated": "auto"}, False)],
)
def test_content_of_another_repository_cannot_be_claimed_by_its_digest_alone(
    bob: User,
    principal_of: Callable[..., Principal],
    make_repository: Callable[..., Repository],
    commit: Callable[..., CommitResult],
    options: dict[str, Any],
    *,
    allowed: bool,
    as_pointer: bool,
) -> None:
    theirs = make_repository(bob, "theirs", **options)
    stored = uploaded(theirs, b"secret weights")
    claim = (
        AddFile("x.bin", format_pointer(stored.sha256, stored.size)) if as_pointer else AddLfs("x.bin", stored.sha256)
    )
    with pytest.raises(ObjectMissingError):  # uploaded, and not yet committed: it is nobody else's
        commit(claim)
    commit_create(
        principal=principal_of(bob),
        repository=theirs,
        branch="main",
        operations=[AddLfs("w.bin", stored.sha256)],
        title="Add",
    )
    if allowed:
        assert commit(claim).changed
    else:
        with pytest.raises(ObjectMissingError):
            commit(claim)


# --- who may ------------------------------------------------------------------------------------------------------
def test_nobody_and_strangers_may_not_commit(
    bob: User, principal_of: Callable[..., Principal], commit: Callable[..., CommitResult], alice: User
) -> None:
    with pytest.raises(AuthenticationError):
        commit(AddFile("a", b"1"), principal=ANONYMOUS)
    with pytest.raises(DeniedError, match="no write access"):
        commit(AddFile("a", b"1"), principal=principal_of(bob))
    with pytest.raises(DeniedError):
        commit(AddFile("a", b"1"), principal=principal_of(alice, "read"))


def test_roles_in_an_organization(
    acme: Organization,
    carol: User,
    wendy: User,
    rita: User,
    principal_of: Callable[..., Principal],
    make_repository: Callable[..., Repository],
    put: Put,
) -> None:
    repository = make_repository(carol, namespace="acme")
    head = revision_resolve(repository)
    Ref.objects.create(repository=repository, name="refs/convert/parquet", oid=head, commit_oid=head)
    assert put(principal_of(wendy), repository, {"a": "1"}).changed
    with pytest.raises(DeniedError):
        put(principal_of(rita), repository, {"b": "1"})
    with pytest.raises(DeniedError):
        put(principal_of(wendy), repository, {"b": "1"}, branch="refs/convert/parquet")
    assert put(principal_of(carol), repository, {"b": "1"}, branch="refs/convert/parquet").changed


def test_a_token_for_one_repository_writes_there_alone(
    alice: User, principal_of: Callable[..., Principal], make_repository: Callable[..., Repository], put: Put
) -> None:
    mine, other = make_repository(alice, "mine"), make_repository(alice, "other")
    scope = {"type": "model", "name": "alice/mine", "permissions": ["write"]}
    principal = principal_of(alice, "fineGrained", scopes={"repositories": [scope]})
    assert put(principal, mine, {"a": "1"}).changed
    with pytest.raises(DeniedError):
        put(principal, other, {"a": "1"})


def test_objects_that_two_repositories_share_are_stored_once(
    alice: User, me: Principal, make_repository: Callable[..., Repository], put: Put
) -> None:
    one, two = make_repository(alice, "one"), make_repository(alice, "two")
    put(me, one, {"same": b"content"})
    put(me, two, {"same": b"content"})
    oid = make_object("blob", b"content").oid
    assert GitObject.objects.filter(pk=oid).count() == 1
    assert set(GitObject.objects.get(pk=oid).holders.values_list("repository", flat=True)) == {one.pk, two.pk}
