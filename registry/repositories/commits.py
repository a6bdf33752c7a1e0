"""Commits: a branch moves from one tree to the next, in one transaction (hub-api 2.7).

Order of locks, here and in the sweep: the ref, then git objects by id, then large objects by digest. Views do not call
this: `registry.catalogue.publishing` adds profile and audit in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.errors import InvalidError
from registry.repositories.edits import Edit, Put, TreeEditor, edit_tree
from registry.repositories.errors import (
    CommitConflictError,
    EntryNotFoundError,
    StaleParentError,
)
from registry.repositories.gitobjects import EMPTY_TREE, CommitText, NewObject, make_commit, make_object, make_tree
from registry.repositories.globs import Attributes, lfs_line
from registry.repositories.models import Ref, Repository, RepositoryCommit, RepositoryObject
from registry.repositories.objects import batches, blob_bytes, load_commit, load_trees, objects_hold, objects_write
from registry.repositories.operations import (
    AddFile,
    AddLfs,
    DeleteFile,
    DeleteFolder,
    Operation,
    PreparedOperations,
    missing_object,
    operations_prepare,
)
from registry.repositories.permissions import require
from registry.repositories.revisions import (
    CONVERTS,
    DEFAULT_BRANCH,
    HEADS,
    PULLS,
    branch_ref,
    check_revision,
    revision_missing,
)
from registry.repositories.selectors import claimable_repositories
from registry.storage.models import LargeObject

__all__ = [
    "AddFile",
    "AddLfs",
    "CommitResult",
    "DeleteFile",
    "DeleteFolder",
    "Operation",
    "PreparedOperations",
    "commit_create",
    "commit_initial",
    "operations_prepare",
]

MAX_TITLE_LENGTH = 500
_ATTRIBUTES = ".gitattributes"
# Holders of copied objects that one commit asks about; common content lies in thousands of repositories.
_MAX_ASKED = 50
MayCopy = Callable[[Repository], bool]


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The head after the call; `changed` is False if there was nothing to do. `parent` is the head before."""

    oid: str
    changed: bool
    parent: str | None


@dataclass(frozen=True, slots=True)
class _Draft:
    """Who commits, when, and in what words."""

    principal: Principal
    title: str
    message: str
    at: datetime

    @property
    def text(self) -> str:
        return f"{self.title}\n\n{self.message}" if self.message else self.title


def commit_create(  # noqa: PLR0913 (one keyword for each part of a commit)
    *,
    principal: Principal,
    repository: Repository,
    branch: str,
    operations: Iterable[Operation] | PreparedOperations,
    title: str,
    message: str = "",
    expected_parent: str | None = None,
    may_copy: MayCopy | None = None,
) -> CommitResult:
    """Applies operations to the head of a branch and moves it; concurrent commits to one branch queue.

    Pass the result of `operations_prepare` to keep slow work out of a surrounding transaction. `may_copy` is asked for
    each repository whose large objects are copied by digest alone: the license gate, where people commit.

    Raises:
        AuthenticationError, DeniedError: the caller may not write here.
        RevisionNotFoundError: `branch` is neither a branch nor a writable ref.
        StaleParentError: the head is not `expected_parent`.
        EntryNotFoundError, CommitConflictError: an operation does not fit the tree.
        ObjectMissingError: a large object is unknown, or the caller has no right to it.
        InvalidError, TooLargeError: a title, path, digest or size is not acceptable.
    """
    prepared = operations if isinstance(operations, PreparedOperations) else operations_prepare(operations)
    draft = _draft(principal, title, message)
    _check_writable(principal, repository, branch)
    with transaction.atomic():
        ref = _lock_ref(repository, branch)
        _authorise_claims(principal, repository, prepared, may_copy)
        try:
            _check_parent(ref, expected_parent)
            editor = edit_tree(load_commit(ref.oid).tree, prepared.edits, load_trees)
        except (StaleParentError, EntryNotFoundError):
            if _is_repetition(ref.oid, prepared, draft, expected_parent):
                return CommitResult(ref.oid, changed=False, parent=ref.oid)
            raise
        blobs = _cover_attributes(editor, prepared)
        tree, trees = editor.write()
        if tree == load_commit(ref.oid).tree:
            return CommitResult(ref.oid, changed=False, parent=ref.oid)
        parent = ref.oid
        commit = _record(repository, draft, tree, [parent], [*prepared.pending.values(), *blobs, *trees])
        objects_hold(repository, prepared.blobs)
        _reference_large_objects(repository, principal, prepared)
        Ref.objects.filter(pk=ref.pk).update(oid=commit, commit_oid=commit)
    return CommitResult(commit, changed=True, parent=parent)


