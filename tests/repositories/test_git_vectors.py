"""Our git objects against the `git` program: the same bytes, the same ids, and a repository that `git fsck` accepts."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.repositories.commits import AddFile, AddLfs, DeleteFile, commit_create
from registry.repositories.edits import Edit, Put, Remove, edit_tree
from registry.repositories.errors import CommitConflictError, EntryNotFoundError
from registry.repositories.gitobjects import (
    EMPTY_TREE,
    CommitText,
    TreeEntry,
    make_commit,
    make_object,
    make_tag,
    make_tree,
    object_oid,
    read_commit,
    read_tree,
)
from registry.repositories.models import GitObject, Ref, Repository
from registry.repositories.objects import blob_bytes
from registry.repositories.references import tag_create
from registry.repositories.services import large_object_attach
from registry.storage.services import object_store_bytes


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git")
    git(folder, "init", "-q", "-b", "main")
    return folder


def git(folder: Path, *arguments: str, text: bytes = b"") -> str:
    """Runs git without the machine's own configuration."""
    environment = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=text, capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\0\xff" * 1000, "ü".encode()])
def test_a_blob_has_the_id_that_git_gives_it(work: Path, data: bytes) -> None:
    assert object_oid("blob", data) == git(work, "hash-object", "--stdin", text=data)


NAMES = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="/\\"), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and not name.lower().startswith((".git", "git~")))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(NAMES, st.sampled_from(["100644", "100755", "040000", "120000"]), max_size=8))
def test_a_tree_has_the_id_that_git_mktree_gives_it(work: Path, rows: Mapping[str, str]) -> None:
    blob = git(work, "hash-object", "-w", "--stdin", text=b"x")
    empty = git(work, "mktree", text=b"")
    assert empty == EMPTY_TREE
    lines, entries = [], []
    for name, mode in rows.items():
        oid, kind = (empty, "tree") if mode == "040000" else (blob, "blob")
        lines.append(f"{mode} {kind} {oid}\t{name}".encode() + b"\0")
        entries.append(TreeEntry(name, int(mode, 8), oid))
    tree = make_tree(entries)
    assert tree.oid == git(work, "mktree", "-z", text=b"".join(lines))
    assert sorted(read_tree(tree.data or b""), key=lambda entry: entry.name) == sorted(
        entries, key=lambda entry: entry.name
    )


