"""Writes of repositories: create, change, delete, and what an upload attaches. Refs live in `references`."""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from registry.accounts.models import Namespace
from registry.accounts.permissions import token_allows
from registry.accounts.principal import Principal
from registry.accounts.selectors import namespace_get
from registry.audit.services import audit_record
from registry.errors import AuthenticationError, DeniedError, InvalidError
from registry.repositories.commits import AddFile, commit_initial
from registry.repositories.errors import (
    ObjectMissingError,
    RepositoryExistsError,
    RepositoryInUseError,
    RepositoryNotFoundError,
)
from registry.repositories.gitattributes import default_gitattributes
from registry.repositories.models import Gating, Repository, RepositoryObject, RepositoryType, Visibility
from registry.repositories.names import RepoId, check_repository_name
from registry.repositories.permissions import require
from registry.repositories.references import branch_create, branch_delete, tag_create, tag_delete
from registry.repositories.selectors import repository_find
from registry.storage.models import LargeObject

__all__ = [
    "branch_create",
    "branch_delete",
    "check_may_create",
    "large_object_attach",
    "repository_create",
    "repository_delete",
    "repository_update",
    "tag_create",
    "tag_delete",
]

_MAY_CREATE = frozenset({"owner", "admin", "write", "contributor"})


def repository_create(
    *,
    principal: Principal,
    type: str,  # noqa: A002 (the domain's word)
    namespace: str | None,
    name: str,
    private: bool | None = None,
    files: tuple[AddFile, ...] = (),
) -> Repository:
    """Creates a repository whose `main` holds one `initial commit` with `.gitattributes` (hub-api 2.1).

    Args:
        principal: who creates it.
        type: `model`, `dataset` or `space`.
        namespace: a user's or an organization's name; the caller's own if None.
        name: the part after the slash.
        private: None takes the organization's default; a person's default is public.
        files: further files of the initial commit (a space's `README.md`).

    Raises:
        AuthenticationError: nobody is signed in.
        InvalidError: the type or the name is not acceptable.
        DeniedError: the caller may not create in that namespace; asked before existence is told.
        RepositoryExistsError: it exists; details carry its `url`.
    """
    if not principal.is_authenticated:
        raise AuthenticationError("sign in first: send a token in the Authorization header")
    if type not in RepositoryType.values:
        raise InvalidError(
            f"`{type}` is no repository type: use one of {', '.join(RepositoryType.values)}", field="type"
        )
    check_repository_name(name)
    owner = namespace_get(namespace or principal.username)
    repository_id = RepoId(type, owner.name, name)
    check_may_create(principal, owner, repository_id)
    there = repository_find(repository_id)
    if there is not None:
        raise _exists(there)
    attributes = AddFile(".gitattributes", default_gitattributes(type))
    try:
        with transaction.atomic():
            repository = Repository.objects.create(
                namespace=owner,
                type=type,
                name=name,
                full_name=repository_id.full_name,
                visibility=Visibility.PRIVATE if _is_private(owner, private) else Visibility.PUBLIC,
                created_by_id=principal.user_id,
            )
            commit_initial(principal=principal, repository=repository, files=(attributes, *files))
    except IntegrityError:
        rival = repository_find(repository_id)  # somebody else was quicker by a moment
        if rival is None:
            raise
        raise _exists(rival) from None
    return repository


def check_may_create(principal: Principal, owner: Namespace, repository_id: RepoId) -> None:
    """Lets the caller create this repository in this namespace, or raises.

    Raises:
        DeniedError: role or token do not suffice; the message says which.
    """
    """Passes if the caller may create this repository, whether or not it exists.

    Raises:
        DeniedError: the role in the namespace or the token does not suffice.
    """
    role_ok = principal.role_in(owner.pk) in _MAY_CREATE
    token_ok = token_allows(principal, type=repository_id.type, full_name=repository_id.full_name, permission="write")
    if not role_ok:
        raise DeniedError(
            f'You don\'t have the rights to create a {repository_id.type} under the namespace "{owner.name}"',
            namespace=owner.name,
        )
    if not token_ok:
        raise DeniedError(f"this token may not create `{repository_id.full_name}`: use one with write access")


def _is_private(owner: Namespace, private: bool | None) -> bool:  # noqa: FBT001 (three values: yes, no, default)
    if private is not None:
        return private
    return owner.organization is not None and owner.organization.default_private


