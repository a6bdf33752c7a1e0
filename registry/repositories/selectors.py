"""Reading repositories: by name with permission, those visible, their refs, revisions and history."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from registry.accounts.principal import Principal
from registry.repositories.errors import RepositoryDisabledError, RepositoryNotFoundError
from registry.repositories.history import CommitInfo, CommitPage, commit_get, commits, last_commits
from registry.repositories.models import Repository, RepositoryObject, Visibility
from registry.repositories.names import RepoId, parse_repository_id
from registry.repositories.permissions import Need, may, require, visible_condition
from registry.repositories.revisions import Reference, Refs, branch_ref, refs, revision_resolve

__all__ = [
    "CommitInfo",
    "CommitPage",
    "Reference",
    "Refs",
    "branch_ref",
    "claimable_repositories",
    "commit_get",
    "commits",
    "large_object_held",
    "last_commits",
    "may",
    "refs",
    "repository_find",
    "repository_get",
    "revision_resolve",
    "visible_repositories",
]


def repository_find(repository_id: RepoId) -> Repository | None:
    """Returns the repository of that name in any case, with namespace, profile and counters; asks no permission."""
    return (
        Repository.objects.select_related("namespace", "profile", "counters")
        .alias(name_key=Lower("full_name"))
        .filter(type=repository_id.type, name_key=repository_id.full_name.lower())
        .first()
    )


def repository_get(principal: Principal, type: str, full_name: str, *, need: Need = "read") -> Repository:  # noqa: A002 (the domain's word)
    """Returns a repository that the caller may use in this way (one query).

    Raises:
        RepositoryNotFoundError: it is missing, or the caller may not know of it.
        RepositoryDisabledError: an operator disabled it.
        AuthenticationError: nobody is signed in, and more than reading is needed.
        DeniedError: it is visible, but role or token do not suffice.
    """
    repository_id = parse_repository_id(type, full_name)
    repository = repository_find(repository_id)
    if repository is None or not may(principal, repository, "read"):
        raise RepositoryNotFoundError(f"there is no {type} `{repository_id.full_name}`")
    if repository.disabled:
        raise RepositoryDisabledError
    require(principal, repository, need)
    return repository


def visible_repositories(principal: Principal, type: str | None = None) -> QuerySet[Repository]:  # noqa: A002 (the domain's word)
    """Returns the repositories that lists may show to the caller."""
    rows = Repository.objects.filter(visible_condition(principal))
    return rows if type is None else rows.filter(type=type)


def large_object_held(repository: Repository, sha256: str) -> bool:
    """True if the repository may hand out this object: it was uploaded to it or committed in it."""
    return RepositoryObject.objects.filter(repository=repository, large_object_id=sha256).exists()


def claimable_repositories(principal: Principal) -> QuerySet[Repository]:
    """Returns the repositories whose large objects the caller may copy by digest alone (hub-api 2.7).

    Those in which they are a member, and public ones that ask for nothing. Being visible is not enough: the digests of
    a gated repository are public, and naming one must not be a way round the license gate.
    """
    member = Q(namespace_id__in=[principal.namespace_id, *principal.memberships])
    open_to_all = Q(gated="", visibility=Visibility.PUBLIC, offers__isnull=True)
    return visible_repositories(principal).filter(member | open_to_all, disabled=False)
