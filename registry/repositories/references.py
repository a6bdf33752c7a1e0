"""Writes of branches and tags (hub-api 5.1, 5.2)."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from dulwich.refs import Ref as DulwichRef
from dulwich.refs import check_ref_format

from registry.accounts.principal import Principal
from registry.errors import BadRequestError, DeniedError
from registry.repositories.commits import commit_identity, commit_orphan
from registry.repositories.errors import ReferenceExistsError
from registry.repositories.gitobjects import make_tag
from registry.repositories.models import Ref, Repository
from registry.repositories.objects import objects_hold, objects_write
from registry.repositories.permissions import require
from registry.repositories.revisions import (
    DEFAULT_BRANCH,
    HEADS,
    TAGS,
    check_revision,
    revision_missing,
    revision_resolve,
)

_MAX_REF_LENGTH = 255


def _check_name(prefix: str, name: str, kind: str) -> str:
    full = prefix + name
    valid = not name.startswith(("refs/", "-")) and "\0" not in name and name.isprintable()
    if not valid or len(full) > _MAX_REF_LENGTH or not check_ref_format(DulwichRef(full.encode("utf-8", "replace"))):
        raise BadRequestError(f"Invalid reference for a {kind}: `{name[:200]}`", field=kind)
    return full


def branch_create(  # noqa: PLR0913 (one keyword for each part of the request)
    *,
    principal: Principal,
    repository: Repository,
    branch: str,
    starting_point: str | None = None,
    empty: bool = False,
    overwrite: bool = False,
) -> Ref:
    """Creates a branch at a revision, or with one empty commit.

    Raises:
        AuthenticationError, DeniedError: the caller may not write here.
        BadRequestError: git allows no such name, or it starts with `refs/`.
        ReferenceExistsError: the branch exists and `overwrite` is not asked; a tag of that name does not matter.
        RevisionNotFoundError: the starting point does not exist.
    """
    require(principal, repository, "write")
    name = _check_name(HEADS, branch, "branch")
    with transaction.atomic():
        _lock_repository(repository)
        there = Ref.objects.select_for_update().filter(repository=repository, name=name).first()
        if there is not None and not overwrite:
            raise ReferenceExistsError(f"Reference {name} already exists", ref=name)
        if empty:
            oid = commit_orphan(principal=principal, repository=repository, title="initial commit")
        else:
            oid = revision_resolve(repository, starting_point)
        ref, _ = Ref.objects.update_or_create(
            repository=repository, name=name, defaults={"oid": oid, "commit_oid": oid}
        )
    return ref


def branch_delete(*, principal: Principal, repository: Repository, branch: str) -> None:
    """Deletes a branch; its commits stay reachable by sha.

    Raises:
        AuthenticationError, DeniedError: the caller may not write here, or the branch is `main`.
        RevisionNotFoundError: there is no such branch; a tag of that name does not count.
    """
    require(principal, repository, "write")
    if branch in {DEFAULT_BRANCH, HEADS + DEFAULT_BRANCH}:
        raise DeniedError(f"Cannot delete {HEADS}{DEFAULT_BRANCH}", ref=HEADS + DEFAULT_BRANCH)
    name = check_revision(branch) if branch.startswith(HEADS) else HEADS + check_revision(branch)
    if not Ref.objects.filter(repository=repository, name=name).delete()[0]:
        raise revision_missing(branch)


def tag_create(
    *, principal: Principal, repository: Repository, tag: str, revision: str | None = None, message: str = ""
) -> Ref:
    """Creates a tag on a revision, annotated if there is a message.

    Raises:
        AuthenticationError, DeniedError: the caller may not write here.
        RevisionNotFoundError: the revision does not exist (checked before the name, hub-api 5.2).
        BadRequestError: git allows no such name.
        ReferenceExistsError: the tag exists.
    """
    require(principal, repository, "write")
    commit = revision_resolve(repository, revision)
    name = _check_name(TAGS, tag, "tag")
    with transaction.atomic():
        _lock_repository(repository)
        if Ref.objects.filter(repository=repository, name=name).exists():
            raise ReferenceExistsError(f"Reference {name} already exists", ref=name)
        oid = commit
        if message.strip():
            author, email = commit_identity(principal)
            target = make_tag(
                name=tag,
                target=commit,
                tagger=author,
                email=email,
                at=timezone.now(),
                message=message.replace("\0", ""),
            )
            objects_write([target])
            objects_hold(repository, [target.oid])
            oid = target.oid
        return Ref.objects.create(repository=repository, name=name, oid=oid, commit_oid=commit)


def tag_delete(*, principal: Principal, repository: Repository, tag: str) -> None:
    """Deletes a tag.

    Raises:
        AuthenticationError, DeniedError: the caller may not write here.
        RevisionNotFoundError: there is no such tag; a branch of that name does not count.
    """
    require(principal, repository, "write")
    name = check_revision(tag) if tag.startswith(TAGS) else TAGS + check_revision(tag)
    if not Ref.objects.filter(repository=repository, name=name).delete()[0]:
        raise revision_missing(tag)


def _lock_repository(repository: Repository) -> None:
    """Makes creations of refs in one repository queue, so that a duplicate is an answer and not a crash."""
    Repository.objects.select_for_update(no_key=True).filter(pk=repository.pk).first()
