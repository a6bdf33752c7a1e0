"""Search over repositories: filters, keyset pages that stay correct while rows change, only what the caller may see.

How it stays quick (serving, "A catalogue of a million repositories"): a page is read along the index of its sort order.
A criterion that few repositories meet (at most `SELECTIVE`) is looked up first, and the page is then sorted from those;
a criterion that many meet is checked row by row along the order, where the page fills soon.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from registry.accounts.models import Namespace
from registry.accounts.principal import Principal
from registry.catalogue.models import RepositoryProfile, RepositoryTag
from registry.errors import InvalidError
from registry.repositories.models import Repository
from registry.repositories.selectors import visible_repositories

Sort = Literal["trending", "downloads", "likes", "updated", "created", "parameters"]
SELECTIVE = 2000
MAX_LIMIT = 1000
_MIN_TRIGRAM = 3
_MAX_FILTERS = 50

# Names that hub clients send (hub-api 1.8) beside our own.
_SORT_NAMES: dict[str, Sort] = {
    "trendingscore": "trending",
    "lastmodified": "updated",
    "createdat": "created",
    "num_parameters": "parameters",
}
_SORT_COLUMN: dict[Sort, str] = {
    "trending": "counters__trending",
    "downloads": "counters__downloads",
    "likes": "counters__likes",
    "updated": "updated_at",
    "created": "created_at",
    "parameters": "profile__parameters",
}
_BOUNDS = re.compile(r"(min|max):([0-9]+(?:\.[0-9]+)?)([kmbt]?)", re.IGNORECASE)
_UNIT = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


@dataclass(frozen=True, slots=True)
class Page:
    """Repositories with namespace, profile and counters selected; `next_cursor` is None on the last page."""

    items: list[Repository]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a search asks for; everything given must hold.

    Attributes:
        type: `model`, `dataset` or `space`.
        search: substrings of name or description, without regard to case.
        author: a namespace, exactly but without regard to case.
        filters: tags, exactly.
        pipeline_tag, library: of the profile.
        license: an id of the catalogue, or what cards declare.
        license_category: `permissive`, `non-commercial`, …
        gated: True for gated ones, False for open ones.
        parameters: least and greatest number of parameters.
    """

    type: str
    search: Sequence[str] = ()
    author: str = ""
    filters: Sequence[str] = ()
    pipeline_tag: str = ""
    library: str = ""
    license: str = ""
    license_category: str = ""
    gated: bool | None = None
    parameters: tuple[int | None, int | None] = field(default=(None, None))

    @property
    def tags(self) -> list[str]:
        """All tags that a repository must have."""
        named = [f"pipeline_tag:{self.pipeline_tag}"] if self.pipeline_tag else []
        named += [f"library:{self.library}"] if self.library else []
        return list(dict.fromkeys([*self.filters, *named]))

    @property
    def is_empty(self) -> bool:
        """True if nothing but the type is asked for."""
        return self == Criteria(self.type)


def parse_parameters(text: str | None) -> tuple[int | None, int | None]:
    """Parses `min:6B,max:128B` (hub-api 1.8).

    Raises:
        InvalidError: it is anything else.
    """
    bounds: dict[str, int] = {}
    for part in (text or "").split(",") if text else ():
        match = _BOUNDS.fullmatch(part.strip())
        if match is None:
            raise InvalidError(
                f"`{(text or '')[:100]}` is no range of parameters: write `min:6B,max:128B`", field="num_parameters"
            )
        bounds[match[1].lower()] = min(int(float(match[2]) * _UNIT[match[3].lower()]), 2**63 - 1)
    return bounds.get("min"), bounds.get("max")


def parse_sort(text: str | None) -> Sort:
    """Returns the sort order of a client's word for it; `trending` if none is given.

    Raises:
        InvalidError: there is no such order.
    """
    word = (text or "trending").strip()
    name = _SORT_NAMES.get(word.lower(), word.lower())
    for sort in get_args(Sort):
        if sort == name:
            return sort  # type: ignore[no-any-return]
    raise InvalidError(
        f"`{word[:100]}` is no sort order: use lastModified, createdAt, downloads, likes or trendingScore", field="sort"
    )


def search_queryset(principal: Principal, criteria: Criteria) -> QuerySet[Repository]:
    """Returns the repositories that meet the criteria and that the caller may see, in no order."""
    rows = visible_repositories(principal, criteria.type)
    if criteria.author:
        rows = rows.filter(namespace__in=_namespaces(criteria.author))
    if criteria.gated is not None:
        rows = rows.exclude(gated="") if criteria.gated else rows.filter(gated="")
    rows = _filter_profile(rows, criteria)
    selective: set[int] | None = None
    for ids, condition in _lookups(criteria):
        if ids is None:
            rows = rows.filter(condition)
        else:
            selective = ids if selective is None else selective & ids
    return rows if selective is None else rows.filter(pk__in=selective)


