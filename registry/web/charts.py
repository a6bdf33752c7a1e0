"""Geometry of scales and curves: data in, numbers for SVG attributes out. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_HEIGHT: Final = 60.0
_SMOOTHING: Final = 0.85  # weight of the past in the smoothed line, about seven steps of memory


def percent(value: float, low: float, high: float) -> str:
    """Returns where a value stands between two ends, kept inside them: `68.40%`."""
    share = 0.5 if high <= low else (value - low) / (high - low)
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def number(value: Any) -> float | None:
    """Returns a finite number, or None: metrics come from outside and may be the text `NaN`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Scale:
    """One measured value on a graduated scale with its interval and baseline; positions are SVG percentages."""

    low_end: str
    middle: str
    high_end: str
    point: str
    start: str
    width: str
    end: str
    baseline: str


def scale_of(value: float, low: float | None, high: float | None, baseline: float | None) -> Scale:
    """Places a value on the part of a scale that shows interval and baseline; shares stay within 0 to 1."""
    known = [value, *(item for item in (low, high, baseline) if item is not None)]
    first, last = _ends(min(known), max(known))
    begin, end = (low if low is not None else value), (high if high is not None else value)
    width = float(percent(end, first, last)[:-1]) - float(percent(begin, first, last)[:-1])
    return Scale(
        low_end=f"{first:g}",
        middle=f"{(first + last) / 2:g}",
        high_end=f"{last:g}",
        point=percent(value, first, last),
        start=percent(begin, first, last),
        width=f"{max(width, 0):.2f}%",
        end=percent(end, first, last),
        baseline="" if baseline is None else percent(baseline, first, last),
    )


def _ends(lowest: float, highest: float) -> tuple[float, float]:
    """Returns round ends around what is shown: the whole 0 to 1, or the half, quarter or tenth that holds it all."""
    if lowest < 0 or highest > 1:
        return (math.floor(lowest), math.ceil(highest) if highest > lowest else math.floor(lowest) + 1)
    for step in (0.1, 0.2, 0.5):
        first = math.floor(lowest / step) * step
        if highest <= first + step:
            return round(first, 4), round(min(1.0, first + step), 4)
    return 0.0, 1.0


@dataclass(frozen=True, slots=True)
class Chart:
    """A loss curve: paths in a box of 100 by 60, and the labels beside it."""

    raw: str
    line: str
    evaluation: str
    dots: str
    ahead: float
    y_labels: tuple[str, ...]
    x_labels: tuple[str, ...]
    top: float
    last_step: int
    sentence: str


def loss_chart(
    steps: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], total_steps: int | None
) -> Chart | None:
    """Draws training loss, its smoothed line, and evaluation loss; None while there is nothing to draw."""
    training = [(point["step"], loss) for point in steps if (loss := number(point.get("loss"))) is not None]
    measured = [
        (point["step"], loss)
        for point in evaluations
        if point.get("phase") != "before" and (loss := number((point.get("metrics") or {}).get("loss"))) is not None
    ]
    if not training:
        return None
    reached = max(step for step, _ in [*training, *measured])
    last = max(total_steps or 0, reached, 1)
    top = _round_up(max(loss for _, loss in [*training, *measured]))
    place = [(100 * step / last, _HEIGHT * (1 - loss / top)) for step, loss in training]
    smooth = _smoothed([y for _, y in place])
    marks = [(100 * step / last, _HEIGHT * (1 - loss / top)) for step, loss in measured]
    return Chart(
        raw=_path(place),
        line=_path([(x, y) for (x, _), y in zip(place, smooth, strict=True)]),
        evaluation=_path(marks),
        dots="".join(f"M{x:.1f} {y:.1f}h0" for x, y in marks),
        ahead=100 * reached / last,
        y_labels=tuple(f"{top * share:.3g}" for share in (1, 0.75, 0.5, 0.25, 0)),
        x_labels=tuple(f"{round(last * share):,}" for share in (0, 0.25, 0.5, 0.75, 1)),
        top=top,
        last_step=last,
        sentence=f"Training loss goes from {training[0][1]:.3g} at step {training[0][0]:,} to {training[-1][1]:.3g} at "
        f"step {training[-1][0]:,}.",
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {max(0.0, y):.1f}" for x, y in points) if points else ""


def _smoothed(values: Sequence[float]) -> list[float]:
    """Exponential moving average, corrected for its start as in Adam."""
    result, mean = [], 0.0
    for index, value in enumerate(values):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        result.append(mean / (1 - _SMOOTHING ** (index + 1)))
    return result


def _round_up(value: float) -> float:
    """Returns the next factor whose quarters are round numbers, times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        (power * factor for factor in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8) if value <= power * factor), power * 10
    )
