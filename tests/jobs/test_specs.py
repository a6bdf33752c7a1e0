"""What a request may say: defaults written out, one message a field."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from registry.jobs.errors import JobSpecError
from registry.jobs.specs import KINDS, automatic_paths, schema, spec_digest, spec_parse


def _changed(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(spec) | changes


def _messages(spec: Any) -> dict[str, str]:
    with pytest.raises(JobSpecError) as refused:
        spec_parse(spec)
    return {error["field"]: error["message"] for error in refused.value.details["errors"]}


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_shortest_request_gets_every_default(kind: str, request: pytest.FixtureRequest) -> None:
    spec = request.getfixturevalue(kind)
    parsed = spec_parse(spec)
    assert set(parsed) == set(schema(spec["kind"])["properties"]) - {"purpose"}
    assert parsed["limits"] == {"wall_seconds": 3600, "gpus": 0, "attempts": 2}
    assert parsed["version"] == 1


def test_defaults_reach_into_nested_parts(finetune: dict[str, Any]) -> None:
    parsed = spec_parse(finetune)
    assert parsed["data"]["split"]["eval"] == {"from": "train", "fraction": 0.1, "seed": 0, "stratify": "label"}
    assert parsed["train"]["effective_batch"] == 32
    assert parsed["method"] == {"name": "full"}
    assert parsed["output"]["visibility"] == "private"


def test_each_method_has_defaults_of_its_own(finetune: dict[str, Any]) -> None:
    assert spec_parse(_changed(finetune, method={"name": "lora"}))["method"]["r"] == 16
    assert spec_parse(_changed(finetune, method={"name": "frozen"}))["method"] == {"name": "frozen", "pooling": "mean"}


def test_parts_are_stratified_by_the_label_column_unless_said(finetune: dict[str, Any]) -> None:
    data = {"repo": "alice/reviews", "columns": {"text": "t", "label": "verdict"}}
    assert spec_parse(_changed(finetune, data=data))["data"]["split"]["eval"]["stratify"] == "verdict"
    none = data | {"split": {"eval": {"stratify": None}}}
    assert spec_parse(_changed(finetune, data=none))["data"]["split"]["eval"]["stratify"] is None


def test_the_caller_keeps_what_they_passed(finetune: dict[str, Any]) -> None:
    before = copy.deepcopy(finetune)
    spec_parse(finetune)
    assert before == finetune


@pytest.mark.parametrize("kind", KINDS)
def test_parsing_a_parsed_spec_changes_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    spec = request.getfixturevalue(kind)
    once = spec_parse(spec)
    assert spec_parse(once) == once
    assert spec_digest(spec_parse(once)) == spec_digest(once)


def test_the_worker_settles_the_automatic_values(finetune: dict[str, Any]) -> None:
    assert automatic_paths(spec_parse(_changed(finetune, method={"name": "lora"}))) == [
        "method.target", "train.micro_batch", "train.lr", "train.precision", "train.checkpoint_steps",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"extra": 1}, "extra", "not known here"),
        ({"train": {"epoch": 1}}, "train.epoch", "did you mean `epochs`"),
        ({"train": {"warmup_ratio": 0.1}}, "train.warmup_ratio", "not known here"),
        ({"method": {"name": "lora", "rank": 2}}, "method.rank", "known keys: `name`, `r`"),
        ({"method": {"name": "full", "r": 2}}, "method.r", "not known here"),
        ({"method": {"name": "prefix"}}, "method.name", "must be one of `full`, `frozen`, `lora`"),
        ({"method": {}}, "method.name", "is required"),
        ({"task": "dancing"}, "task", "must be one of"),
        ({"base": {}}, "base.repo", "is required"),
        ({"base": {"repo": "noslash"}}, "base.repo", "a repository as `owner/name`"),
        ({"base": {"repo": "a/b/c"}}, "base.repo", "a repository as `owner/name`"),
        ({"output": None}, "output", "must be an object"),
        ({"train": {"epochs": 0}}, "train.epochs", "must be above 0"),
        ({"train": {"epochs": "three"}}, "train.epochs", "must be a number"),
        ({"train": {"lr": 2}}, "train.lr", "must be at most 1"),
        ({"train": {"lr": "fast"}}, "train.lr", 'must be "auto"'),
        ({"train": {"seed": True}}, "train.seed", "must be a whole number"),
        ({"train": {"micro_batch": 0}}, "train.micro_batch", "must be at least 1"),
        ({"train": {"micro_batch": 64}}, "train.effective_batch", "must be a multiple of `train.micro_batch` (64)"),
        ({"eval": {"metrics": []}}, "eval.metrics", "must have at least 1"),
        ({"eval": {"metrics": ["accuracy", "accuracy"]}}, "eval.metrics", "must not repeat"),
        ({"eval": {"metrics": ["accuracy"]}}, "eval.select", "one of the metrics"),
        ({"eval": {"every": "step"}}, "eval.every", 'must be "epoch"'),
        ({"limits": {"wall_seconds": 1}}, "limits.wall_seconds", "must be at least 60"),
        ({"limits": {"gpus": 1.5}}, "limits.gpus", "must be a whole number"),
        ({"purpose": "fun"}, "purpose", "must be one of"),
        ({"version": 2}, "version", "must be 1"),
        ({"data": {"repo": "a/b", "split": {"eval": {"fraction": 1}}}}, "data.split.eval.fraction", "at most 0.9"),
        ({"data": {"repo": "a/b", "split": {"eval": "train"}}}, "data.split.eval", "must be another split"),
        ({"data": {"repo": "a/b", "columns": {"text": "x", "label": "x"}}}, "data.columns.label", "another column"),
        ({"output": {"repo": "a/b", "branch": "refs/heads/x"}}, "output.branch", "not allowed"),
        ({"output": {"repo": "a/b", "branch": "../x"}}, "output.branch", "not allowed"),
    ],
)
def test_a_bad_value_gets_one_message_at_its_field(
    finetune: dict[str, Any], change: dict[str, Any], field: str, words: str
) -> None:
    messages = _messages(_changed(finetune, **change))
    assert words in messages[field]


def test_all_bad_fields_are_named_at_once_and_each_once(finetune: dict[str, Any]) -> None:
    messages = _messages(_changed(finetune, task="x", extra=1, train={"lr": -1, "seed": "a"}))
    assert set(messages) == {"task", "extra", "train.lr", "train.seed"}


@pytest.mark.parametrize("raw", [None, [], "finetune", 3, {}, {"kind": "pretend"}, {"kind": ["finetune"]}])
def test_what_is_no_request_is_refused(raw: Any) -> None:
    assert _messages(raw)


@pytest.mark.parametrize("text", ["a\x00b", "tab\there", "\ud800", "line\n"])
def test_text_that_no_database_stores_is_refused(finetune: dict[str, Any], text: str) -> None:
    messages = _messages(_changed(finetune, data={"repo": "a/b", "columns": {"text": text}}))
    assert messages == {"data.columns.text": "has characters that are not allowed"}


def test_a_key_that_no_database_stores_is_refused(finetune: dict[str, Any]) -> None:
    assert "has characters" in next(iter(_messages(_changed(finetune, **{"a\x00": 1})).values()))


def test_whole_numbers_are_written_without_a_point(finetune: dict[str, Any]) -> None:
    parsed = spec_parse(_changed(finetune, train={"seed": 3.0, "epochs": 2.0}))
    assert (parsed["train"]["seed"], parsed["train"]["epochs"]) == (3, 2)
    assert isinstance(parsed["train"]["seed"], int)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(part=st.sampled_from(sorted(schema("finetune")["properties"])), value=json_values)
def test_any_value_in_any_part_is_accepted_or_refused(part: str, value: Any) -> None:
    names = {"base": "alice/encoder", "data": "alice/reviews", "output": "alice/tuned"}
    whole = {"kind": "finetune", "task": "text-classification"} | {key: {"repo": name} for key, name in names.items()}
    with suppress(JobSpecError):  # anything else would be a defect
        assert spec_parse(whole | {part: value})["kind"] in KINDS
