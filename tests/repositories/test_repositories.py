"""Repositories: who sees, makes, changes and deletes them; their refs, revisions and history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.errors import AuthenticationError, BadRequestError, DeniedError, InvalidError
from registry.repositories import services, trees
from registry.repositories.commits import AddFile, AddLfs, CommitResult, DeleteFile, commit_create
from registry.repositories.errors import (
    EntryNotFoundError,
    ReferenceExistsError,
    RepositoryDisabledError,
    RepositoryExistsError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from registry.repositories.models import GitObject, Ref, Repository, RepositoryCommit, RepositoryObject
from registry.repositories.selectors import (
    commits,
    last_commits,
    refs,
    repository_get,
    revision_resolve,
    visible_repositories,
)
from registry.repositories.services import large_object_attach
from registry.repositories.sweep import unreferenced_delete
from registry.repositories.tasks import sweep_unreferenced
from registry.storage.models import LargeObject
from registry.storage.services import object_store_bytes
from registry.storage.stores import get_store

Put = Callable[..., CommitResult]
Of = Callable[..., Principal]
Make = Callable[..., Repository]


# --- create, change, delete ---------------------------------------------------------------------------------------
def test_a_name_is_found_in_any_case_and_keeps_its_own(alice: User, make_repository: Make) -> None:
    make_repository(alice, "Bert-Base")
    assert repository_get(ANONYMOUS, "model", "ALICE/bert-base").full_name == "alice/Bert-Base"
    with pytest.raises(RepositoryNotFoundError):
        repository_get(ANONYMOUS, "dataset", "alice/Bert-Base")


def test_one_query_finds_a_repository_with_all_that_pages_need(
    alice: User, make_repository: Make, django_assert_num_queries: Any
) -> None:
    make_repository(alice)
    with django_assert_num_queries(1):
        found = repository_get(ANONYMOUS, "model", "alice/m")
        assert (found.namespace.name, found.profile.file_count, found.counters.downloads) == ("alice", 1, 0)


def test_the_same_name_cannot_be_taken_twice_in_whatever_case(alice: User, make_repository: Make) -> None:
    make_repository(alice, "x")
    with pytest.raises(RepositoryExistsError) as refused:
        make_repository(alice, "X")
    assert refused.value.details["url"].endswith("/alice/x")
    assert make_repository(alice, "x", type="dataset").pk


def test_permission_is_asked_before_existence_is_told(alice: User, bob: User, make_repository: Make) -> None:
    make_repository(alice, "x", private=True)
    with pytest.raises(DeniedError, match="rights to create"):
        make_repository(bob, "x", namespace="alice")


@pytest.mark.parametrize("facts", [{"name": "a--b"}, {"name": "a.git"}, {"type": "kernel"}])
def test_a_bad_name_or_type_is_refused_and_nothing_is_made(
    alice: User, principal_of: Of, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidError):
        services.repository_create(
            principal=principal_of(alice), **{"type": "model", "namespace": None, "name": "x", **facts}
        )
    assert not Repository.objects.exists()


def test_nobody_cannot_create() -> None:
    with pytest.raises(AuthenticationError):
        services.repository_create(principal=ANONYMOUS, type="model", namespace="a", name="x")


def test_roles_decide_who_creates_in_an_organization(
    acme: Organization, wendy: User, rita: User, bob: User, make_repository: Make
) -> None:
    assert make_repository(wendy, "w", namespace="acme").full_name == "acme/w"
    for user in (rita, bob):
        with pytest.raises(DeniedError):
            make_repository(user, "r", namespace="acme")


def test_an_organization_may_start_private(acme: Organization, carol: User, principal_of: Of) -> None:
    Organization.objects.filter(pk=acme.pk).update(default_private=True)
    made = [
        services.repository_create(
            principal=principal_of(carol), type="model", namespace="acme", name=name, private=private
        )
        for name, private in (("a", None), ("b", False), ("c", True))
    ]
    assert [repository.is_private for repository in made] == [True, False, True]


def test_a_private_repository_looks_missing_to_strangers(
    acme: Organization, carol: User, rita: User, bob: User, principal_of: Of, make_repository: Make
) -> None:
    make_repository(carol, "secret", namespace="acme", private=True)
    for stranger in (ANONYMOUS, principal_of(bob)):
        with pytest.raises(RepositoryNotFoundError) as hidden:
            repository_get(stranger, "model", "acme/secret")
        with pytest.raises(RepositoryNotFoundError) as missing:
            repository_get(stranger, "model", "acme/nothere")
        assert hidden.value.message.replace("secret", "nothere") == missing.value.message
        assert not visible_repositories(stranger).exists()
    for member in (carol, rita):
        assert repository_get(principal_of(member), "model", "acme/secret")
        assert visible_repositories(principal_of(member)).count() == 1


def test_a_fine_grained_token_sees_the_private_repositories_it_names(
    alice: User, principal_of: Of, make_repository: Make
) -> None:
    for name in ("one", "two"):
        make_repository(alice, name, private=True)
    make_repository(alice, "open")
    scope = {"type": "model", "name": "alice/one", "permissions": ["read"]}
    principal = principal_of(alice, "fineGrained", scopes={"repositories": [scope]})
    assert set(visible_repositories(principal).values_list("name", flat=True)) == {"one", "open"}
    assert repository_get(principal, "model", "alice/one")
    with pytest.raises(RepositoryNotFoundError):
        repository_get(principal, "model", "alice/two")
    with pytest.raises(DeniedError):
        repository_get(principal, "model", "alice/one", need="write")


def test_need_tells_visible_from_permitted(
    acme: Organization, carol: User, wendy: User, bob: User, principal_of: Of, make_repository: Make
) -> None:
    make_repository(carol, namespace="acme")
    with pytest.raises(AuthenticationError):
        repository_get(ANONYMOUS, "model", "acme/m", need="write")
    with pytest.raises(DeniedError, match="no write access"):
        repository_get(principal_of(bob), "model", "acme/m", need="write")
    with pytest.raises(DeniedError, match="only an owner or admin"):
        repository_get(principal_of(wendy), "model", "acme/m", need="admin")
    assert repository_get(principal_of(carol), "model", "acme/m", need="admin")


def test_a_disabled_repository_says_so_in_the_words_that_clients_match(
    alice: User, principal_of: Of, make_repository: Make
) -> None:
    Repository.objects.filter(pk=make_repository(alice).pk).update(disabled=True)
    with pytest.raises(RepositoryDisabledError, match=r"^Access to this resource is disabled\.$"):
        repository_get(principal_of(alice), "model", "alice/m")


def test_settings_change_at_once_and_only_for_admins(
    acme: Organization, carol: User, wendy: User, principal_of: Of, make_repository: Make
) -> None:
    repository = make_repository(carol, namespace="acme")
    services.repository_update(principal=principal_of(carol), repository=repository, visibility="private", gated="auto")
    changed = repository_get(principal_of(wendy), "model", "acme/m")
    assert (changed.is_private, changed.gated) == (True, "auto")
    with pytest.raises(DeniedError):
        services.repository_update(principal=principal_of(wendy), repository=repository, gated="")
    with pytest.raises(InvalidError):
        services.repository_update(principal=principal_of(carol), repository=repository, gated="perhaps")


def test_deleting_leaves_what_others_hold_and_the_sweep_takes_the_rest(
    alice: User, bob: User, principal_of: Of, make_repository: Make, put: Put
) -> None:
    mine, other = make_repository(alice), make_repository(alice, "other")
    me = principal_of(alice)
    put(me, mine, {"same": b"shared", "big": b"b" * 300_000})
    put(me, other, {"same": b"shared"})
    weights = object_store_bytes(data=b"weights")
    abandoned = object_store_bytes(data=b"abandoned")
    for repository, stored in ((mine, weights), (other, abandoned)):
        large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=alice.pk)
    commit_create(
        principal=me, repository=mine, branch="main", operations=[AddLfs("w.bin", weights.sha256)], title="Add"
    )
    with pytest.raises(DeniedError):
        services.repository_delete(principal=principal_of(bob), repository=mine)
    services.repository_delete(principal=me, repository=mine)
    with pytest.raises(RepositoryNotFoundError):
        services.repository_delete(principal=me, repository=mine)
    young = unreferenced_delete(older_than=timezone.now() - timedelta(hours=1))
    assert (young.git_objects, young.large_objects, young.uploads) == (0, 0, 0)
    swept = unreferenced_delete(older_than=timezone.now())
    assert (swept.uploads, swept.large_objects) == (1, 3)
    assert not LargeObject.objects.exists()
    listed = [entry.path for entry in trees.list_recursive(revision_resolve(other))]
    assert listed == [".gitattributes", "same"]
    assert put(me, other, {"new": b"1"}).changed
    assert set(GitObject.objects.values_list("holders__repository", flat=True)) == {other.pk}


@pytest.mark.django_db(transaction=True)
def test_the_hourly_sweep_spares_for_a_day_what_waits_for_its_commit(alice: User, make_repository: Make) -> None:
    repository = make_repository(alice)
    loose, waiting, again = (object_store_bytes(data=data) for data in (b"loose", b"waiting", b"again"))
    for stored in (waiting, again):
        large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=alice.pk)
    assert sweep_unreferenced()["large_objects"] == 0
    yesterday = timezone.now() - timedelta(hours=24, seconds=1)
    LargeObject.objects.update(created_at=yesterday)
    RepositoryObject.objects.update(created_at=yesterday)
    large_object_attach(repository_id=repository.pk, sha256=again.sha256, user_id=alice.pk)  # sent once more
    swept = sweep_unreferenced()
    assert (swept["uploads"], swept["large_objects"]) == (1, 2)
    assert not get_store().exists(loose.sha256)  # type: ignore[arg-type] (a digest by its making)
    assert set(LargeObject.objects.values_list("pk", flat=True)) == {again.sha256}


@pytest.mark.django_db(transaction=True)
def test_the_sweep_deletes_bytes_after_their_row(alice: User) -> None:
    stored = object_store_bytes(data=b"nobody's")
    assert get_store().exists(stored.sha256)  # type: ignore[arg-type] (a digest by its making)
    unreferenced_delete(older_than=timezone.now())
    assert not get_store().exists(stored.sha256)  # type: ignore[arg-type] (a digest by its making)


# --- refs and revisions ------------------------------------------------------------------------------------------
def test_a_revision_may_be_named_in_many_ways(alice: User, principal_of: Of, make_repository: Make, put: Put) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    first = revision_resolve(repository)
    second = put(me, repository, {"a": "1"}).oid
    services.branch_create(principal=me, repository=repository, branch="same", starting_point=first)
    services.tag_create(principal=me, repository=repository, tag="same", revision=second)
    services.tag_create(principal=me, repository=repository, tag="v1", revision=first[:7], message="annotated")
    named = {
        None: second, "main": second, "refs/heads/main": second, second: second, second.upper(): second,
        first[:7]: first, "same": first, "refs/tags/same": second, "v1": first, "refs/tags/v1": first,
    }  # fmt: skip
    assert {revision: revision_resolve(repository, revision) for revision in named} == named


@pytest.mark.parametrize("revision", ["", "nothing", "0" * 40, "abcdef0", "refs/heads/x", "a\0b", "x" * 300, "mai"])
def test_an_unknown_revision_is_not_found(alice: User, make_repository: Make, revision: str) -> None:
    with pytest.raises(RevisionNotFoundError):
        revision_resolve(make_repository(alice), revision)


def test_a_commit_of_another_repository_is_no_revision_of_this_one(
    alice: User, principal_of: Of, make_repository: Make, put: Put
) -> None:
    here, there = make_repository(alice, "here"), make_repository(alice, "there")
    foreign = put(principal_of(alice), there, {"a": "1"}).oid
    for revision in (foreign, foreign[:10]):
        with pytest.raises(RevisionNotFoundError):
            revision_resolve(here, revision)


def test_an_abbreviation_that_fits_two_commits_fits_none(alice: User, make_repository: Make) -> None:
    repository = make_repository(alice)
    row = RepositoryCommit.objects.get(repository=repository)
    for last in "12":
        RepositoryCommit.objects.create(
            repository=repository,
            oid="abcdef0" + last * 33,
            tree_oid=row.tree_oid,
            author_name="x",
            committed_at=row.committed_at,
        )
    with pytest.raises(RevisionNotFoundError):
        revision_resolve(repository, "abcdef0")


def test_a_branch_revision_takes_one_query_and_a_warm_entry_none(
    alice: User, make_repository: Make, django_assert_num_queries: Any
) -> None:
    repository = make_repository(alice, files={"a/b/c.txt": "1"})
    with django_assert_num_queries(1):
        head = revision_resolve(repository, "main")
    with django_assert_num_queries(1):
        revision_resolve(repository, head)
    trees.entry_get(head, "a/b/c.txt")
    trees.list_recursive(head)
    with django_assert_num_queries(0):
        trees.entry_get(head, "a/b/c.txt")
        trees.list_recursive(head)
        trees.list_directory(head, "a")


def test_refs_are_listed_by_kind(alice: User, principal_of: Of, make_repository: Make) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    head = revision_resolve(repository)
    services.tag_create(principal=me, repository=repository, tag="v1", message="annotated")
    for name in ("refs/pr/1", "refs/convert/parquet"):
        Ref.objects.create(repository=repository, name=name, oid=head, commit_oid=head)
    found = refs(repository)
    listed = [*found.branches, *found.tags, *found.converts, *found.pull_requests]
    assert [(item.name, item.ref) for item in listed] == [
        ("main", "refs/heads/main"), ("v1", "refs/tags/v1"), ("parquet", "refs/convert/parquet"),
        ("refs/pr/1", "refs/pr/1"),
    ]  # fmt: skip
    assert {item.target_commit for item in listed} == {head}
    assert Ref.objects.get(repository=repository, name="refs/tags/v1").oid != head


def test_branches_and_tags_are_made_once_and_deleted_once(alice: User, principal_of: Of, make_repository: Make) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    calls: dict[str, Any] = {"principal": me, "repository": repository}
    services.branch_create(**calls, branch="b")
    services.tag_create(**calls, tag="t")
    services.tag_create(**calls, tag="b")
    with pytest.raises(ReferenceExistsError, match="Reference refs/heads/b already exists"):
        services.branch_create(**calls, branch="b")
    with pytest.raises(ReferenceExistsError):
        services.tag_create(**calls, tag="t")
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: t"):
        services.branch_delete(**calls, branch="t")
    with pytest.raises(DeniedError, match="Cannot delete refs/heads/main"):
        services.branch_delete(**calls, branch="main")
    services.branch_delete(**calls, branch="b")
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: b"):
        services.branch_delete(**calls, branch="b")
    services.tag_delete(**calls, tag="t")
    with pytest.raises(RevisionNotFoundError):
        services.tag_delete(**calls, tag="t")
    with pytest.raises(RevisionNotFoundError):
        services.branch_create(**calls, branch="c", starting_point="nothing")
    with pytest.raises(RevisionNotFoundError):
        services.tag_create(**calls, tag="bad name", revision="nothing")


@pytest.mark.parametrize("name", ["refs/heads/x", "a b", "a..b", "-a", "a.lock", "a~1", "", "a\nb", "x" * 300, "a/"])
def test_git_allows_no_such_name(alice: User, principal_of: Of, make_repository: Make, name: str) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        services.branch_create(principal=me, repository=repository, branch=name)
    with pytest.raises(BadRequestError, match="Invalid reference for a tag"):
        services.tag_create(principal=me, repository=repository, tag=name)


def test_an_empty_branch_starts_without_history(alice: User, principal_of: Of, make_repository: Make) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    ref = services.branch_create(principal=me, repository=repository, branch="new", empty=True)
    assert trees.list_recursive(ref.commit_oid) == ()
    assert len(commits(repository, ref.commit_oid).items) == 1


def test_strangers_and_readers_move_no_refs(alice: User, bob: User, principal_of: Of, make_repository: Make) -> None:
    repository = make_repository(alice)
    for principal in (principal_of(bob), principal_of(alice, "read")):
        for call in (
            lambda p: services.branch_create(principal=p, repository=repository, branch="x"),
            lambda p: services.branch_delete(principal=p, repository=repository, branch="x"),
            lambda p: services.tag_create(principal=p, repository=repository, tag="x"),
            lambda p: services.tag_delete(principal=p, repository=repository, tag="x"),
        ):
            with pytest.raises(DeniedError):
                call(principal)


# --- listings and history -----------------------------------------------------------------------------------------
def test_listings(alice: User, make_repository: Make) -> None:
    repository = make_repository(alice, files={"a/b/c": "1", "a/d": "22", "e": "333"})
    head = revision_resolve(repository)
    assert [(e.path, e.kind, e.size) for e in trees.list_recursive(head)] == [
        (".gitattributes", "file", len(trees.blob_bytes(trees.entry_get(head, ".gitattributes").oid))),
        ("a", "directory", 0), ("a/b", "directory", 0), ("a/b/c", "file", 1), ("a/d", "file", 2), ("e", "file", 3),
    ]  # fmt: skip
    assert [e.path for e in trees.list_directory(head, "a")] == ["a/b", "a/d"]
    assert [e.path for e in trees.list_directory(head, "a/d")] == ["a/d"]
    assert [e.path for e in trees.list_recursive(head, "a")] == ["a/b", "a/b/c", "a/d"]
    assert [e.path for e in trees.entries_get(head, ["e", "nothing", "a/b", "e/x", "a/d"])] == ["e", "a/b", "a/d"]
    assert trees.tree_at(head, "a/b") == trees.entry_get(head, "a/b").oid
    for call in (trees.entry_get, trees.list_directory, trees.list_recursive):
        for path in ("nothing", "e/x", "a/b/c/d"):
            with pytest.raises(EntryNotFoundError) as missing:
                call(head, path)
            assert missing.value.details["commit"] == head


def test_history_comes_in_pages_newest_first(alice: User, principal_of: Of, make_repository: Make, put: Put) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    made = [revision_resolve(repository)] + [put(me, repository, {"f": str(i)}, title=f"c{i}").oid for i in range(7)]
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        page = commits(repository, made[-1], after=cursor, limit=3)
        seen += [item.oid for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]
    assert [item.oid for item in commits(repository, made[2]).items] == made[2::-1]
    with pytest.raises(BadRequestError):
        commits(repository, made[0], after="nonsense")
    other = make_repository(alice, "other")
    assert commits(other, revision_resolve(other), after=made[-1]).items == []


def test_a_page_of_history_costs_few_queries(
    alice: User, principal_of: Of, make_repository: Make, put: Put, django_assert_max_num_queries: Any
) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    for index in range(60):
        head = put(me, repository, {"f": str(index)}).oid
    with django_assert_max_num_queries(3):
        assert len(commits(repository, head, limit=50).items) == 50


def test_the_last_commit_of_each_path(alice: User, principal_of: Of, make_repository: Make, put: Put) -> None:
    repository, me = make_repository(alice), principal_of(alice)
    initial = revision_resolve(repository)
    first = put(me, repository, {"a/x": "1", "a/y": "1", "b": "1"}).oid
    second = put(me, repository, {"a/y": "2"}).oid
    third = put(me, repository, {"b": "2", "c": "1"}).oid
    expected = {".gitattributes": initial, "a": second, "b": third, "c": third}
    for _ in range(2):  # the second time from the cache
        found = last_commits(repository, third, trees.list_directory(third))
        assert {path: info.oid for path, info in found.items()} == expected
    deep = last_commits(repository, third, trees.list_directory(third, "a"))
    assert {path: info.oid for path, info in deep.items()} == {"a/x": first, "a/y": second}
    deleted = commit_create(
        principal=me, repository=repository, branch="main", operations=[DeleteFile("a/x")], title="Delete"
    ).oid
    put(me, repository, {"a/x": "1"})
    head = revision_resolve(repository)
    found = last_commits(repository, head, trees.list_recursive(head))
    assert {path: info.oid for path, info in found.items()} == {
        ".gitattributes": initial, "a": head, "a/x": head, "a/y": second, "b": third, "c": third,
    }  # fmt: skip
    assert last_commits(repository, deleted, trees.list_directory(deleted))["a"].oid == deleted


def test_files_of_the_initial_commit_may_be_given(alice: User, principal_of: Of) -> None:
    repository = services.repository_create(
        principal=principal_of(alice), type="space", namespace=None, name="s", files=(AddFile("README.md", b"x"),)
    )
    assert [entry.path for entry in trees.list_recursive(revision_resolve(repository))] == [
        ".gitattributes",
        "README.md",
    ]
