"""The form of a gated repository, from `extra_gated_fields` in its card, and answers checked against it. Pure.

The card's author writes `{"Company": "text", "Country": "country", "I agree": "checkbox", "Use": {"type": "select",
"options": [...]}}`; what cannot be understood becomes a text field, since a broken card must not break a repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = frozenset({"text", "checkbox", "select", "country", "date_picker"})
MAX_FIELDS = 50
MAX_LENGTH = 1000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class FormField:
    """One question: its label (which is also its name), kind and, for a selection, the labels and values to choose."""

    name: str
    kind: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GatedForm:
    """The owner's form: heading, text above it, label of the button, and the fields."""

    heading: str
    prompt: str
    button: str
    fields: tuple[FormField, ...]


def gated_form(card_data: Mapping[str, Any] | None) -> GatedForm:
    """Reads the form from a card's front matter; empty where there is none."""
    data = card_data or {}
    raw = data.get("extra_gated_fields")
    fields = [_field(str(name), spec) for name, spec in raw.items()] if isinstance(raw, Mapping) else []
    return GatedForm(
        heading=_words(data.get("extra_gated_heading")),
        prompt=_words(data.get("extra_gated_prompt")),
        button=_words(data.get("extra_gated_button_content")),
        fields=tuple(fields[:MAX_FIELDS]),
    )


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _field(name: str, spec: Any) -> FormField:
    if isinstance(spec, Mapping):
        kind = spec.get("type")
        options = spec.get("options")
        if kind == "select" and isinstance(options, list):
            return FormField(name, "select", tuple(_option(item) for item in options))
        spec = kind
    return FormField(name, spec if spec in KINDS and spec != "select" else "text")


def _option(item: Any) -> tuple[str, str]:
    if isinstance(item, Mapping):
        value = str(item.get("value", item.get("label", "")))
        return str(item.get("label", value)), value
    return str(item), str(item)


def check_answers(form: GatedForm, answers: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Checks answers against the form: every field is required, and nothing else is taken.

    Returns:
        The answers to store, and what is wrong as `[{"field", "message"}]`.
    """
    problems = [
        {"field": name, "message": "the form has no such field"} for name in answers if name not in _names(form)
    ]
    kept: dict[str, Any] = {}
    for field in form.fields:
        problem, value = _check(field, answers.get(field.name))
        if problem:
            problems.append({"field": field.name, "message": problem})
        else:
            kept[field.name] = value
    return kept, problems


def _names(form: GatedForm) -> frozenset[str]:
    return frozenset(field.name for field in form.fields)


def _check(field: FormField, answer: Any) -> tuple[str, Any]:
    if field.kind == "checkbox":
        agreed = answer is True or answer in ("on", "true")
        return ("" if agreed else "this has to be ticked"), True
    if not isinstance(answer, str) or not answer.strip():
        return "an answer is required", None
    text = answer.strip()
    return _misfit(field, text), text


def _misfit(field: FormField, text: str) -> str:
    if len(text) > MAX_LENGTH:
        return f"at most {MAX_LENGTH} characters"
    if field.kind == "select" and text not in {value for _, value in field.options}:
        return "choose one of the options"
    if field.kind == "country" and not _COUNTRY.fullmatch(text):
        return "give the country's two-letter code"
    if field.kind == "date_picker" and not _DATE.fullmatch(text):
        return "give a date as YYYY-MM-DD"
    return ""
