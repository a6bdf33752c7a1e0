"""License facts of a repository for the gate: what it declares, and what its ancestors state."""

from __future__ import annotations

from dataclasses import dataclass

from registry.catalogue.lineage import ancestors
from registry.catalogue.models import LicenseStatus, RepositoryProfile
from registry.repositories.models import Repository


@dataclass(frozen=True, slots=True)
class RepositoryLicenseFacts:
    """What the gate needs to know.

    Attributes:
        declared: the card's own words; empty if it says nothing.
        license_id: the license of the catalogue that they name; also set for a family of several texts.
        status: `stated`, `unstated`, `unknown` or `ambiguous`.
        ancestors: (relation, license id or None, name) of every ancestor, nearest first.
    """

    declared: str
    license_id: str | None
    status: str
    ancestors: list[tuple[str, str | None, str]]


def licensing_facts(repository: Repository) -> RepositoryLicenseFacts:
    """Gathers the facts: no query for the repository itself if its profile is selected, one for each generation."""
    profile: RepositoryProfile | None = getattr(repository, "profile", None)
    return RepositoryLicenseFacts(
        declared=profile.license_declared if profile is not None else "",
        license_id=profile.license_id if profile is not None else None,
        status=profile.license_status if profile is not None else LicenseStatus.UNSTATED,
        ancestors=[(node.relation, node.license_id, node.name) for node in ancestors(repository)],
    )
