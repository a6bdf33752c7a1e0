"""Lineage: what a repository derives from, as its card declares or a job recorded (design: licensing)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from registry.catalogue.models import LineageEdge, RepositoryProfile
from registry.catalogue.tags import texts
from registry.repositories.errors import RepositoryNotFoundError
from registry.repositories.models import Repository
from registry.repositories.names import parse_repository_id

# Longer chains than this do not occur; the bound keeps a hostile card from making the gate walk for ever.
MAX_DEPTH = 8
MAX_NODES = 200
_MAX_DECLARED = 100
_MODEL_RELATIONS = frozenset({"finetune", "adapter", "merge", "quantized", "distilled"})


@dataclass(frozen=True, slots=True)
class Edge:
    """One relation to be recorded; `base_commit` is empty where it is not known."""

    relation: str
    base_type: str
    base_name: str
    base_commit: str = ""


@dataclass(frozen=True, slots=True)
class LineageNode:
    """An ancestor: how it is reached, what it is called, and its license as it stands now.

    Attributes:
        repository: None if the ancestor is not on this hub.
        relation: of the edge that leads to it.
        name, type: as declared.
        commit: empty where it is not known.
        license_id: None if it states none that the catalogue knows, or is not here.
        license_status: empty if the ancestor is not here.
        depth: 1 for a direct base.
        source: `declared` or `confirmed`.
        child: name of the repository that the edge starts from.
    """

    repository: Repository | None
    relation: str
    name: str
    type: str
    commit: str
    license_id: str | None
    license_status: str
    depth: int
    source: str
    child: str


def declared_edges(
    card: Mapping[str, Any], repository_type: str, *, is_adapter: bool, is_quantized: bool
) -> list[Edge]:
    """Returns the edges that a card states. Pure.

    Without `base_model_relation`, several bases are a merge, an adapter's configuration means adapter, a quantization
    means quantized, and else the model is a finetune (Hugging Face's own rules).
    """
    bases = texts(card.get("base_model"))[:_MAX_DECLARED] if repository_type == "model" else []
    stated = card.get("base_model_relation")
    if isinstance(stated, str) and stated in _MODEL_RELATIONS:
        relation = stated
    elif len(bases) > 1:
        relation = "merge"
    elif is_adapter:
        relation = "adapter"
    else:
        relation = "quantized" if is_quantized else "finetune"
    key = "source_datasets" if repository_type == "dataset" else "datasets"
    datasets = [name for name in texts(card.get(key))[:_MAX_DECLARED] if repository_type != "dataset" or "/" in name]
    edges = [Edge(relation, "model", name[:220]) for name in bases]
    edges += [Edge("dataset", "dataset", name[:220]) for name in datasets]
    return list(dict.fromkeys(edges))


def edges_set(*, repository: Repository, edges: Iterable[Edge], source: str = "declared") -> None:
    """Records edges. Declared ones replace the declared ones before; confirmed ones add to or upgrade what is there.

    A confirmed edge stays when a later card no longer declares it: what a job did remains true.
    """
    wanted = {(edge.base_type, edge.base_name, edge.relation): edge for edge in edges}
    bases = _find_bases(wanted.values())
    with transaction.atomic():
        there = {
            (row.base_type, row.base_name, row.relation): row
            for row in LineageEdge.objects.select_for_update().filter(repository=repository)
        }
        if source == LineageEdge.Source.DECLARED:
            gone = [
                row.pk for key, row in there.items() if key not in wanted and row.source == LineageEdge.Source.DECLARED
            ]
            LineageEdge.objects.filter(pk__in=gone).delete()
        for key, edge in wanted.items():
            _edge_write(repository, edge, bases.get((edge.base_type, edge.base_name.lower())), there.get(key), source)


def _edge_write(repository: Repository, edge: Edge, base: int | None, there: LineageEdge | None, source: str) -> None:
    if there is None:
        LineageEdge.objects.create(
            repository=repository,
            base_id=base,
            base_name=edge.base_name,
            base_type=edge.base_type,
            base_commit=edge.base_commit,
            relation=edge.relation,
            source=source,
        )
        return
    confirms = source == LineageEdge.Source.CONFIRMED
    values = {
        "base_id": base,
        "source": source if confirms else there.source,
        "base_commit": edge.base_commit if confirms else there.base_commit,
    }
    if any(getattr(there, name) != value for name, value in values.items()):
        LineageEdge.objects.filter(pk=there.pk).update(**values)


def _find_bases(edges: Iterable[Edge]) -> dict[tuple[str, str], int]:
    """Returns the repositories on this hub by type and lower-case name (one query)."""
    condition = Q(pk__in=[])
    for edge in edges:
        try:
            wanted = parse_repository_id(edge.base_type, edge.base_name)
        except RepositoryNotFoundError:
            continue
        condition |= Q(type=wanted.type, name_key=wanted.full_name.lower())
    rows = Repository.objects.alias(name_key=Lower("full_name")).filter(condition)
    return {(row["type"], row["full_name"].lower()): row["pk"] for row in rows.values("type", "full_name", "pk")}


def edges_resolve(repository: Repository) -> None:
    """Lets edges that named this repository before it was here point at it."""
    LineageEdge.objects.alias(name_key=Lower("base_name")).filter(
        base__isnull=True, base_type=repository.type, name_key=repository.full_name.lower()
    ).exclude(repository=repository).update(base=repository)


def ancestors(repository: Repository) -> list[LineageNode]:
    """Returns all ancestors, nearest first, each edge once (one query for each generation).

    A repository that is reached twice appears once for each edge; cycles end where they close.
    """
    found: list[LineageNode] = []
    seen = {repository.pk}
    level = {repository.pk: repository.full_name}
    for depth in range(1, MAX_DEPTH + 1):
        if not level or len(found) >= MAX_NODES:
            break
        rows = (
            LineageEdge.objects.filter(repository__in=level)
            .select_related("base__profile", "base__namespace")
            .order_by("repository_id", "relation", "base_name")
        )
        names, level = level, {}
        for row in rows[: MAX_NODES - len(found)]:
            found.append(_node(row, depth, names[row.repository_id]))
            if row.base is not None and row.base.pk not in seen:
                seen.add(row.base.pk)
                level[row.base.pk] = row.base.full_name
    return found


def _node(row: LineageEdge, depth: int, child: str) -> LineageNode:
    profile: RepositoryProfile | None = getattr(row.base, "profile", None) if row.base is not None else None
    return LineageNode(
        repository=row.base,
        relation=row.relation,
        name=row.base.full_name if row.base is not None else row.base_name,
        type=row.base_type,
        commit=row.base_commit,
        license_id=profile.license_id if profile is not None else None,
        license_status=profile.license_status if profile is not None else "",
        depth=depth,
        source=row.source,
        child=child,
    )


def descendants(repository: Repository) -> list[LineageEdge]:
    """Returns the edges that lead to this repository, with the deriving repository; newest first."""
    rows = LineageEdge.objects.filter(base=repository).select_related("repository__namespace", "repository__profile")
    return list(rows.order_by("-pk")[:MAX_NODES])
