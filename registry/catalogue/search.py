"""Search over repositories: filters, keyset pages that stay correct while rows change, only what the caller may see.

How it stays quick (serving, "A catalogue of a million repositories"): a page is read along the index of its sort order,
and every criterion is an `EXISTS` on the row at hand, which no planner turns into a scan. A criterion that few
repositories meet (at most `SELECTIVE`) is looked up first, by its own index, and the page is sorted from those.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args

from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from registry.accounts.models import Namespace
from registry.accounts.principal import Principal
from registry.catalogue.models import RepositoryCounters, RepositoryProfile, RepositoryTag
from registry.errors import InvalidError
from registry.licensing.models import License
from registry.repositories.models import Gating, Repository
from registry.repositories.permissions import visible_condition

Sort = Literal["trending", "downloads", "likes", "updated", "created", "parameters"]
SELECTIVE = 2000
MAX_LIMIT = 1000
_MIN_TRIGRAM = 3
_MAX_FILTERS = 50
_HUGE = 2**63 - 1

Row = TypeVar("Row", bound=Model)

# Names that hub clients send (hub-api 1.8) beside our own.
_SORT_NAMES: dict[str, Sort] = {
    "trendingscore": "trending",
    "lastmodified": "updated",
    "createdat": "created",
    "num_parameters": "parameters",
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


@dataclass(frozen=True, slots=True)
class _Criterion:
    """One condition, and a short way to the repositories that meet it."""

    condition: Q
    first: Callable[[int], set[int]]

    def few(self) -> set[int] | None:
        """Returns the repositories that meet it, unless they are many."""
        ids = self.first(SELECTIVE + 1)
        return ids if len(ids) <= SELECTIVE else None


@dataclass(frozen=True, slots=True)
class Matches:
    """The repositories that a question is about, as conditions on `Repository`, and all candidates if they are few."""

    conditions: Q
    few: set[int] | None

    def along(self, rows: QuerySet[Row], column: str) -> QuerySet[Row]:
        """Narrows rows of a table that has one row for each repository, whose id is in `column`."""
        if self.few is not None:
            rows = rows.filter(**{f"{column}__in": self.few})
        if rows.model is Repository:
            return rows.filter(self.conditions)
        return rows.filter(Exists(Repository.objects.filter(self.conditions, pk=OuterRef(column))))


def matches(principal: Principal, criteria: Criteria) -> Matches:
    """Finds out which conditions a repository must meet, and looks up those that few meet."""
    conditions = visible_condition(principal) & Q(type=criteria.type)
    few: set[int] | None = None
    for criterion in _criteria(criteria):
        ids = criterion.few()
        if ids is None:
            conditions &= criterion.condition
        else:
            few = ids if few is None else few & ids
    return Matches(conditions, few)


def _criteria(criteria: Criteria) -> Iterator[_Criterion]:
    if criteria.author:
        namespace = Namespace.objects.alias(key=Lower("name")).filter(key=criteria.author.lower()).first()
        yield _of_repository(Q(namespace=namespace) if namespace is not None else Q(pk__in=[]))
    if criteria.gated is not None:
        gated = Q(gated__in=[Gating.AUTO, Gating.MANUAL])
        yield _of_repository(Q(type=criteria.type) & (gated if criteria.gated else Q(gated=Gating.NONE)))
    for tag in criteria.tags[:_MAX_FILTERS]:
        yield _of_table(RepositoryTag.objects.filter(tag=tag))
    yield from _profile_criteria(criteria)
    for text in [text.strip().lower() for text in criteria.search[:_MAX_FILTERS] if text.strip()]:
        yield _containing(text)


def _profile_criteria(criteria: Criteria) -> Iterator[_Criterion]:
    profiles = RepositoryProfile.objects.all()
    least, greatest = criteria.parameters
    if least is not None or greatest is not None:
        yield _of_table(
            profiles.filter(parameters__gte=least or 0, parameters__lte=_HUGE if greatest is None else greatest)
        )
    if criteria.license:
        by_id = _of_table(profiles.filter(license_id=criteria.license))
        declared = _of_table(RepositoryTag.objects.filter(tag=f"license:{criteria.license.lower()}"))
        yield _Criterion(by_id.condition | declared.condition, lambda limit: by_id.first(limit) | declared.first(limit))
    if criteria.license_category == "unstated":
        yield _of_table(profiles.filter(license__isnull=True))
    elif criteria.license_category:
        licenses = License.objects.filter(category=criteria.license_category).values_list("pk", flat=True)
        yield _of_table(profiles.filter(license_id__in=list(licenses)))


def _of_repository(condition: Q) -> _Criterion:
    rows = Repository.objects.filter(condition).values_list("pk", flat=True)
    return _Criterion(condition, lambda limit: set(rows[:limit]))


def _of_table(rows: QuerySet[Any]) -> _Criterion:
    ids = rows.values_list("repository_id", flat=True)
    return _Criterion(Q(Exists(rows.filter(repository=OuterRef("pk")))), lambda limit: set(ids[:limit]))


def _containing(text: str) -> _Criterion:
    """Name or description contains the text: by the trigram index where it is long enough for one."""
    scan = _of_table(RepositoryProfile.objects.filter(search_text__contains=text))
    if connection.vendor != "sqlite" or len(text) < _MIN_TRIGRAM:
        return scan
    phrase = '"' + text.replace('"', '""') + '"'

    def first(limit: int) -> set[int]:
        with connection.cursor() as cursor:
            query = "SELECT rowid FROM catalogue_search WHERE catalogue_search MATCH %s LIMIT %s"
            cursor.execute(query, [phrase, limit])
            return {row[0] for row in cursor.fetchall()}

    return _Criterion(scan.condition, first)


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
    found = list(ordered_ids(matches(principal, criteria), criteria.type, sort, cursor)[: size + 1])
    rows = Repository.objects.select_related("namespace", "profile__license", "counters")
    # A license's terms are long, and lists show its name only.
    shown = rows.defer("profile__license__terms").in_bulk([pk for pk, _ in found[:size]])
    items = [shown[pk] for pk, _ in found[:size] if pk in shown]
    if len(found) <= size:
        return Page(items, None)
    pk, value = found[size - 1]
    return Page(items, _encode_cursor(sort, value, pk))


def ordered_ids(
    wanted: Matches,
    type: str,  # noqa: A002 (the domain's word)
    sort: Sort,
    cursor: str | None = None,
) -> QuerySet[Any, tuple[int, Any]]:
    """Returns (repository id, sort value), greatest first, from where the cursor stands.

    Raises:
        InvalidError: the cursor is not one of ours, or belongs to another order.
    """
    rows, key, column = _order(type, sort)
    rows = wanted.along(rows, key)
    if cursor:
        value, pk = _decode_cursor(cursor, sort)
        # The first condition bounds the index scan, the second decides among equal values.
        rows = rows.filter(Q(**{f"{column}__lte": value}), Q(**{f"{column}__lt": value}) | Q(**{f"{key}__lt": pk}))
    return rows.order_by(f"-{column}", f"-{key}").values_list(key, column)


def _order(type: str, sort: Sort) -> tuple[QuerySet[Any], str, str]:  # noqa: A002 (the domain's word)
    """Returns the table that is read in this order, its column of the repository's id, and the column of the order."""
    if sort == "updated":
        return Repository.objects.filter(type=type), "id", "updated_at"
    if sort == "created":
        return Repository.objects.filter(type=type), "id", "created_at"
    if sort == "parameters":
        return RepositoryProfile.objects.filter(parameters__isnull=False), "repository_id", "parameters"
    return RepositoryCounters.objects.filter(type=type), "repository_id", sort
