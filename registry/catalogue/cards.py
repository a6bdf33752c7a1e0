"""Model and dataset cards: the front matter of README.md as JSON-safe data, or the reason why it cannot be read.

Front matter is written by strangers: size, nesting, aliases and the number of values are bounded before anything is
built, and what JSON cannot hold (dates, NaN, NUL) is put in a form that it can. Nothing here raises on a bad card.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from registry.catalogue import card_rules

MAX_FRONT_MATTER = 1024 * 1024
MAX_CARD = 10 * 1024 * 1024
_MAX_DEPTH = 60
_MAX_ALIASES = 200
_MAX_VALUES = 100_000
_MAX_ERROR = 500
# libyaml is an order of magnitude faster; PyYAML's own loader understands the same documents.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Card:
    """A parsed README.

    Attributes:
        data: front matter; None if there is none or it is broken.
        body: the text after the front matter.
        error: why the front matter cannot be read; empty if it can.
    """

    data: dict[str, Any] | None
    body: str
    error: str = ""


class _CardError(ValueError):
    """The front matter cannot be used; the message is for its author."""


def parse_card(text: str | bytes) -> Card:
    """Parses a README. Never raises: what is wrong is told in `error`."""
    decoded = text[:MAX_CARD].decode("utf-8", "replace") if isinstance(text, bytes) else text[:MAX_CARD]
    decoded = decoded.removeprefix("\ufeff")
    match = REGEX_YAML_BLOCK.match(decoded)
    if match is None:
        return Card(None, decoded)
    body = decoded[match.end() :]
    try:
        return Card(_front_matter(match.group(2)), body)
    except _CardError as error:
        return Card(None, body, str(error)[:_MAX_ERROR])


def _front_matter(block: str) -> dict[str, Any]:
    if len(block) > MAX_FRONT_MATTER:
        raise _CardError(f"the front matter is longer than {MAX_FRONT_MATTER} characters")
    try:
        _check_events(block)

        loaded = yaml.load(block, Loader=_Loader)  # noqa: S506 (CSafeLoader)
    except yaml.YAMLError as error:
        raise _CardError(f"the front matter is not valid YAML: {_one_line(error)}") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # a date like 2026-99-99, an unhashable key
        raise _CardError(f"the front matter holds a value that cannot be read: {_one_line(error)}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise _CardError("the front matter is not a mapping: write `key: value` lines")
    value = _Plain().convert(loaded, 0)
    assert isinstance(value, dict)  # noqa: S101 (a mapping converts to a mapping)
    return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _check_events(block: str) -> None:
    """Walks the events, which needs no recursion, and refuses what would be costly to build."""
    depth = aliases = 0
    for event in yaml.parse(block, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _CardError(f"the front matter is nested deeper than {_MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > _MAX_ALIASES:
                raise _CardError(f"the front matter uses more than {_MAX_ALIASES} aliases")


class _Plain:
    """Converts YAML values to JSON values, and counts them: an alias repeats what it names."""

    def __init__(self) -> None:
        self._count = 0

    def convert(self, value: Any, depth: int) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise _CardError("the front matter holds too many values, or a value that contains itself")
        if isinstance(value, Mapping):
            return {self._key(key): self.convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.convert(item, depth + 1) for item in value]
        return _scalar(value)

    def _key(self, key: Any) -> str:
        return str(_scalar(key if isinstance(key, str | bool | int | float | date) else str(key)))[:1000]


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Numbers beyond 64 bits overflow readers of the JSON.
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _UNSTORABLE.sub("\ufffd", value if isinstance(value, str) else str(value))


def validate(text: str, repository_type: str) -> tuple[list[str], list[str]]:
    """Checks a whole README as hub clients ask before they push it (hub-api 2.5).

    Returns:
        Errors, for which the card must be refused, and warnings.
    """
    card = parse_card(text)
    if card.error:
        return [card.error], []
    if not card.data:
        return [], ["empty or missing yaml metadata in repo card"]
    return card_rules.problems(card.data, repository_type), []


_HEADING = re.compile(r"^#{1,6}\s")
_NOISE = re.compile(r"<[^>]*>|!\[[^\]]*\]\([^)]*\)|[*_`]")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def first_sentence(body: str, *, limit: int = 400) -> str:
    """Returns the first paragraph of prose in a card's body, without markup, cut at `limit` characters."""
    paragraph: list[str] = []
    for line in body[:20_000].splitlines():
        text = _LINK.sub(r"\1", _NOISE.sub("", line)).strip()
        skip = _HEADING.match(line) or line.startswith(("|", "```", ">", "---", "- ", "* ", "    "))
        if text and not skip:
            paragraph.append(text)
        elif paragraph:
            break
    joined = _UNSTORABLE.sub("", " ".join(paragraph))
    sentence, stop, _ = joined.partition(". ")
    shown = sentence + "." if stop else joined
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"
