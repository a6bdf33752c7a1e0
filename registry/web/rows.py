"""Rows of lists: a repository with its license and the viewer's own verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import prefetch_related_objects

from registry.access.services import preview
from registry.accounts.principal import Principal
from registry.catalogue.models import RepositoryCounters, RepositoryProfile
from registry.repositories.models import Repository
from registry.web.weighing import Weighing


@dataclass(frozen=True, slots=True)
class Row:
    """One repository of a list."""

    repository: Repository
    weighing: Weighing
    own: bool

    @property
    def profile(self) -> RepositoryProfile | None:
        """Card and derived facts, if there are any."""
        return getattr(self.repository, "profile", None)

    @property
    def counters(self) -> RepositoryCounters | None:
        """Downloads and likes, if any were counted."""
        return getattr(self.repository, "counters", None)


def rows_of(principal: Principal, repositories: Iterable[Repository], purpose: str) -> list[Row]:
    """Weighs repositories for the viewer: one question each, facts gathered together."""
    items: Sequence[Repository] = list(repositories)
    prefetch_related_objects([item.profile for item in items if hasattr(item, "profile")], "license")
    decisions = preview(principal, items, purpose)
    return [Row(item, Weighing(decisions[item.pk]), bool(principal.role_in(item.namespace_id))) for item in items]
