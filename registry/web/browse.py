"""What a list page is asked for, read from its address, and everything it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict

from registry.accounts.principal import Principal
from registry.catalogue.facets import FacetValue, facets_of
from registry.catalogue.search import Criteria, Page, parse_sort, search_page
from registry.errors import InvalidError
from registry.web.rows import Row, rows_of
from registry.web.weighing import TONES, WORDS, Tone, balance
from registry.web.wording import category_label

PAGE_SIZE: Final = 20
WEIGHED: Final = 100  # rows that one page weighs when it counts or filters verdicts
SORTS: Final = (
    ("trending", "Trending"),
    ("downloads", "Most downloaded"),
    ("updated", "Recently updated"),
    ("created", "Newest"),
    ("parameters", "Largest"),
)
SIZES: Final[Mapping[str, tuple[str, tuple[int | None, int | None]]]] = MappingProxyType(
    {
        "small": ("Under 100 M", (None, 99_999_999)),
        "medium": ("100 M to 1 B", (100_000_000, 999_999_999)),
        "large": ("1 to 10 B", (1_000_000_000, 9_999_999_999)),
        "huge": ("Over 10 B", (10_000_000_000, None)),
    }
)
_ACCESS: Final = {"open": "Open", "gated": "Asks first"}
_MAX_TEXT: Final = 100
_LANGUAGES: Final = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "ar": "Arabic", "hi": "Hindi",
    "pl": "Polish",
    "cs": "Czech", "tr": "Turkish", "uk": "Ukrainian", "sv": "Swedish", "code": "Code", "multilingual": "Multilingual",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet."""

    value: str
    label: str
    count: int | None
    chosen: bool
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """One way to narrow a list; `several` facets take more than one value."""

    name: str
    title: str
    choices: tuple[Choice, ...]
    several: bool = False

    @property
    def chosen(self) -> bool:
        """True if the list is narrowed by it."""
        return any(choice.chosen for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter and the address without it; `remaining` is only counted for an empty list."""

    title: str
    label: str
    url: str
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the address asks for; words that mean nothing are left out rather than answered with an error."""

    type: str
    search: str = ""
    author: str = ""
    task: str = ""
    library: str = ""
    category: str = ""
    language: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    size: str = ""
    access: str = ""
    verdict: tuple[Tone, ...] = ()
    sort: str = "trending"

    def criteria(self) -> Criteria:
        """Returns the same in the catalogue's words."""
        tags = [f"language:{item}" for item in self.language] + [f"format:{item}" for item in self.format]
        return Criteria(
            type=self.type,
            search=tuple(self.search.split()[:6]),
            author=self.author,
            filters=tuple(tags),
            pipeline_tag=self.task,
            library=self.library,
            license_category=self.category,
            gated={"open": False, "gated": True}.get(self.access),
            parameters=SIZES[self.size][1] if self.size else (None, None),
        )

    def query(self, **more: str) -> str:
        """Returns the address of this question, with defaults left out."""
        pairs: list[tuple[str, str]] = []
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name == "type" or value == item.default:
                continue
            pairs += [(item.name, part) for part in value] if isinstance(value, tuple) else [(item.name, value)]
        pairs += [(key, value) for key, value in more.items() if value]
        return f"/{self.type}s" + (f"?{urlencode(pairs)}" if pairs else "")

    def without(self, name: str, rest: tuple[str, ...] | str) -> Question:
        """Returns the question with one field replaced."""
        changed: dict[str, Any] = {name: rest}
        return dataclasses.replace(self, **changed)

    def parts(self) -> Iterator[tuple[str, str, Question]]:
        """Yields (title, label, the question without it) of each active filter."""
        titles = {"search": "Search", "author": "Owner", "task": "Task", "library": "Library", "category": "License"}
        titles |= {"language": "Language", "format": "Format", "size": "Size", "access": "Access", "verdict": "Verdict"}
        for name, title in titles.items():
            value = getattr(self, name)
            if isinstance(value, tuple):
                for part in value:
                    rest = tuple(item for item in value if item != part)
                    yield title, label_of(name, part), self.without(name, rest)
            elif value:
                yield title, label_of(name, value), self.without(name, "")


def question_of(type: str, query: QueryDict) -> Question:  # noqa: A002 (the domain's word)
    """Reads an address."""
    size, access = query.get("size", ""), query.get("access", "")
    return Question(
        type=type,
        search=_text(query, "search"),
        author=_text(query, "author"),
        task=_text(query, "task"),
        library=_text(query, "library"),
        category=_text(query, "category"),
        language=_texts(query, "language"),
        format=_texts(query, "format"),
        size=size if size in SIZES else "",
        access=access if access in _ACCESS else "",
        verdict=tuple(tone for tone in TONES if tone in query.getlist("verdict")),
        sort=query.get("sort", "") if query.get("sort", "") in dict(SORTS) else "trending",
    )


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:_MAX_TEXT]


