"""Which licenses reach a repository through the models it derives from.

Edges are read level by level. A door that hands something out reads them anew, or knows by the epoch of lineage that
they stand. For lists they are kept for a minute under the repository's head commit: a commit shows at once, the change
of an ancestor's license within the minute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import F

from registry.catalogue.models import LineageEdge
from registry.repositories.models import Repository

MAX_DEPTH = 50
LIFETIME_SECONDS = 60
# Relation of an edge -> relation in the license vocabulary. What a model was trained on does not reach it by license.
_RELATIONS: Mapping[str, str] = {
    "finetune": "base",
    "adapter": "adapter-base",
    "merge": "merge-parent",
    "quantized": "quantized-from",
    "distilled": "distillation-teacher",
}
_COLUMNS = ("repository_id", "relation", "base_id", "base_name", "base_type")
_TEACHER = "distillation-teacher"
_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}


@dataclass(frozen=True, slots=True)
class AncestorRow:
    """An ancestor before its license's terms are looked up; `license_id` is empty where it is not known here."""

    relation: str
    name: str
    page: str
    license_id: str


def ancestors_of(repositories: Collection[Repository]) -> dict[int, tuple[AncestorRow, ...]]:
    """Returns the ancestors of each repository, nearest first (no query while they are remembered)."""
    keys = {repository.pk: _key(repository) for repository in repositories}
    known = cache.get_many(list(keys.values()))
    missing = [pk for pk, key in keys.items() if key not in known]
    if missing:
        found = _walk(missing)
        cache.set_many({keys[pk]: found[pk] for pk in missing}, LIFETIME_SECONDS)
        known.update({keys[pk]: found[pk] for pk in missing})
    return {pk: known[key] for pk, key in keys.items()}


def ancestors_walk(repositories: Collection[Repository]) -> dict[int, tuple[AncestorRow, ...]]:
    """Returns the same, read now: for who remembers it under the epoch of lineage."""
    return _walk(repository.pk for repository in repositories)


def _key(repository: Repository) -> str:
    profile = getattr(repository, "profile", None)
    return f"gate:lineage:{repository.pk}:{profile.head_oid if profile is not None else ''}"


def _walk(roots: Iterable[int]) -> dict[int, tuple[AncestorRow, ...]]:
    """Walks up from all roots at once, one query a level; a cycle ends where it closes."""
    found: dict[int, list[AncestorRow]] = {root: [] for root in roots}
    seen = {(root, root) for root in found}
    frontier: dict[int, set[tuple[int, bool]]] = {root: {(root, False)} for root in found}
    for _ in range(MAX_DEPTH):
        above: dict[int, set[tuple[int, bool]]] = {}
        for edge in _edges(frontier):
            for root, taught in frontier[edge["repository_id"]]:
                through_teacher = taught or edge["relation"] == "distilled"
                found[root].append(_row(edge, through_teacher=through_teacher))
                base = edge["base_id"]
                if base is not None and (root, base) not in seen:
                    seen.add((root, base))
                    above.setdefault(base, set()).add((root, through_teacher))
        if not above:
            break
        frontier = above
    return {root: tuple(dict.fromkeys(rows)) for root, rows in found.items()}


def _edges(repository_ids: Iterable[int]) -> Iterable[Mapping[str, Any]]:
    rows: Iterable[Mapping[str, Any]] = (
        LineageEdge.objects.filter(repository_id__in=list(repository_ids), relation__in=list(_RELATIONS))
        .order_by("id")
        .values(*_COLUMNS, base_full_name=F("base__full_name"), license_id=F("base__profile__license_id"))
    )
    return rows


def _row(edge: Mapping[str, Any], *, through_teacher: bool) -> AncestorRow:
    """What stands above a distillation reaches the student only as the teacher does."""
    relation = _TEACHER if through_teacher else _RELATIONS[str(edge["relation"])]
    name = str(edge["base_full_name"] or edge["base_name"])
    page = f"/{_PREFIX[str(edge['base_type'])]}{name}" if edge["base_id"] is not None else ""
    return AncestorRow(relation, name, page, str(edge["license_id"] or ""))
