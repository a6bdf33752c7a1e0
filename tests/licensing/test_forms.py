"""The form of a gated repository, and answers checked against it."""

from __future__ import annotations

from typing import Any

import pytest

from registry.licensing.forms import check_answers, gated_form

CARD = {
    "extra_gated_heading": "Hello",
    "extra_gated_prompt": 7,
    "extra_gated_fields": {
        "Company": "text",
        "Country": "country",
        "Day": "date_picker",
        "Use": {"type": "select", "options": ["research", {"label": "Other", "value": "other"}]},
        "Agree": "checkbox",
        "Odd": {"type": "select"},
    },
}
GOOD = {"Company": "A", "Country": "DE", "Day": "2026-01-01", "Use": "other", "Agree": True, "Odd": "x"}


def test_good_answers_are_kept() -> None:
    form = gated_form(CARD)
    assert (form.heading, form.prompt) == ("Hello", "")
    assert check_answers(form, GOOD) == (GOOD, [])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Company", " "),
        ("Company", 7),
        ("Company", "x" * 1001),
        ("Country", "Germany"),
        ("Day", "today"),
        ("Use", "crime"),
        ("Agree", False),
        ("Colour", "red"),
    ],
)
def test_an_answer_that_does_not_fit_is_named(name: str, answer: Any) -> None:
    _, problems = check_answers(gated_form(CARD), GOOD | {name: answer})
    assert [problem["field"] for problem in problems] == [name]


@pytest.mark.parametrize("card", [None, {}, {"extra_gated_fields": ["broken"]}])
def test_a_card_without_a_form_asks_nothing(card: dict[str, Any] | None) -> None:
    assert check_answers(gated_form(card), {}) == ({}, [])
