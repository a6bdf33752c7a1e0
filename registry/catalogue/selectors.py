"""Reading the catalogue: search, facets, tags, license facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from registry.accounts.principal import Principal
from registry.catalogue.facets import FacetValue, facets_of, tags_by_type
from registry.catalogue.licensing_facts import RepositoryLicenseFacts, licensing_facts
from registry.catalogue.search import Criteria, Page, parse_parameters, parse_sort, search_page
from registry.errors import InvalidError

__all__ = [
    "Criteria",
    "FacetValue",
    "Filters",
    "Page",
    "RepositoryLicenseFacts",
    "facets",
    "licensing_facts",
    "parse_parameters",
    "parse_sort",
    "repository_search",
    "tags_by_type",
]


class Filters(TypedDict, total=False):
    """What a list can be narrowed by; `search` is one substring or several, `parameters` reads `min:6B,max:128B`."""

    search: str | Sequence[str]
    author: str
    filters: Sequence[str]
    pipeline_tag: str
    library: str
    license: str
    license_category: str
    gated: bool | None
    parameters: str | None


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list | tuple) else ()


def _criteria(type: str, filters: Filters) -> Criteria:  # noqa: A002 (the domain's word)
    given: dict[str, Any] = dict(filters)
    search = given.pop("search", ())
    if any("\0" in text for value in [search, *given.values()] for text in _texts(value)):
        raise InvalidError("a search cannot hold the character NUL", field="search")
    return Criteria(
        type=type,
        search=(search,) if isinstance(search, str) else tuple(search),
        filters=tuple(given.pop("filters", ())),
        parameters=parse_parameters(given.pop("parameters", None)),
        **given,
    )


def repository_search(
    principal: Principal,
    *,
    type: str,  # noqa: A002 (the domain's word)
    sort: str | None = "trending",
    cursor: str | None = None,
    limit: int = 30,
    **filters: Unpack[Filters],
) -> Page:
    """Returns a page of the repositories that meet every criterion and that the caller may see (hub-api 1.8).

    `sort` is in our words or a hub client's. Items have namespace, profile (with license) and counters selected.

    Raises:
        InvalidError: a sort order, range or cursor is not understood.
    """
    return search_page(principal, _criteria(type, filters), sort=parse_sort(sort), cursor=cursor, limit=limit)


def facets(principal: Principal, type: str, **filters: Unpack[Filters]) -> dict[str, list[FacetValue]]:  # noqa: A002 (the domain's word)
    """Returns the values by which the same search can be narrowed further, with counts, most frequent first.

    Keys: `task`, `library`, `language`, `format`, `license_category`, `gated`, `owner`.

    Raises:
        InvalidError: a range is not understood.
    """
    return facets_of(principal, _criteria(type, filters))
