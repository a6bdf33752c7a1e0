"""Geometry of scales and curves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.web.charts import loss_chart, number, percent, scale_of

shares = st.floats(0, 1, allow_nan=False)


@given(shares, shares, shares, shares)
def test_everything_on_a_scale_lies_between_its_ends(value: float, one: float, two: float, baseline: float) -> None:
    low, high = min(one, two, value), max(one, two, value)
    scale = scale_of(value, low, high, baseline)
    for place in (scale.point, scale.start, scale.end, scale.baseline):
        assert 0 <= float(place.rstrip("%")) <= 100
    assert float(scale.low_end) <= min(low, baseline) + 1e-9
    assert float(scale.high_end) >= max(high, baseline) - 1e-9


def test_a_place_outside_is_put_at_the_end() -> None:
    assert percent(2, 0, 1) == "100.00%"
    assert percent(-1, 0, 1) == "0.00%"


@pytest.mark.parametrize("value", [None, "NaN", math.nan, math.inf, True, [1]])
def test_what_is_no_finite_number_is_none(value: object) -> None:
    assert number(value) is None


def test_a_curve_needs_a_step() -> None:
    assert loss_chart([], [], None) is None
    assert loss_chart([{"step": 1, "loss": "NaN"}], [], 10) is None


def test_a_curve_leaves_room_for_what_is_to_come() -> None:
    chart = loss_chart(
        [{"step": 0, "loss": 4.6}, {"step": 50, "loss": 1.0}], [{"step": 50, "metrics": {"loss": 1.2}}], 100
    )
    assert chart is not None
    assert chart.ahead == 50
    assert chart.top == 5
    assert chart.y_labels == ("5", "3.75", "2.5", "1.25", "0")
    assert chart.raw.startswith("M0.0 4.8")
    assert chart.dots == "M50.0 45.6h0"
