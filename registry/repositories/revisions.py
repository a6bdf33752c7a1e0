"""Revisions: what a branch, tag, sha or ref means in one repository (hub-api 0.1, 1.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.gitobjects import is_oid
from registry.repositories.models import Ref, Repository, RepositoryCommit

DEFAULT_BRANCH = "main"
HEADS, TAGS, CONVERTS, PULLS = "refs/heads/", "refs/tags/", "refs/convert/", "refs/pr/"
MIN_SHORT_SHA = 7
_SHORT_SHA = re.compile(r"[0-9a-f]{7,39}")
_MAX_REVISION_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A ref as lists show it: short name, full name, and the commit that it leads to."""

    name: str
    ref: str
    target_commit: str


@dataclass(frozen=True, slots=True)
class Refs:
    """All refs of a repository, by kind; each list is in name order."""

    branches: list[Reference]
    tags: list[Reference]
    converts: list[Reference]
    pull_requests: list[Reference]


def revision_missing(revision: str) -> RevisionNotFoundError:
    """Returns the error for a revision that does not exist, in the words that clients know (hub-api 5.1)."""
    return RevisionNotFoundError(f"Invalid rev id: {revision[:200]}", revision=revision[:200])


def branch_ref(branch: str) -> str:
    """Returns the full ref name that a commit to `branch` moves: a branch, or what already starts with `refs/`."""
    return branch if branch.startswith("refs/") else HEADS + branch


def check_revision(text: str) -> str:
    """Returns text that may name a ref.

    Raises:
        RevisionNotFoundError: it is empty, too long or holds NUL, so no revision can be called that.
    """
    if not 0 < len(text) <= _MAX_REVISION_LENGTH or "\0" in text:
        raise revision_missing(text)
    return text


def revision_resolve(repository: Repository, revision: str | None = None) -> str:
    """Returns the commit id that a revision means here; `main` if none is given (one query, two for short ids).

    A full sha must be a commit of *this* repository. Where a branch and a tag share a name, the branch wins.

    Raises:
        RevisionNotFoundError: there is no such revision, or an abbreviated sha fits several commits.
    """
    text = check_revision(DEFAULT_BRANCH if revision is None else revision)
    if is_oid(text.lower()) and _commit_exists(repository, text.lower()):
        return text.lower()
    names = [text] if text.startswith("refs/") else [HEADS + text, TAGS + text]
    found = dict(Ref.objects.filter(repository=repository, name__in=names).values_list("name", "commit_oid"))
    for name in names:
        if name in found:
            return found[name]
    if _SHORT_SHA.fullmatch(text.lower()):
        return _resolve_short(repository, text.lower())
    raise revision_missing(text)


def _commit_exists(repository: Repository, oid: str) -> bool:
    return RepositoryCommit.objects.filter(repository=repository, oid=oid).exists()


def _resolve_short(repository: Repository, prefix: str) -> str:
    # A range instead of LIKE: every collation sorts hex digits alike, so the index serves both databases.
    rows = RepositoryCommit.objects.filter(repository=repository, oid__gte=prefix, oid__lt=f"{prefix}g")
    found = list(rows.values_list("oid", flat=True)[:2])
    if len(found) != 1:
        raise revision_missing(prefix)
    return found[0]


def refs(repository: Repository) -> Refs:
    """Returns all refs; annotated tags show the commit they lead to (hub-api 1.5)."""
    kinds: dict[str, list[Reference]] = {HEADS: [], TAGS: [], CONVERTS: [], PULLS: []}
    for name, commit in Ref.objects.filter(repository=repository).order_by("name").values_list("name", "commit_oid"):
        for prefix, references in kinds.items():
            if name.startswith(prefix):
                short = name if prefix == PULLS else name.removeprefix(prefix)
                references.append(Reference(short, name, commit))
    return Refs(kinds[HEADS], kinds[TAGS], kinds[CONVERTS], kinds[PULLS])
