"""The job's request as frozen values (worker protocol 1): what the hub has validated and expanded, read once.

Values that the request left to `auto` are `None` here until `resolved` values of an earlier attempt or the recipe
settle them, so that a resumed attempt continues with the very numbers the first one began with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workers.failures import FailureCode, JobFailedError

AUTO = "auto"


@dataclass(frozen=True)
class HeldOut:
    """An evaluation split drawn from another one."""

    source: str
    fraction: float
    seed: int
    stratify: bool


@dataclass(frozen=True)
class DataSpec:
    """Which rows: repository at a commit, configuration, splits, columns."""

    repo: str
    revision: str
    config: str | None
    train: str
    evaluation: str | HeldOut
    columns: dict[str, str]


@dataclass(frozen=True)
class MethodSpec:
    """How the weights are changed: `full`, `frozen` or `lora` with its options."""

    name: str
    pooling: str = "mean"
    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TrainSpec:
    """The optimisation."""

    epochs: float
    max_steps: int | None
    micro_batch: int | None
    effective_batch: int
    lr: float | None
    schedule: str
    warmup_steps: int
    weight_decay: float
    max_length: int
    seed: int
    precision: str | None
    deterministic: bool
    gradient_checkpointing: bool
    checkpoint_steps: int | None


@dataclass(frozen=True)
class EvalSpec:
    """What is measured, how often, and which metric chooses the weights."""

    metrics: tuple[str, ...]
    every: int | None
    select: str


@dataclass(frozen=True)
class FinetuneSpec:
    """A whole `finetune` request."""

    base_repo: str
    base_revision: str
    data: DataSpec
    method: MethodSpec
    train: TrainSpec
    evaluation: EvalSpec


@dataclass(frozen=True)
class EvaluateSpec:
    """A whole `evaluate` request."""

    model_repo: str
    model_revision: str
    data: DataSpec
    metrics: tuple[str, ...]
    batch: int
    max_length: int
    seed: int
    confidence: float
    max_rows: int | None


def parse_finetune(spec: dict[str, Any], resolved: dict[str, Any]) -> FinetuneSpec:
    """Reads an expanded `finetune` spec; `resolved` wins over `auto`.

    Raises:
        JobFailedError: `bad_spec` naming the key this worker cannot read.
    """
    try:
        return FinetuneSpec(
            base_repo=spec["base"]["repo"],
            base_revision=spec["base"]["revision"],
            data=_data(spec["data"]),
            method=_method(spec["method"], resolved),
            train=_train(spec["train"], resolved),
            evaluation=_evaluation(spec["eval"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise JobFailedError(FailureCode.BAD_SPEC, f"this worker cannot read the request: {error!r}") from error


def parse_evaluate(spec: dict[str, Any]) -> EvaluateSpec:
    """Reads an expanded `evaluate` spec.

    Raises:
        JobFailedError: `bad_spec` naming the key this worker cannot read.
    """
    try:
        options = spec["eval"]
        return EvaluateSpec(
            model_repo=spec["model"]["repo"],
            model_revision=spec["model"]["revision"],
            data=_data(spec["data"]),
            metrics=tuple(options["metrics"]),
            batch=int(options["batch"]),
            max_length=int(options["max_length"]),
            seed=int(options["seed"]),
            confidence=float(options["confidence"]),
            max_rows=options["max_rows"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise JobFailedError(FailureCode.BAD_SPEC, f"this worker cannot read the request: {error!r}") from error


def _data(data: dict[str, Any]) -> DataSpec:
    split = data["split"]
    evaluation = split if isinstance(split, str) else split["eval"]
    return DataSpec(
        repo=data["repo"],
        revision=data["revision"],
        config=data.get("config"),
        train="" if isinstance(split, str) else split["train"],
        evaluation=evaluation if isinstance(evaluation, str) else _held_out(evaluation),
        columns={"text": data["columns"]["text"], "label": data["columns"]["label"]},
    )


def _held_out(split: dict[str, Any]) -> HeldOut:
    return HeldOut(split["from"], float(split["fraction"]), int(split["seed"]), bool(split.get("stratify")))


def _method(method: dict[str, Any], resolved: dict[str, Any]) -> MethodSpec:
    target = resolved.get("method.target", method.get("target", AUTO))
    return MethodSpec(
        name=method["name"],
        pooling=method.get("pooling", "mean"),
        r=int(method.get("r", 16)),
        alpha=int(method.get("alpha", 32)),
        dropout=float(method.get("dropout", 0.0)),
        target=None if target == AUTO else tuple(target),
    )


def _train(train: dict[str, Any], resolved: dict[str, Any]) -> TrainSpec:
    def settled(name: str) -> Any:
        value = train[name]
        return resolved.get(f"train.{name}") if value == AUTO else value

    return TrainSpec(
        epochs=float(train["epochs"]),
        max_steps=train["max_steps"],
        micro_batch=settled("micro_batch"),
        effective_batch=int(train["effective_batch"]),
        lr=settled("lr"),
        schedule=train["schedule"],
        warmup_steps=int(train["warmup_steps"]),
        weight_decay=float(train["weight_decay"]),
        max_length=int(train["max_length"]),
        seed=int(train["seed"]),
        precision=settled("precision"),
        deterministic=bool(train["deterministic"]),
        gradient_checkpointing=bool(train["gradient_checkpointing"]),
        checkpoint_steps=settled("checkpoint_steps"),
    )


def _evaluation(options: dict[str, Any]) -> EvalSpec:
    every = None if options["every"] == "epoch" else int(options["every"])
    return EvalSpec(tuple(dict.fromkeys([*options["metrics"], options["select"]])), every, options["select"])
