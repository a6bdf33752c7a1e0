"""A job as its page shows it: the line of states, tiles with intervals, the curve, inputs and settings."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.jobs import selectors
from registry.jobs.models import Job, JobEvent
from registry.jobs.states import State
from registry.licensing.models import DecisionRecord
from registry.web.charts import Chart, Scale, loss_chart, number, scale_of
from registry.web.weighing import WORDS, tone_of

_LINE = (State.QUEUED, State.STARTING, State.RUNNING, State.FINALIZING, State.SUCCEEDED)
_WHAT = {"lora": "LoRA training of", "full": "Full training of", "frozen": "Training of a head on"}
_LABEL = {
    "accuracy": "Accuracy",
    "f1_macro": "Macro F1",
    "f1_weighted": "Weighted F1",
    "precision_macro": "Macro precision",
    "recall_macro": "Macro recall",
    "majority": "always the most frequent label",
    "tfidf_logistic_regression": "TF-IDF with logistic regression",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the line of states; `mark` is `done`, `now` or empty."""

    state: str
    label: str
    mark: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One final metric with its interval, its scale, and what it is compared with."""

    name: str
    label: str
    value: float
    low: float | None
    high: float | None
    count: int | None
    before: float | None
    baseline: float | None
    baseline_name: str
    scale: Scale

    @property
    def above_baseline(self) -> bool | None:
        """True if the whole interval lies over the baseline; None where there is nothing to compare."""
        if self.baseline is None:
            return None
        return (self.low if self.low is not None else self.value) > self.baseline


@dataclass(frozen=True, slots=True)
class Input:
    """A model or dataset that went in, with the decision that let it."""

    part: str
    repository: Any
    name: str
    revision: str
    decision: DecisionRecord | None
    tone: str
    word: str


@dataclass(frozen=True)
class JobView:
    """Everything the page reads beside the row."""

    line: list[Step]
    metrics: list[Metric]
    evaluations: list[dict[str, Any]]
    metric_names: list[str]
    chart: Chart | None
    inputs: list[Input]
    settings: list[tuple[str, str]]
    last_event_id: int
    title: str
    what: str
    speed: str | None
    step: int
    total_steps: int | None
    points: dict[str, Any]
    spec_text: str

    @property
    def ahead_start(self) -> float:
        """Where what is still to come begins, in the chart's units."""
        return self.chart.ahead if self.chart else 0

    @property
    def ahead_width(self) -> float:
        """Width of what is still to come, in the chart's units."""
        return 100 - (self.chart.ahead if self.chart else 0)

    @property
    def last_loss(self) -> float | None:
        """Training loss of the last step; None before the first."""
        return self.points["steps"][-1][1] if self.points["steps"] else None

    @property
    def evaluation_rows(self) -> list[dict[str, Any]]:
        """Evaluations, newest first, with one cell for each metric."""
        return [
            {
                "step": item["step"],
                "phase": item.get("phase") or "",
                "loss": _shown((item.get("metrics") or {}).get("loss")),
                "cells": [_shown((item.get("metrics") or {}).get(name)) for name in self.metric_names],
            }
            for item in self.evaluations
        ]


def _shown(value: Any) -> str | None:
    found = number(value)
    return None if found is None else f"{found:.3f}"


def job_view(job: Job) -> JobView:
    """Reads what the page of a job needs (about five queries)."""
    curve = selectors.loss_curve(job)
    last = JobEvent.objects.filter(job=job).order_by("-pk").values_list("pk", flat=True).first()
    names = list(
        dict.fromkeys(name for item in curve.evaluations for name in item.get("metrics") or () if name != "loss")
    )
    return JobView(
        line=_line(job),
        metrics=metrics_of(job.metrics),
        evaluations=curve.evaluations[::-1],
        metric_names=names,
        chart=loss_chart(curve.steps, curve.evaluations, curve.total_steps),
        inputs=_inputs(job),
        settings=_settings(job),
        last_event_id=last or 0,
        title=_title(job),
        what=_WHAT.get((job.spec.get("method") or {}).get("name", ""), "Evaluation of"),
        speed=_speed(job),
        step=curve.steps[-1]["step"] if curve.steps else 0,
        total_steps=curve.total_steps,
        points=_points(curve),
        spec_text=json.dumps(job.spec, indent=2),
    )


def _points(curve: selectors.LossCurve) -> dict[str, Any]:
    """Returns what the page's script goes on from: [step, loss] pairs."""
    return {
        "steps": [[item["step"], loss] for item in curve.steps if (loss := number(item.get("loss"))) is not None],
        "evaluations": [
            [item["step"], loss]
            for item in curve.evaluations
            if item.get("phase") != "before" and (loss := number((item.get("metrics") or {}).get("loss"))) is not None
        ],
        "total": curve.total_steps,
    }


def metric_label(name: str) -> str:
    """Returns a metric or baseline in words."""
    return _LABEL.get(name, name.replace("_", " ").capitalize())


def _speed(job: Job) -> str | None:
    """Returns rows a second as the last step told."""
    last = JobEvent.objects.filter(job=job, kind="step").order_by("-pk").values_list("payload", flat=True).first()
    value = number((last or {}).get("samples_per_second"))
    return None if value is None else f"{value:.3g}"


def _title(job: Job) -> str:
    verb = "Fine-tune" if job.kind == "finetune" else "Evaluate"
    name = (job.spec.get("output") or {}).get("repo") if job.kind == "finetune" else job.spec["model"]["repo"]
    return f"{verb} {str(name).rpartition('/')[2]}"