def _exists(repository: Repository) -> RepositoryExistsError:
    repository_id = repository_id_of(repository)
    return RepositoryExistsError(
        f"You already created this {repository.type} repo: {repository.full_name}",
        url=f"{settings.PUBLIC_URL}/{repository_id.path}",
        id=repository.full_name,
    )


def repository_id_of(repository: Repository) -> RepoId:
    """Returns a repository's address in canonical case."""
    namespace, _, name = repository.full_name.partition("/")
    return RepoId(repository.type, namespace, name)


def repository_update(
    *,
    principal: Principal,
    repository: Repository,
    visibility: str | None = None,
    gated: str | None = None,
) -> Repository:
    """Changes visibility or gating, at once for the next reader (hub-api 2.4).

    Args:
        principal: an owner or admin.
        repository: what to change.
        visibility: `public` or `private`; None leaves it.
        gated: empty, `auto` or `manual`; None leaves it.

    Raises:
        AuthenticationError, DeniedError: the caller is no admin of the repository.
        InvalidError: a value is unknown.
    """
    require(principal, repository, "admin")
    if visibility is not None and visibility not in Visibility.values:
        raise InvalidError(f"`{visibility}` is no visibility: use `public` or `private`", field="visibility")
    if gated is not None and gated not in Gating.values:
        raise InvalidError(f"`{gated}` is no gating: use `auto`, `manual` or false", field="gated")
    changes = {key: value for key, value in (("visibility", visibility), ("gated", gated)) if value is not None}
    if not changes:
        return repository
    with transaction.atomic():
        if not Repository.objects.filter(pk=repository.pk).update(**changes):
            raise RepositoryNotFoundError(f"there is no {repository.type} `{repository.full_name}`")
        target = f"{repository.type}:{repository.full_name}"
        audit_record(action="repository.update", target=target, principal=principal, details=changes)
    for key, value in changes.items():
        setattr(repository, key, value)
    return repository


def repository_delete(*, principal: Principal, repository: Repository) -> None:
    """Deletes the repository and what belongs to it alone. Objects lose a holder; the sweep takes what nobody holds.

    Raises:
        AuthenticationError, DeniedError: the caller is no admin of the repository.
        RepositoryNotFoundError: somebody else deleted it first.
        RepositoryInUseError: a customer holds an entitlement to it.
    """
    require(principal, repository, "admin")
    with transaction.atomic():
        row = Repository.objects.select_for_update().filter(pk=repository.pk).first()
        if row is None:
            raise RepositoryNotFoundError(f"there is no {repository.type} `{repository.full_name}`")
        target = f"{row.type}:{row.full_name}"
        details = {"type": row.type, "name": row.full_name}
        try:
            row.delete()
        except ProtectedError as error:
            kinds = sorted({str(item._meta.verbose_name_plural) for item in error.protected_objects})  # noqa: SLF001 (Django documents Model._meta)
            raise RepositoryInUseError(
                f"`{row.full_name}` cannot be deleted: {' and '.join(kinds)} depend on it; make it private instead"
            ) from error
        audit_record(action="repository.delete", target=target, principal=principal, details=details)


def large_object_attach(*, repository_id: int, sha256: str, user_id: int | None) -> RepositoryObject:
    """Records that an object was uploaded to a repository; it stays invisible until a commit refers to it.

    The caller has received all bytes: knowing a digest gives no right to the object. Sending it once more renews the
    time for which the sweep spares it.

    Raises:
        RepositoryNotFoundError: the repository was deleted meanwhile.
        ObjectMissingError: no such object is stored.
    """
    with transaction.atomic():
        if not Repository.objects.filter(pk=repository_id).exists():
            raise RepositoryNotFoundError("the repository was deleted while the upload ran")
        rows = LargeObject.objects.filter(sha256=sha256)
        if connection.features.has_select_for_no_key_update:
            rows = rows.select_for_update(no_key=True)  # the sweep must not take it before it has a holder
        if not rows.exists():
            raise ObjectMissingError(f"the object {sha256} is not stored; upload it again", sha256=sha256)
        held, _ = RepositoryObject.objects.update_or_create(
            repository_id=repository_id,
            large_object_id=sha256,
            defaults={"created_at": timezone.now()},
            create_defaults={"uploaded_by_id": user_id},
        )
    return held