def commit_initial(
    *, principal: Principal, repository: Repository, files: Sequence[AddFile], title: str = "initial commit"
) -> CommitResult:
    """Creates `main` with a root commit that holds these files. Joins the caller's transaction."""
    with transaction.atomic():
        oid = commit_orphan(principal=principal, repository=repository, title=title, files=files)
        Ref.objects.create(repository=repository, name=HEADS + DEFAULT_BRANCH, oid=oid, commit_oid=oid)
    return CommitResult(oid, changed=True, parent=None)


def commit_orphan(*, principal: Principal, repository: Repository, title: str, files: Sequence[AddFile] = ()) -> str:
    """Records a commit without parents and returns its id; no ref points at it yet. Joins the caller's transaction."""
    prepared = operations_prepare(files)
    editor = edit_tree(EMPTY_TREE, prepared.edits, load_trees)
    tree, trees = editor.write()
    made = [*prepared.pending.values(), *(trees or [make_tree(())])]
    return _record(repository, _draft(principal, title, ""), tree, [], made)


def _draft(principal: Principal, title: str, message: str) -> _Draft:
    """Cleans the words: a title is one line, and neither git nor PostgreSQL keeps NUL."""
    text = f"{title}\n{message}".replace("\0", "").replace("\r\n", "\n").encode("utf-8", "replace").decode()
    first, _, rest = text.partition("\n")
    if not first.strip():
        raise InvalidError("a commit needs a summary: say in one line what it changes", field="summary")
    return _Draft(principal, first.strip()[:MAX_TITLE_LENGTH], rest.strip("\n"), timezone.now())


def _check_writable(principal: Principal, repository: Repository, branch: str) -> None:
    """Branches and pull requests take the write role, conversions the owner; tags and commits never move."""
    name = branch_ref(check_revision(branch))
    if not name.startswith((HEADS, PULLS, CONVERTS)):
        raise revision_missing(branch)
    require(principal, repository, "admin" if name.startswith(CONVERTS) else "write")


def _lock_ref(repository: Repository, branch: str) -> Ref:
    """Takes the branch: commits to it queue here (on SQLite at the beginning of the transaction)."""
    try:
        return Ref.objects.select_for_update().get(repository=repository, name=branch_ref(branch))
    except Ref.DoesNotExist:
        raise revision_missing(branch) from None


def _check_parent(ref: Ref, expected: str | None) -> None:
    if expected is not None and expected.lower() != ref.oid:
        raise StaleParentError(head=ref.oid)


def _is_repetition(head: str, prepared: PreparedOperations, draft: _Draft, expected: str | None) -> bool:
    """True if the head is what these operations made of its parent: a client sent them twice (hub-api 0.6)."""
    commit = load_commit(head)
    if len(commit.parents) != 1 or expected not in {None, commit.parents[0]}:
        return False
    if commit.title != draft.title or commit.author_name != draft.principal.username:
        return False
    try:
        editor = edit_tree(load_commit(commit.parents[0]).tree, prepared.edits, load_trees)
    except (EntryNotFoundError, CommitConflictError):
        return False
    _cover_attributes(editor, prepared)
    return editor.write()[0] == commit.tree


def _authorise_claims(
    principal: Principal, repository: Repository, prepared: PreparedOperations, may_copy: MayCopy | None
) -> None:
    """Refuses pointers to objects that this repository does not hold and that the caller could not have downloaded."""
    answers: dict[int, bool] = {}
    for batch in batches(sorted(prepared.claims)):
        holders = RepositoryObject.objects.filter(large_object_id__in=batch)
        held = set(holders.filter(repository=repository).values_list("large_object_id", flat=True))
        rest = [sha256 for sha256 in batch if sha256 not in held]
        if rest:
            held |= _copyable(principal, rest, may_copy, answers)
        for sha256 in rest:
            if sha256 not in held:
                raise missing_object(prepared.claims[sha256], sha256)


