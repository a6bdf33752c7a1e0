"""Facets: what a list can be narrowed by, with counts; and the tags of a type (hub-api 1.9)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.core.cache import cache
from django.db.models import Count, QuerySet

from registry.accounts.principal import ANONYMOUS, Principal
from registry.catalogue.models import RepositoryTag
from registry.catalogue.search import Criteria, matches, ordered_ids
from registry.repositories.models import Repository

_TOP = 30
_TOP_TAGS = 2000
_LIFETIME_SECONDS = 60
# Facets are counted over this many matches, the first in the usual order; beyond, counts are marked as capped.
MAX_COUNTED = 5_000


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value to narrow by; `capped` says that there are at least `count`."""

    value: str
    count: int
    capped: bool = False


_PREFIXES = {"task": "pipeline_tag:", "library": "library:", "language": "language:", "format": "format:"}


def facets_of(principal: Principal, criteria: Criteria) -> dict[str, list[FacetValue]]:
    """Returns, for each facet, its most frequent values among the repositories that meet the criteria.

    Keys: `task`, `library`, `language`, `format`, `license_category`, `gated`, `owner`. Kept for a minute for each
    question and each set of things a caller may see.
    """
    key = _cache_key(principal, criteria)
    kept: dict[str, list[FacetValue]] | None = cache.get(key)
    if kept is None:
        kept = _count(principal, criteria)
        cache.set(key, kept, _LIFETIME_SECONDS)
    return kept


def _cache_key(principal: Principal, criteria: Criteria) -> str:
    sight = (principal.namespace_id, sorted(principal.memberships), principal.token_id if principal.scopes else None)
    text = repr((sight if principal.is_authenticated else None, sorted(asdict(criteria).items())))
    return "facets:" + hashlib.sha256(text.encode()).hexdigest()


def _count(principal: Principal, criteria: Criteria) -> dict[str, list[FacetValue]]:
    ids = _first_ids(principal, criteria)
    capped = len(ids) > MAX_COUNTED
    ids = ids[:MAX_COUNTED]
    rows = Repository.objects.filter(pk__in=ids)
    tags = _tag_counts(ids)
    result = {
        name: [FacetValue(tag.removeprefix(prefix), number, capped) for tag, number in tags if tag.startswith(prefix)][
            :_TOP
        ]
        for name, prefix in _PREFIXES.items()
    }
    result["license_category"] = _values(rows, "profile__license__category", "unstated", capped=capped)
    result["gated"] = _values(rows, "gated", "open", capped=capped)
    result["owner"] = _values(rows, "namespace__name", "", capped=capped)
    return result


def _first_ids(principal: Principal, criteria: Criteria) -> list[int]:
    """Returns the first matches in the usual order, one more than are counted if there are more."""
    found = ordered_ids(matches(principal, criteria), criteria.type, "trending")
    return [pk for pk, _ in found[: MAX_COUNTED + 1]]


def _tag_counts(ids: list[int]) -> list[tuple[str, int]]:
    """Returns every tag of these repositories with its count, most frequent first.

    Read by repository: reading by tag would pass every row of common tags, whoever has them.
    """
    rows = RepositoryTag.objects.filter(repository__in=ids).order_by().values("tag").annotate(number=Count("pk"))
    return sorted(((row["tag"], row["number"]) for row in rows), key=lambda pair: (-pair[1], pair[0]))


def _values(rows: QuerySet[Repository], column: str, empty: str, *, capped: bool) -> list[FacetValue]:
    counted = rows.order_by().values(column).annotate(number=Count("pk")).order_by("-number", column)
    return [FacetValue(row[column] or empty, row["number"], capped) for row in counted[:_TOP]]


_KIND_OF_PREFIX = {
    "license": "license",
    "language": "language",
    "dataset": "dataset",
    "library": "library",
    "pipeline_tag": "pipeline_tag",
    "task_categories": "task_categories",
    "task_ids": "task_ids",
    "size_categories": "size_categories",
    "format": "format",
    "base_model": "base_model",
    "multilinguality": "multilinguality",
}


def tags_by_type(type: str) -> dict[str, list[dict[str, str]]]:  # noqa: A002 (the domain's word)
    """Returns tags by kind, most frequent first, as hub clients read them: `{kind: [{id, label, type}]}`.

    They are those of the public repositories that come first in the usual order, up to `MAX_COUNTED`.
    """
    key = f"tags-by-type:{type}"
    kept: dict[str, list[dict[str, str]]] | None = cache.get(key)
    if kept is None:
        ranked = [tag for tag, _ in _tag_counts(_first_ids(ANONYMOUS, Criteria(type)))][:_TOP_TAGS]
        kept = _by_kind(ranked)
        cache.set(key, kept, _LIFETIME_SECONDS)
    return kept


def _by_kind(tags: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    result: dict[str, list[dict[str, str]]] = {"pipeline_tag": [], "library": [], "license": [], "language": []}
    result |= {"dataset": [], "other": []}
    for tag in tags:
        prefix, colon, label = tag.partition(":")
        kind = _KIND_OF_PREFIX.get(prefix, "other") if colon else "other"
        # Clients filter by these ids, and know tasks, libraries and languages by their bare names.
        bare = kind in {"pipeline_tag", "library"}
        entry = {"id": label if bare else tag, "label": label if colon else tag, "type": kind}
        result.setdefault(kind, []).append(entry)
    return result
