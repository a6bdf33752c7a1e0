"""The frame around every page of one repository: who it is, what the viewer may do, which tab is open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import prefetch_related_objects

from registry.catalogue.models import RepositoryProfile
from registry.http import PrincipalRequest
from registry.repositories import selectors
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.models import Repository
from registry.repositories.permissions import Need
from registry.web.common import page_url

PLURALS = {"model": "models", "dataset": "datasets", "space": "models"}


@dataclass
class RepositoryPage:
    """A repository as its pages need it."""

    request: PrincipalRequest
    repository: Repository
    tab: str

    @property
    def url(self) -> str:
        """Address of the repository's first page."""
        return page_url(self.repository.type, self.repository.full_name)

    @property
    def section(self) -> str:
        """Which entry of the main navigation is current."""
        return PLURALS[self.repository.type]

    @property
    def profile(self) -> RepositoryProfile | None:
        """Card and derived facts; None where a repository has none yet."""
        return getattr(self.repository, "profile", None)

    @cached_property
    def may_write(self) -> bool:
        """True if the viewer may commit."""
        return selectors.may(self.request.principal, self.repository, "write")

    @cached_property
    def may_admin(self) -> bool:
        """True if the viewer may change settings."""
        return selectors.may(self.request.principal, self.repository, "admin")

    @cached_property
    def head(self) -> str | None:
        """Commit at the head of `main`; None while there is none."""
        if self.profile is not None and self.profile.head_oid:
            return self.profile.head_oid
        try:
            return selectors.revision_resolve(self.repository)
        except RevisionNotFoundError:
            return None

    def context(self, **extra: object) -> dict[str, object]:
        """Returns the template context of a page of this repository."""
        return {"page": self, "repository": self.repository, "profile": self.profile, "section": self.section, **extra}


def open_page(  # noqa: PLR0913 (an address has four parts)
    request: PrincipalRequest,
    type: str,  # noqa: A002 (the domain's word)
    owner: str,
    name: str,
    *,
    tab: str,
    need: Need = "read",
) -> RepositoryPage:
    """Finds the repository for the viewer and frames it.

    Raises:
        NotFoundError: it does not exist, or the viewer may not know of it.
        DeniedError: the viewer sees it but may not do what the page is for.
    """
    repository = selectors.repository_get(request.principal, type, f"{owner}/{name}", need=need)
    if hasattr(repository, "profile"):
        prefetch_related_objects([repository.profile], "license")
    return RepositoryPage(request, repository, tab)
