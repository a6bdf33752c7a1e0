"""Cards: what is read, what is refused, and that no card breaks anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalogue.cards import first_sentence, parse_card, validate

CARD = """---
license: mit
language:
- en
- no
tags: [a, b]
---
# Title

A model of **things** with a [link](http://x). It does more.
"""


def front(text: str) -> str:
    return f"---\n{text}\n---\nbody\n"


def test_front_matter_and_body_are_told_apart() -> None:
    card = parse_card(CARD.encode())
    assert card.data == {"license": "mit", "language": ["en", False], "tags": ["a", "b"]}
    assert card.error == ""
    assert first_sentence(card.body) == "A model of things with a link."


@pytest.mark.parametrize("text", ["", "no front matter", "text\n---\na: b\n---\n", "---\nnever closed: 1\n"])
def test_a_card_without_front_matter_has_no_data_and_no_error(text: str) -> None:
    card = parse_card(text)
    assert (card.data, card.body, card.error) == (None, text, "")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_do_not_matter(newline: str) -> None:
    assert parse_card(CARD.replace("\n", newline)).data == parse_card(CARD).data
    assert parse_card("\ufeff" + CARD).data == parse_card(CARD).data


def test_what_json_cannot_hold_is_put_in_a_form_it_can() -> None:
    lines = [
        "date: 2026-01-02", "at: 2026-01-02 03:04:05", "nan: .nan", "inf: .inf", "bytes: !!binary aGk=",
        "set: !!set {a}",
        "1: one", "big: 99999999999999999999999", 'nul: "a\\0b"',
    ]  # fmt: skip
    text = front("\n".join(lines))
    data = parse_card(text).data
    assert data is not None
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["date"], data["at"], data["nan"], data["inf"]) == ("2026-01-02", "2026-01-02T03:04:05", None, None)
    assert (data["1"], data["set"], data["big"], data["nul"]) == ("one", ["a"], "9" * 23, "a\ufffdb")
    json.dumps(data).encode()


LAUGHS = "a0: &a0 [x,x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1},*a{i - 1},*a{i - 1},*a{i - 1}]" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("\tx: 1", "not valid YAML"),
        ("- a\n- b", "not a mapping"),
        ("just words", "not a mapping"),
        ("x: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("d: 2026-99-99", "cannot be read"),
        ("[a]: b", ""),
        (LAUGHS, "too many values"),
        ("a: &a [*a]", "contains itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested deeper"),
        ("a: " + "{b: " * 100 + "1" + "}" * 100, "nested deeper"),
        ("k: &k 1\nl: [" + "*k," * 500 + "]", "aliases"),
        ("a: " + "x" * 1_100_000, "longer than"),
        ("a: [" + "1," * 150_000 + "]", "too many values"),
    ],
)
def test_a_broken_or_hostile_card_gives_an_error_and_keeps_its_body(text: str, reason: str) -> None:
    card = parse_card(front(text))
    assert card.data is None
    assert card.body == "body\n"
    assert reason in card.error
    assert 0 < len(card.error) <= 500
    assert "\n" not in card.error


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    for card in (parse_card(text), parse_card(front(text)), parse_card(text.encode("utf-8", "surrogatepass"))):
        json.dumps(card.data, allow_nan=False).encode()
        first_sentence(card.body)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (CARD, "model"),
        (front("license: other\nlicense_name: my-own"), "model"),
        (front("license: MIT OR Apache-2.0"), "dataset"),
        (front("license: expat"), "model"),
        (front("language: no\ndatasets: squad"), "model"),
        (front("sdk: docker"), "space"),
        (front("unknown_key: {anything: 1}"), "model"),
    ],
)
def test_a_good_card_is_valid(licenses: None, text: str, kind: str) -> None:
    assert validate(text, kind) == ([], [])


@pytest.mark.parametrize("text", ["", "# only a body", "---\n---\nx"])
def test_a_card_without_metadata_is_warned_about(text: str) -> None:
    assert validate(text, "model") == ([], ["empty or missing yaml metadata in repo card"])


RESULT: dict[str, Any] = {
    "task": {"type": "text-classification"},
    "dataset": {"type": "imdb", "name": "IMDb"},
    "metrics": [{"type": "accuracy", "value": 0.9}],
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"license": "made-up"}, "license"),
        ({"license": {"a": 1}}, "license"),
        ({"license": ["mit", 3]}, "license"),
        ({"language": 3}, "language"),
        ({"tags": {"a": 1}}, "tags"),
        ({"datasets": [["a"]]}, "datasets"),
        ({"pipeline_tag": ["a"]}, "pipeline_tag"),
        ({"base_model_relation": "cousin"}, "base_model_relation"),
        ({"model-index": "x"}, "model-index"),
        ({"model-index": [{"results": [RESULT]}]}, "model-index[0].name"),
        ({"model-index": [{"name": "m"}]}, "model-index[0].results"),
        ({"model-index": [{"name": "m", "results": [{**RESULT, "task": None}]}]}, "results[0].task.type"),
        *(
            ({"model-index": [{"name": "m", "results": [{k: RESULT[k] for k in RESULT if k != part}]}]}, f"[0].{part}")
            for part in RESULT
        ),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_it(licenses: None, data: dict[str, Any], named: str) -> None:
    errors, warnings = validate(front(json.dumps(data)), "model")
    assert len(errors) == 1
    assert named in errors[0]
    assert warnings == []


def test_a_space_needs_a_known_sdk() -> None:
    assert "sdk" in validate(front("sdk: vim"), "space")[0][0]