def _namespaces(author: str) -> QuerySet[Namespace]:
    return Namespace.objects.alias(key=Lower("name")).filter(key=author.lower())


def _filter_profile(rows: QuerySet[Repository], criteria: Criteria) -> QuerySet[Repository]:
    least, greatest = criteria.parameters
    if least is not None:
        rows = rows.filter(profile__parameters__gte=least)
    if greatest is not None:
        rows = rows.filter(profile__parameters__lte=greatest)
    if criteria.license:
        declared = Exists(
            RepositoryTag.objects.filter(repository=OuterRef("pk"), tag=f"license:{criteria.license.lower()}")
        )
        rows = rows.filter(Q(profile__license_id=criteria.license) | Q(declared))
    if criteria.license_category == "unstated":
        rows = rows.filter(profile__license__isnull=True)
    elif criteria.license_category:
        rows = rows.filter(profile__license__category=criteria.license_category)
    return rows


def _lookups(criteria: Criteria) -> Iterable[tuple[set[int] | None, Q]]:
    """Yields, for each tag and substring, the repositories that have it if they are few, and the condition."""
    for tag in criteria.tags[:_MAX_FILTERS]:
        ids = RepositoryTag.objects.filter(tag=tag).values_list("repository_id", flat=True)
        has_tag = Exists(RepositoryTag.objects.filter(tag=tag, repository=OuterRef("pk")))
        yield _few(list(ids[: SELECTIVE + 1])), Q(has_tag)
    for text in [text.strip().lower() for text in criteria.search[:_MAX_FILTERS] if text.strip()]:
        yield _few(_matching(text)), Q(profile__search_text__contains=text)


def _few(ids: Sequence[int]) -> set[int] | None:
    return set(ids) if len(ids) <= SELECTIVE else None


def _matching(text: str) -> Sequence[int]:
    """Returns up to `SELECTIVE + 1` repositories whose name or description contains the text, by the trigram index."""
    if connection.vendor == "sqlite" and len(text) >= _MIN_TRIGRAM:
        phrase = '"' + text.replace('"', '""') + '"'
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rowid FROM catalogue_search WHERE catalogue_search MATCH %s LIMIT %s", [phrase, SELECTIVE + 1]
            )
            return [row[0] for row in cursor.fetchall()]
    rows = RepositoryProfile.objects.filter(search_text__contains=text)
    return list(rows.values_list("pk", flat=True)[: SELECTIVE + 1])


def _encode_cursor(sort: Sort, value: Any, pk: int) -> str:
    shown = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, shown, pk]).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, sort: Sort) -> tuple[Any, int]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        named, value, pk = json.loads(raw)
        if sort in {"updated", "created"}:
            value = datetime.fromisoformat(value)
    except (ValueError, TypeError, binascii.Error, UnicodeError, RecursionError):
        named, value, pk = None, None, None
    in_range = all(abs(item) < 2**63 for item in (value, pk) if isinstance(item, int | float))
    if named != sort or not isinstance(value, datetime | int | float) or not isinstance(pk, int) or not in_range:
        raise InvalidError("the cursor is not valid: start again from the first page", field="cursor")
    return value, pk


def search_page(
    principal: Principal, criteria: Criteria, *, sort: Sort = "trending", cursor: str | None = None, limit: int = 30
) -> Page:
    """Returns one page, greatest first, ties by newest id.

    A page starts after the last row of the page before, by value and id: rows that change meanwhile may move, but no
    row that stays is shown twice or left out.

    Raises:
        InvalidError: the cursor is not one of ours, or belongs to another order.
    """
    size = max(1, min(limit, MAX_LIMIT))
    column = _SORT_COLUMN[sort]
    rows = search_queryset(principal, criteria)
    if sort == "parameters":
        rows = rows.filter(profile__parameters__isnull=False)
    if cursor:
        value, pk = _decode_cursor(cursor, sort)
        # The first condition bounds the index scan, the second decides among equal values.
        rows = rows.filter(Q(**{f"{column}__lte": value}), Q(**{f"{column}__lt": value}) | Q(pk__lt=pk))
    # Ties go by the column that the index of this order has: the counters' own key is the repository's.
    tie = "counters__repository_id" if column.startswith("counters__") else "pk"
    ordered = rows.order_by(F(column).desc(), F(tie).desc())
    found = list(ordered.select_related("namespace", "profile__license", "counters")[: size + 1])
    if len(found) <= size:
        return Page(found, None)
    last = found[size - 1]
    return Page(found[:size], _encode_cursor(sort, _value_of(last, column), last.pk))


def _value_of(repository: Repository, column: str) -> Any:
    value: Any = repository
    for part in column.split("__"):
        value = getattr(value, part)
    return value