def _line(job: Job) -> list[Step]:
    """Returns the stations; a job that ended early shows its own end instead of `succeeded`."""
    entered: dict[str, datetime] = {State.QUEUED: job.created_at}
    for payload, at in JobEvent.objects.filter(job=job, kind="state").order_by("pk").values_list("payload", "at"):
        entered[str(payload.get("to") or payload.get("state") or "")] = at
    line = [*_LINE]
    if job.is_terminal and job.state != State.SUCCEEDED:
        line = [state for state in _LINE[:-1] if state in entered] + [State(job.state)]
    elif job.state == State.STOPPING:
        line = [state for state in _LINE[:3] if state in entered] + [State.STOPPING]
    position = line.index(State(job.state)) if job.state in line else 0
    steps = []
    for index, state in enumerate(line):
        mark = "done" if index < position or job.is_terminal else "now" if index == position else ""
        steps.append(Step(state, Job(state=state).get_state_display(), mark, entered.get(state) if mark else None))
    return steps


def metrics_of(metrics: Mapping[str, Any]) -> list[Metric]:
    """Reads the worker's report; what is misshapen in it is left out."""
    final = metrics.get("final") or {}
    baselines = metrics.get("baselines") or {}
    result = []
    for name, item in final.items() if isinstance(final, dict) else ():
        value = number(item.get("value")) if isinstance(item, dict) else None
        if value is None:
            continue
        best, best_name = _best_baseline(baselines, name)
        low, high = number(item.get("low")), number(item.get("high"))
        result.append(
            Metric(
                name=name,
                label=metric_label(name),
                value=value,
                low=low,
                high=high,
                count=item.get("n"),
                before=_value(metrics.get("before"), name),
                baseline=best,
                baseline_name=metric_label(best_name),
                scale=scale_of(value, low, high, best),
            )
        )
    return result


def _value(measured: Any, name: str) -> float | None:
    item = measured.get(name) if isinstance(measured, dict) else None
    return number(item.get("value")) if isinstance(item, dict) else None


def _best_baseline(baselines: Any, name: str) -> tuple[float | None, str]:
    found = [
        (value, baseline)
        for baseline, measured in (baselines.items() if isinstance(baselines, dict) else ())
        if (value := _value(measured, name)) is not None
    ]
    return max(found) if found else (None, "")


def _inputs(job: Job) -> list[Input]:
    part = "base" if job.kind == "finetune" else "model"
    records = {record.repository_id: record for record in DecisionRecord.objects.filter(pk__in=job.decision_ids)}
    rows = []
    for name, repository, label in (
        (part, job.base, "Base model" if part == "base" else "Model"),
        ("data", job.dataset, "Dataset"),
    ):
        wanted = job.spec.get(name) or {}
        record = records.get(repository.pk) if repository is not None else None
        tone = tone_of(record.verdict if record is not None else "allow")
        rows.append(
            Input(label, repository, wanted.get("repo", ""), wanted.get("revision", ""), record, tone, WORDS[tone])
        )
    return rows


def _settings(job: Job) -> list[tuple[str, str]]:
    """Returns (name, value) of the settings people look for, with what `auto` became."""
    spec, resolved = job.spec, job.resolved
    train, limits = spec.get("train") or {}, spec.get("limits") or {}
    method = spec.get("method") or {}
    rows = [
        ("Task", job.task.replace("-", " ")),
        (
            "Method",
            " ".join(str(part) for part in (method.get("name"), f"r {method['r']}" if "r" in method else "") if part),
        ),
        ("Rate", _auto(train.get("lr"), resolved.get("train.lr"))),
        ("Batch", _auto(train.get("micro_batch"), resolved.get("train.micro_batch"))),
        ("Effective batch", str(train.get("effective_batch", ""))),
        ("Epochs", str(train.get("epochs", ""))),
        (
            "Longest text",
            f"{length} tokens"
            if (length := train.get("max_length") or (spec.get("eval") or {}).get("max_length"))
            else "",
        ),
        ("Precision", _auto(train.get("precision"), resolved.get("train.precision"))),
        ("Seed", str(train.get("seed", ""))),
        ("Time limit", f"{limits['wall_seconds'] // 60} min" if limits.get("wall_seconds") else ""),
        ("Worker", job.worker.name if job.worker else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _auto(asked: Any, settled: Any) -> str:
    if asked != "auto":
        return "" if asked is None else f"{asked}"
    return "auto" if settled is None else f"{settled:.3g}, found" if isinstance(settled, float) else f"{settled}, found"


def last_log_lines(job: Job, limit: int) -> list[dict[str, Any]]:
    """Returns the last log lines and warnings: `{at, text, kind}`."""
    rows = JobEvent.objects.filter(job=job, kind__in=["log", "warning", "phase", "eval"]).order_by("-pk")
    lines: deque[dict[str, Any]] = deque()
    for kind, at, payload in rows.values_list("kind", "at", "payload")[:limit]:
        lines.appendleft({"at": at, "kind": kind, "text": log_text(kind, payload)})
    return list(lines)


def log_text(kind: str, payload: Mapping[str, Any]) -> str:
    """Returns one event as a line of the log (the page's script says the same)."""
    if kind == "log":
        return str(payload.get("line", ""))
    if kind == "warning":
        return str(payload.get("message", ""))
    if kind == "phase":
        return str(payload.get("message") or payload.get("name", ""))
    metrics = payload.get("metrics") or {}
    shown = "  ".join(f"{name} {value:.4g}" for name, item in metrics.items() if (value := number(item)) is not None)
    return f"step {payload.get('step', '')}  {shown}"