def _texts(query: QueryDict, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip()[:_MAX_TEXT] for item in query.getlist(name) if item.strip()))[:5]


def label_of(facet: str, value: str) -> str:
    """Returns a facet's value as people read it."""
    if facet == "category":
        return "Not stated" if value == "unstated" else category_label(value)
    if facet == "task":
        return value.replace("-", " ").capitalize()
    if facet == "verdict":
        return WORDS[value]  # type: ignore[index]
    if facet == "size":
        return SIZES[value][0]
    return (
        _ACCESS.get(value, value)
        if facet == "access"
        else _LANGUAGES.get(value, value)
        if facet == "language"
        else value
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything a list page shows."""

    question: Question
    rows: list[Row]
    count: int
    capped: bool
    balance: list[tuple[Tone, str, int]]
    weighed: int
    facets: list[Facet]
    chips: list[Chip]
    next_url: str


def answer(principal: Principal, question: Question, purpose: str, cursor: str) -> Answer:
    """Searches, weighs and counts.

    Verdicts are weighed for a page at a time: with a verdict filter, a page holds what passes of the next 100.
    """
    criteria = question.criteria()
    weighs = bool(purpose or question.verdict)
    found = _found(principal, criteria, question.sort, cursor, WEIGHED if weighs else PAGE_SIZE)
    rows = rows_of(principal, found.items, purpose)
    scale = balance(row.weighing for row in rows) if weighs else []
    next_cursor = found.next_cursor
    if question.verdict:
        rows = [row for row in rows if row.weighing.tone in question.verdict]
    elif len(rows) > PAGE_SIZE:
        # What was weighed beyond this page is only counted; the next page starts after the last row shown.
        next_cursor = _found(principal, criteria, question.sort, cursor, PAGE_SIZE).next_cursor
        rows = rows[:PAGE_SIZE]
    counted = facets_of(principal, criteria)
    count, capped = _number(counted)
    return Answer(
        question=question,
        rows=rows,
        count=max(count, len(rows)),  # counts are a minute old, rows are not
        capped=capped,
        balance=scale,
        weighed=len(found.items),
        facets=_facets(question, counted),
        chips=_chips(principal, question, count=not rows),
        next_url=question.query(cursor=next_cursor) if next_cursor else "",
    )


def _found(principal: Principal, criteria: Criteria, sort: str, cursor: str, limit: int) -> Page:
    """Reads a page; a cursor that is not ours starts again from the first."""
    try:
        return search_page(principal, criteria, sort=parse_sort(sort), cursor=cursor or None, limit=limit)
    except InvalidError:
        return search_page(principal, criteria, sort=parse_sort(sort), limit=limit)


def _number(counted: dict[str, list[FacetValue]]) -> tuple[int, bool]:
    """Returns how many match, and whether there are more: every match has one value of `gated`."""
    values = counted.get("gated", [])
    return sum(item.count for item in values), any(item.capped for item in values)


def _chips(principal: Principal, question: Question, *, count: bool) -> list[Chip]:
    chips = []
    for title, label, rest in question.parts():
        remaining = None
        if count and title != "Verdict":
            remaining = _number(facets_of(principal, rest.criteria()))[0]
        chips.append(Chip(title, label, rest.query(), remaining))
    return chips


def _facets(question: Question, counted: dict[str, list[FacetValue]]) -> list[Facet]:
    shapes = (
        ("category", "License category", "license_category", False),
        ("task", "Task", "task", False),
        ("library", "Library", "library", False),
        ("format", "Format", "format", True),
        ("language", "Language", "language", True),
    )
    result = [
        _facet(question, name, title, counted.get(key, []), several=several) for name, title, key, several in shapes
    ]
    if question.type == "model":
        sizes = tuple(Choice(value, label, None, question.size == value) for value, (label, _) in SIZES.items())
        result.insert(3, Facet("size", "Parameters", sizes))
    result.append(_access(question, counted.get("gated", [])))
    return [facet for facet in result if facet.choices]


def _facet(question: Question, name: str, title: str, values: list[FacetValue], *, several: bool) -> Facet:
    chosen = getattr(question, name)
    chosen = set(chosen) if isinstance(chosen, tuple) else {chosen} - {""}
    choices = [
        Choice(item.value, label_of(name, item.value), item.count, item.value in chosen, item.capped)
        for item in values[:8]
    ]
    missing = chosen - {choice.value for choice in choices}
    choices += [Choice(value, label_of(name, value), 0, chosen=True) for value in sorted(missing)]
    return Facet(name, title, tuple(choices), several)


def _access(question: Question, values: list[FacetValue]) -> Facet:
    count = {"open": 0, "gated": 0}
    for item in values:
        count["open" if item.value == "open" else "gated"] += item.count
    choices = (Choice(value, label, count[value], question.access == value) for value, label in _ACCESS.items())
    return Facet("access", "Access", tuple(choices))
