"""Results that a card declares (`model-index`) as rows of a table. Strangers write cards: nothing here raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.web.charts import Scale, number, scale_of
from registry.web.job_view import metric_label

_MAX_ROWS: Final = 40
_INTERVAL_KEYS: Final = ("confidence_interval", "interval", "ci")


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value; `scale` is there for shares from 0 to 1."""

    dataset: str
    dataset_name: str
    split: str
    metric: str
    value: str
    low: float | None
    high: float | None
    count: int | None
    scale: Scale | None
    verified: bool


def results_of(card: Mapping[str, Any] | None) -> list[Result]:
    """Returns at most 40 results; entries without a number are shown as text, misshapen ones are left out."""
    rows = []
    for dataset, metric in _metrics((card or {}).get("model-index")):
        rows.append(_result(dataset, metric))
        if len(rows) >= _MAX_ROWS:
            break
    return rows


def _metrics(index: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for entry in _maps(index):
        for result in _maps(entry.get("results")):
            dataset = result.get("dataset")
            for metric in _maps(result.get("metrics")):
                yield dataset if isinstance(dataset, dict) else {}, metric


def _maps(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _result(dataset: Mapping[str, Any], metric: Mapping[str, Any]) -> Result:
    value = number(metric.get("value"))
    low, high = _interval(metric)
    arguments = metric.get("args") if isinstance(metric.get("args"), dict) else {}
    count = arguments.get("n") if isinstance(arguments, dict) else None
    share = value is not None and 0 <= value <= 1
    return Result(
        dataset=_text(dataset.get("type")),
        dataset_name=_text(dataset.get("name")) or _text(dataset.get("type")),
        split=_text(dataset.get("split")),
        metric=_text(metric.get("name")) or metric_label(_text(metric.get("type")) or "value"),
        value=_text(metric.get("value")) if value is None else f"{value:.3f}" if share else f"{value:,.4g}",
        low=low,
        high=high,
        count=count if isinstance(count, int) else None,
        scale=scale_of(value, low, high, None) if share and value is not None else None,
        verified=metric.get("verified") is True,
    )


def _interval(metric: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Reads an interval from the metric or its `args`: a pair, or `low`/`high` (also with a prefix as in `ci_low`)."""
    arguments = metric.get("args")
    for source in (metric, arguments if isinstance(arguments, dict) else {}):
        for key in _INTERVAL_KEYS:
            pair = source.get(key)
            if isinstance(pair, list) and len(pair) == 2:  # noqa: PLR2004 (low, high)
                return number(pair[0]), number(pair[1])
        low, high = number(source.get("low")), number(source.get("high"))
        if low is not None and high is not None:
            return low, high
    return None, None


def _text(value: Any) -> str:
    return str(value)[:120] if isinstance(value, str | int | float) else ""
