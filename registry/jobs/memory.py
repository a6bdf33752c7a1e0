"""How much memory and time a job will take, from shapes alone. Pure.

Bytes = P x (weights + gradients + optimizer) + activations + fixed, then 10 % (design: jobs, The request). Checked
against the peaks measured for a 22.7 M parameter encoder (ML stack, 3): never below, at most 36 % above, for full, LoRA
and frozen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_FP32, _BF16 = 4, 2
# Weights, gradients and the two moments of AdamW, all fp32; a bf16 copy of the weights adds two bytes.
_TRAINED_BYTES = 16
# Activations a transformer keeps for the backward pass, in units of (layers x hidden x tokens): 2 with gradient
# checkpointing, else 10 to 17 times that, depending on the attention kernel.
_CHECKPOINTED, _UNCHECKPOINTED = 2, 2 * 14
# Interpreter, torch and transformers resident on a CPU; on a GPU the CUDA context and its kernels.
_FIXED_CPU, _FIXED_GPU = 800_000_000, 1_200_000_000
_MARGIN = 1.10
_AUTO_MICRO_BATCH = 8
# Sustained rates, for an order of magnitude of the time: one CPU worker of two cores, one data-centre GPU.
_CPU_FLOPS, _GPU_FLOPS = 1.5e11, 5e13
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """What the estimate needs to know of a model.

    Attributes:
        parameters: their number.
        layers, hidden, intermediate: depth, width, and width of the feed-forward part.
    """

    parameters: int
    layers: int
    hidden: int
    intermediate: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes by part, and a rough time.

    Attributes:
        total_bytes: with the micro batch asked for (8 where it is `auto`).
        minimum_bytes: with one row at a time; what a worker must have at least where the micro batch is `auto`.
        trainable_parameters: how many of the parameters change.
        seconds: order of magnitude; None where the size of the data is not known.
    """

    total_bytes: int
    minimum_bytes: int
    weights_bytes: int
    training_bytes: int
    activation_bytes: int
    fixed_bytes: int
    trainable_parameters: int
    micro_batch: int
    device: str
    seconds: int | None

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON-serialisable fields."""
        return asdict(self)


def shape_from_config(config: Mapping[str, Any], parameters: int) -> Shape:
    """Reads depth and width from `config.json`; unknown architectures get the shape of a square transformer.

    Names differ by architecture: BERT says `num_hidden_layers`/`hidden_size`, GPT-2 `n_layer`/`n_embd`, DistilBERT
    `n_layers`/`dim`, T5 `num_layers`/`d_model`.
    """
    layers = _first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers") or 12
    # A transformer layer has about 12 h^2 parameters.
    hidden = _first(config, "hidden_size", "n_embd", "dim", "d_model") or math.isqrt(parameters // (12 * layers)) or 1
    intermediate = _first(config, "intermediate_size", "n_inner", "hidden_dim", "d_ff") or 4 * hidden
    return Shape(parameters, layers, hidden, intermediate)


def estimate(spec: Mapping[str, Any], shape: Shape, dataset_bytes: int | None) -> Estimate:
    """Estimates one job.

    Args:
        spec: expanded spec.
        shape: of the model to train or evaluate.
        dataset_bytes: size of the dataset's files; None if unknown.
    """
    on_gpu = spec["limits"]["gpus"] > 0
    method = spec["method"]["name"] if spec["kind"] == "finetune" else "evaluate"
    width = _precision_bytes(spec, on_gpu=on_gpu)
    trainable = _trainable(spec, shape, method)
    weights = shape.parameters * (_FP32 if method == "full" else width)
    training = _training_bytes(trainable, method, width)
    row = _activation_row(spec, shape, method, width)
    fixed = _FIXED_GPU if on_gpu else _FIXED_CPU
    micro, smallest = _batches(spec)
    standing = weights + training + fixed
    return Estimate(
        total_bytes=int((standing + row * micro) * _MARGIN),
        minimum_bytes=int((standing + row * smallest) * _MARGIN),
        weights_bytes=weights,
        training_bytes=training,
        activation_bytes=row * micro,
        fixed_bytes=fixed,
        trainable_parameters=trainable,
        micro_batch=micro,
        device="gpu" if on_gpu else "cpu",
        seconds=_seconds(spec, shape, method, dataset_bytes),
    )


def readable(size: int) -> str:
    """Formats bytes as people compare them: `31 GB`, `0.9 GB`."""
    gigabytes = size / 1e9
    return f"{gigabytes:.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB"  # noqa: PLR2004 (two digits are enough)


def _first(config: Mapping[str, Any], *names: str) -> int:
    values = (config.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _precision_bytes(spec: Mapping[str, Any], *, on_gpu: bool) -> int:
    asked = spec["train"]["precision"] if spec["kind"] == "finetune" else "auto"
    return _BF16 if asked == "bf16" or (asked == "auto" and on_gpu) else _FP32


def _trainable(spec: Mapping[str, Any], shape: Shape, method: str) -> int:
    head = shape.hidden * 2
    if method == "full":
        return shape.parameters + head
    if method == "lora":
        # Rank-r pairs on four square projections and two of the feed-forward part (`auto`: every linear layer).
        attention, feed_forward = 4 * (2 * shape.hidden), 2 * (shape.hidden + shape.intermediate)
        return int(spec["method"]["r"]) * (attention + feed_forward) * shape.layers + head
    return head if method == "frozen" else 0


def _training_bytes(trainable: int, method: str, width: int) -> int:
    if method == "full":  # the fp32 weights are counted apart
        copy = _BF16 if width == _BF16 else 0
        return trainable * (_TRAINED_BYTES - _FP32 + copy)
    return trainable * _TRAINED_BYTES


def _activation_row(spec: Mapping[str, Any], shape: Shape, method: str, width: int) -> int:
    """Bytes of activations for one row; without a backward pass through the encoder only one layer's are alive."""
    backward = method in {"full", "lora"}
    tokens = spec["train"]["max_length"] if spec["kind"] == "finetune" else spec["eval"]["max_length"]
    checkpointed = backward and spec["train"]["gradient_checkpointing"]
    factor = _CHECKPOINTED if checkpointed else _UNCHECKPOINTED
    return factor * (shape.layers if backward else 1) * shape.hidden * int(tokens) * width


def _batches(spec: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the micro batch to count with and the smallest one the worker may fall back to."""
    if spec["kind"] == "evaluate":
        return int(spec["eval"]["batch"]), 1
    asked = spec["train"]["micro_batch"]
    if asked == "auto":
        return min(_AUTO_MICRO_BATCH, int(spec["train"]["effective_batch"])), 1
    return int(asked), int(asked)


def _seconds(spec: Mapping[str, Any], shape: Shape, method: str, dataset_bytes: int | None) -> int | None:
    """Forward costs 2 P operations a token, a backward pass 4 more (2 where the weights stay frozen)."""
    if method == "evaluate":
        rounds, steps_tokens = 1.0, None
    else:
        train = spec["train"]
        rounds = float(train["epochs"])
        steps_tokens = train["max_steps"] and train["max_steps"] * train["effective_batch"] * train["max_length"]
    if dataset_bytes is None and steps_tokens is None:
        return None
    tokens = steps_tokens if steps_tokens is not None else (dataset_bytes or 0) / _BYTES_PER_TOKEN * rounds
    per_token = {"full": 6, "lora": 4, "frozen": 2, "evaluate": 2}[method] * shape.parameters
    return math.ceil(tokens * per_token / (_GPU_FLOPS if spec["limits"]["gpus"] else _CPU_FLOPS))