def _copyable(
    principal: Principal, digests: Sequence[str], may_copy: MayCopy | None, answers: dict[int, bool]
) -> set[str]:
    """Returns those of the digests that the caller may copy from elsewhere; `answers` remembers what was asked."""
    found: set[str] = set()
    rows = RepositoryObject.objects.filter(
        large_object_id__in=digests,
        referenced_at__isnull=False,
        repository__in=claimable_repositories(principal).values("pk"),
    ).order_by("repository_id")
    for sha256, pk in rows.values_list("large_object_id", "repository_id").iterator():
        if sha256 in found:
            continue
        if may_copy is not None and pk not in answers:
            if len(answers) >= _MAX_ASKED:
                break
            holder = Repository.objects.select_related("namespace", "profile").get(pk=pk)
            answers[pk] = may_copy(holder)
        if may_copy is None or answers[pk]:
            found.add(sha256)
    return found


def _cover_attributes(editor: TreeEditor, prepared: PreparedOperations) -> list[NewObject]:
    """Adds a `.gitattributes` line for every large file that no rule covers, so that plain git clones smudge it."""
    placed = [path for path, oid in prepared.lfs_paths.items() if editor.find(path) == oid]
    if not placed:
        return []
    there = editor.find(_ATTRIBUTES)
    text = _blob_text(there, prepared) if there is not None else b""
    attributes = Attributes(text)
    lines = [lfs_line(path) for path in placed if not attributes.is_lfs(path)]
    if not lines:
        return []
    separator = b"" if not text or text.endswith(b"\n") else b"\n"
    blob = make_object("blob", text + separator + "".join(lines).encode())
    edit: Edit = Put(_ATTRIBUTES, blob.oid)
    editor.apply([edit])
    return [blob]


def _blob_text(oid: str, prepared: PreparedOperations) -> bytes:
    waiting = prepared.pending.get(oid)
    return waiting.data if waiting is not None and waiting.data is not None else blob_bytes(oid)


def _record(
    repository: Repository, draft: _Draft, tree: str, parents: Sequence[str], objects: Sequence[NewObject]
) -> str:
    """Writes the objects, the commit among them, and the rows that say that the repository has them."""
    author, email = commit_identity(draft.principal)
    commit = make_commit(CommitText(tree, tuple(parents), author, email, draft.at, draft.text))
    objects_write([*objects, commit])
    objects_hold(repository, [commit.oid, *(item.oid for item in objects)])
    commit_row_create(repository, commit.oid, draft.principal.user_id)
    Repository.objects.filter(pk=repository.pk).update(updated_at=draft.at)
    repository.updated_at = draft.at
    return commit.oid


def commit_identity(principal: Principal) -> tuple[str, str]:
    """Returns the name and e-mail address that git objects carry: never a person's real address."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return principal.username, f"{principal.username}@users.noreply.{host}"


def commit_row_create(repository: Repository, oid: str, author_id: int | None) -> None:
    """Records that a stored commit belongs to the repository, one deeper than its deepest parent."""
    text = load_commit(oid)
    depths = RepositoryCommit.objects.filter(repository=repository, oid__in=text.parents).values_list(
        "depth", flat=True
    )
    row = RepositoryCommit(
        repository=repository,
        oid=oid,
        tree_oid=text.tree,
        parents=list(text.parents),
        depth=max(depths, default=0) + 1,
        author_id=author_id,
        author_name=text.author_name[:200],
        title=text.title[:MAX_TITLE_LENGTH],
        message=text.body,
        committed_at=text.at,
    )
    RepositoryCommit.objects.bulk_create([row], ignore_conflicts=True)


def _reference_large_objects(repository: Repository, principal: Principal, prepared: PreparedOperations) -> None:
    """Marks the large objects as referenced here, which makes them this repository's own."""
    digests = sorted(prepared.claims)
    for batch in batches(digests):
        rows = LargeObject.objects.filter(sha256__in=batch).order_by("sha256")
        if connection.features.has_select_for_no_key_update:
            rows = rows.select_for_update(no_key=True)
        present = set(rows.values_list("sha256", flat=True))
        for sha256 in batch:
            if sha256 not in present:
                raise missing_object(prepared.claims[sha256], sha256)
        now = timezone.now()
        RepositoryObject.objects.bulk_create(
            [
                RepositoryObject(
                    repository=repository, large_object_id=sha256, uploaded_by_id=principal.user_id, referenced_at=now
                )
                for sha256 in batch
            ],
            ignore_conflicts=True,
        )
        RepositoryObject.objects.filter(
            repository=repository, large_object_id__in=batch, referenced_at__isnull=True
        ).update(referenced_at=now)
