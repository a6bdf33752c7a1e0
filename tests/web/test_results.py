"""Results that cards declare, well-formed and not."""

from __future__ import annotations

from typing import Any

import pytest

from registry.web.results import results_of


def _index(metric: dict[str, Any]) -> dict[str, Any]:
    dataset = {"name": "Set", "type": "acme/set", "split": "test"}
    return {"model-index": [{"name": "m", "results": [{"dataset": dataset, "metrics": [metric]}]}]}


def test_a_result_shows_its_interval_and_count() -> None:
    row = results_of(_index({"type": "accuracy", "value": 0.842, "args": {"n": 100, "low": 0.8, "high": 0.88}}))[0]
    assert (row.metric, row.value, row.low, row.high, row.count) == ("Accuracy", "0.842", 0.8, 0.88, 100)
    assert row.scale is not None


def test_an_interval_may_be_a_pair() -> None:
    row = results_of(_index({"type": "f1", "value": 0.5, "confidence_interval": [0.4, 0.6]}))[0]
    assert (row.low, row.high) == (0.4, 0.6)


def test_a_value_that_is_no_share_has_no_scale() -> None:
    row = results_of(_index({"type": "perplexity", "value": 1234.5}))[0]
    assert (row.value, row.scale) == ("1,234", None)


@pytest.mark.parametrize(
    "card",
    [None, {}, {"model-index": None}, {"model-index": "x"}, {"model-index": [1, {"results": "x"}]},
     {"model-index": [{"results": [{"metrics": [{"value": {"a": 1}}, 3, {"value": "NaN", "args": 7}]}]}]}],
)  # fmt: skip
def test_misshapen_results_break_nothing(card: dict[str, Any] | None) -> None:
    assert all(row.scale is None for row in results_of(card))


def test_at_most_forty_rows_are_shown() -> None:
    metrics = [{"type": "m", "value": 0.1}] * 100
    assert len(results_of({"model-index": [{"results": [{"metrics": metrics}]}]})) == 40