def test_a_commit_and_a_tag_are_what_git_hashes_and_checks(work: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    commit = make_commit(CommitText(EMPTY_TREE, (), "Zoë <x>\n", "z@example.org", at, "title\n\nbody ü"))
    git(work, "mktree", text=b"")
    written = git(work, "hash-object", "-t", "commit", "-w", "--stdin", text=commit.data or b"")
    assert written == commit.oid
    read = read_commit(commit.data or b"")
    assert (read.title, read.body, read.author_name, read.at) == ("title", "body ü", "Zoë x", at)
    tag = make_tag(name="v1", target=commit.oid, tagger="a", email="a@b", at=at, message="first")
    assert git(work, "mktag", text=tag.data or b"") == tag.oid


def export(repository: Repository, folder: Path) -> None:
    """Writes everything that a repository holds as a bare git repository of loose objects."""
    git(folder, "init", "-q", "--bare", "-b", "main")
    for row in GitObject.objects.filter(holders__repository=repository):
        data = bytes(row.data) if row.data is not None else blob_bytes(row.oid)
        place = folder / "objects" / row.oid[:2] / row.oid[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(zlib.compress(b"%b %d\0" % (row.kind.encode(), len(data)) + data))
    for ref in Ref.objects.filter(repository=repository):
        git(folder, "update-ref", ref.name, ref.oid)


@pytest.mark.django_db
def test_an_exported_repository_passes_git_fsck_and_checks_out(
    alice: User, principal_of: Callable[..., Principal], make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository, principal = make_repository(alice), principal_of(alice)
    big = bytes(range(256)) * 2000
    stored = object_store_bytes(data=b"weights" * 100)
    large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=alice.pk)
    operations = [
        AddFile("README.md", b"# x\n"),
        AddFile("a/b/c.txt", b"c"),
        AddFile("a.b", b"sorts before a/"),
        AddFile("big.dat", big),
        AddLfs("weird [name] *.weights", stored.sha256, stored.size),
    ]
    commit_create(principal=principal, repository=repository, branch="main", operations=operations, title="Add")
    last = commit_create(
        principal=principal, repository=repository, branch="main", operations=[DeleteFile("a/b/c.txt")], title="Delete"
    )
    tag_create(principal=principal, repository=repository, tag="v1", message="first")
    bare = tmp_path / "x.git"
    bare.mkdir()
    export(repository, bare)
    assert git(bare, "fsck", "--full", "--strict", "--no-dangling") == ""
    assert git(bare, "rev-parse", "v1^{commit}") == last.oid
    assert git(bare, "log", "--format=%s").splitlines() == ["Delete", "Add", "initial commit"]
    assert git(bare, "ls-tree", "-r", "--name-only", "main").splitlines() == [
        ".gitattributes", "README.md", "a.b", "big.dat", "weird [name] *.weights",
    ]  # fmt: skip
    assert git(bare, "cat-file", "-p", "main:weird [name] *.weights").splitlines()[1] == f"oid sha256:{stored.sha256}"


PATHS = st.sampled_from(["a", "b", "a/x", "a/y", "b/x", "a/x/z", "c/d/e", "c/d", "c", "a.b"])
EDITS = st.one_of(
    st.builds(lambda path, data: Put(path, make_object("blob", data).oid), PATHS, st.sampled_from([b"1", b"2"])),
    st.builds(Remove, PATHS, st.booleans()),
)


def apply_in_order(files: dict[str, str], edits: list[Edit]) -> dict[str, str]:
    """The specification, on a plain dictionary of files."""
    result = dict(files)
    for index, edit in enumerate(edits):
        below = [path for path in result if path.startswith(f"{edit.path}/")]
        if isinstance(edit, Put):
            parts = edit.path.split("/")
            if below or any("/".join(parts[:depth]) in result for depth in range(1, len(parts))):
                raise CommitConflictError("conflict")
            result[edit.path] = edit.oid
            continue
        gone = below if edit.folder_only or edit.path not in result else [edit.path]
        put_later = any(isinstance(later, Put) and later.path == edit.path for later in edits[index:])
        if not gone and not put_later:
            raise EntryNotFoundError("missing")
        for path in gone:
            del result[path]
    return result


def expected(files: dict[str, str], edits: list[Edit]) -> dict[str, str] | None:
    try:
        return apply_in_order(files, edits)
    except EntryNotFoundError:
        return None
    except CommitConflictError:
        deletions_first = sorted(edits, key=lambda edit: isinstance(edit, Put))
        try:
            return apply_in_order(files, deletions_first)
        except (CommitConflictError, EntryNotFoundError):
            return None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(EDITS, min_size=1, max_size=4), max_size=8))
def test_any_sequence_of_edits_equals_a_dictionary_and_the_tree_that_git_builds(
    work: Path, commits: list[list[Edit]]
) -> None:
    trees: dict[str, dict[str, TreeEntry]] = {EMPTY_TREE: {}}
    files: dict[str, str] = {}
    root = EMPTY_TREE
    for edits in commits:
        wanted = expected(files, edits)
        try:
            editor = edit_tree(root, edits, lambda oids: {oid: trees[oid] for oid in oids})
        except (CommitConflictError, EntryNotFoundError):
            assert wanted is None
            continue
        assert wanted is not None
        root, made = editor.write()
        trees.update({tree.oid: {entry.name: entry for entry in read_tree(tree.data or b"")} for tree in made})
        files = wanted
    for data in (b"1", b"2"):
        git(work, "hash-object", "-w", "--stdin", text=data)
    git(work, "read-tree", "--empty")
    index = "".join(f"100644 {oid}\t{path}\n" for path, oid in files.items())
    git(work, "update-index", "--add", "--index-info", text=index.encode())
    assert root == git(work, "write-tree")
