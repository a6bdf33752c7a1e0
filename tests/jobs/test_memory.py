"""The memory estimate against measured peaks, and how it moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.jobs.memory import Shape, estimate, readable, shape_from_config
from registry.jobs.specs import spec_parse

MINILM = Shape(parameters=22_700_000, layers=6, hidden=384, intermediate=1536)


def _spec(method: str = "full", **parts: Any) -> dict[str, Any]:
    whole = {
        "kind": "finetune",
        "task": "text-classification",
        "base": {"repo": "a/m"},
        "data": {"repo": "a/d"},
        "output": {"repo": "a/o"},
        "method": {"name": method},
    }
    return spec_parse({**whole, **parts})


@pytest.mark.parametrize(("method", "peak"), [("full", 1.05e9), ("lora", 0.97e9), ("frozen", 0.97e9)])
def test_it_is_not_below_the_measured_peak_and_not_far_above(method: str, peak: float) -> None:
    guess = estimate(_spec(method, train={"micro_batch": 16, "max_length": 32}), MINILM, None)
    assert peak <= guess.total_bytes <= 1.4 * peak


def test_lora_counts_what_it_trains() -> None:
    trainable = estimate(_spec("lora"), MINILM, None).trainable_parameters
    assert trainable == pytest.approx(0.68e6, rel=0.05)  # measured: r=16 on all linear layers and the head


def test_full_training_needs_sixteen_bytes_a_parameter_and_two_more_in_bf16() -> None:
    shape = Shape(1_000_000_000, 24, 2048, 8192)
    full = estimate(_spec(train={"precision": "fp32"}), shape, None)
    half = estimate(_spec(train={"precision": "bf16"}), shape, None)
    assert (full.weights_bytes + full.training_bytes) / 1e9 == pytest.approx(16, rel=0.01)
    assert (half.weights_bytes + half.training_bytes) / 1e9 == pytest.approx(18, rel=0.01)


def test_methods_are_ordered_by_need() -> None:
    shape = Shape(1_000_000_000, 24, 2048, 8192)
    full, lora, frozen = (estimate(_spec(name), shape, None).total_bytes for name in ("full", "lora", "frozen"))
    assert full > lora > frozen


def test_checkpointing_saves_activations() -> None:
    plain = estimate(_spec(), MINILM, None)
    saving = estimate(_spec(train={"gradient_checkpointing": True}), MINILM, None)
    assert saving.activation_bytes * 10 <= plain.activation_bytes <= saving.activation_bytes * 17


@given(st.integers(1, 10**11), st.sampled_from(["full", "lora", "frozen"]))
def test_more_parameters_never_need_less(parameters: int, method: str) -> None:
    small = estimate(_spec(method), Shape(parameters, 6, 384, 1536), None)
    large = estimate(_spec(method), Shape(parameters * 2, 6, 384, 1536), None)
    assert 0 < small.minimum_bytes <= small.total_bytes <= large.total_bytes


def test_time_is_told_only_where_the_amount_of_work_is_known() -> None:
    assert estimate(_spec(), MINILM, None).seconds is None
    assert estimate(_spec(train={"max_steps": 10}), MINILM, None).seconds is not None
    guess = estimate(_spec(train={"micro_batch": 16, "max_length": 32}), MINILM, 1600 * 25 * 4).seconds
    assert guess is not None
    assert 48 / 3 < guess < 48 * 3  # measured: 48 CPU seconds


def test_an_evaluation_trains_nothing(evaluate: dict[str, Any]) -> None:
    guess = estimate(spec_parse(evaluate), MINILM, 1000)
    assert (guess.training_bytes, guess.trainable_parameters) == (0, 0)


@pytest.mark.parametrize(
    ("config", "layers", "hidden"),
    [
        ({"num_hidden_layers": 6, "hidden_size": 384}, 6, 384),
        ({"n_layer": 12, "n_embd": 768}, 12, 768),
        ({"n_layers": 6, "dim": 768}, 6, 768),
        ({"num_layers": 8, "d_model": 512}, 8, 512),
        ({"num_hidden_layers": "6", "hidden_size": None}, 12, 397),
        ({}, 12, 397),
    ],
)
def test_shapes_are_read_under_every_name(config: dict[str, Any], layers: int, hidden: int) -> None:
    shape = shape_from_config(config, 22_700_000)
    assert (shape.layers, shape.hidden) == (layers, hidden)


def test_a_model_without_weights_still_has_a_shape() -> None:
    assert shape_from_config({}, 0).hidden == 1


@pytest.mark.parametrize(
    ("size", "text"), [(31_400_000_000, "31 GB"), (940_000_000, "0.9 GB"), (9_960_000_000, "10.0 GB")]
)
def test_sizes_are_written_as_people_compare_them(size: int, text: str) -> None:
    assert readable(size) == text
