"""Tags and filters that keep templates short: icons, times, sizes, counts, verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from registry.licensing.models import License
from registry.repositories.models import Repository
from registry.web.common import page_url
from registry.web.job_view import metric_label
from registry.web.weighing import WORDS, tone_of
from registry.web.wording import category_label

register = template.Library()

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_STEPS: Final = (
    (_HOUR, _MINUTE, "minute"),
    (_DAY, _HOUR, "hour"),
    (14 * _DAY, _DAY, "day"),
    (60 * _DAY, 7 * _DAY, "week"),
    (730 * _DAY, 30 * _DAY, "month"),
)
_THOUSAND: Final = 1000.0
_BADGE: Final = 24  # letters that fit the column of a list
_TICKS: Final = re.compile(r"`([^`]+)`")
_LEGAL_TAILS: Final = (" Agreement", " License", " Community", " Software", " International", " Public")


@cache
def _sprite() -> str:
    return static("web/img/icons.svg")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Renders one icon of the sprite, hidden from screen readers: the words beside it speak."""
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#i-{}"/></svg>', classes, _sprite(), name)


def relative(moment: datetime, now: datetime) -> str:
    """Returns the distance in the largest fitting unit: `3 days ago`, `in 2 hours`, `just now`."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < _MINUTE:
        return "just now"
    for limit, unit, name in _STEPS:
        if distance < limit:
            return _phrase(int(distance // unit), name, future=seconds < 0)
    return _phrase(int(distance // (365 * _DAY)), "year", future=seconds < 0)


def _phrase(count: int, unit: str, *, future: bool) -> str:
    if unit == "day" and count == 1:
        return "tomorrow" if future else "yesterday"
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {words}" if future else f"{words} ago"


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """Renders a relative time with the absolute one in its title."""
    if moment is None:
        return "never"
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{utc.day} {utc:%B %Y, %H:%M} UTC",
        relative(moment, timezone.now()),
    )


@register.simple_tag
def stamp(moment: datetime | None) -> SafeString | str:
    """Renders an absolute time to the second."""
    if moment is None:
        return ""
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{}</time>', utc.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{utc.day} {utc:%b %Y, %H:%M:%S} UTC"
    )


def _scaled(value: float, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if abs(value) < _THOUSAND:
            return f"{value:.3g} {unit}".strip()
        value /= _THOUSAND
    return f"{value:.3g} {units[-1]}"


@register.filter
def filesize(size: float | None) -> str:
    """Returns bytes as people say them, in powers of ten: `16.4 GB`."""
    if size is None:
        return "unknown size"
    return f"{int(size)} B" if abs(size) < _THOUSAND else _scaled(float(size), ("B", "kB", "MB", "GB", "TB", "PB"))


@register.filter
def parameters(count: int | None) -> str:
    """Returns a parameter count: `8.19 B`, `22.7 M`."""
    return "" if count is None else _scaled(float(count), ("", "k", "M", "B", "T"))


@register.filter
def commas(count: int | None) -> str:
    """Returns a count with separators, never shortened: people compare these."""
    return "" if count is None else str(intcomma(count, use_l10n=False))


@register.filter
def short(oid: str) -> str:
    """Returns the first seven digits of a commit id."""
    return oid[:7]


@register.filter
def monogram(name: str) -> str:
    """Returns two letters that stand for an owner."""
    words = [word for word in name.replace("_", "-").replace(".", "-").split("-") if word]
    return (words[0][0] + words[1][0]) if len(words) > 1 else name[:2]


@register.filter
def words(code: str) -> str:
    """Returns a code as words: `text-classification` becomes `text classification`."""
    return code.replace("-", " ").replace("_", " ")


@register.filter
def sentence(text: str) -> str:
    """Starts with a capital; leaves the rest as it is."""
    return text[:1].upper() + text[1:]


@register.filter
def plural(count: int, noun: str) -> str:
    """Returns `1 model`, `3 models`, `3 entries`."""
    ending = noun if count == 1 else (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{commas(count)} {ending}"


@register.filter
def page(repository: Repository) -> str:
    """Returns the address of a repository's page."""
    return page_url(repository.type, repository.full_name)


@register.filter
def category(code: str) -> str:
    """Returns a license category in words."""
    return category_label(code)


@register.filter
def metric(name: str) -> str:
    """Returns a metric in words."""
    return metric_label(name)


@register.filter
def tone(decision: Mapping[str, Any]) -> str:
    """Returns the tone of a decision given as plain data."""
    return tone_of(str(decision.get("verdict", "deny")), warned=bool(decision.get("warnings")))


@register.filter
def tone_word(decision: Mapping[str, Any]) -> str:
    """Returns the word of that tone."""
    return WORDS[tone_of(str(decision.get("verdict", "deny")), warned=bool(decision.get("warnings")))]


@register.filter
def duration(seconds: float) -> str:
    """Returns a rough length of time: `40 s`, `12 min`, `3 h`."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"


@register.filter
def clause(text: str) -> str:
    """Returns a clause as lawyers write it: a bare number gets its sign, words stay words."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return ", ".join(f"§{part}" if part[:1].isdigit() else part for part in parts)


@register.filter
def license_short(row: License) -> str:
    """Returns a license in a few words for a badge: its SPDX id, else its name without the legal tail."""
    name = row.spdx or row.name
    for tail in _LEGAL_TAILS:
        name = name.removesuffix(tail)
    return name if len(name) <= _BADGE else f"{name[: _BADGE - 1].rstrip()}…"


@register.filter
def unnamed(text: str, row: License | None) -> str:
    """Returns a decision's sentence without the name of the license that stands beside it."""
    return text.removeprefix(f"{row.name}: ") if row is not None else text


@register.filter
def ticks(text: str) -> SafeString:
    """Renders what stands in backticks as code; everything is escaped first."""
    return mark_safe(_TICKS.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 (escaped in the same line)


@register.filter
def yes(value: object) -> object:
    """Returns an answer of a form as people give it: a tick is a yes."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
