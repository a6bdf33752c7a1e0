"""Fine-tunes an encoder to classify texts: minimises -E[log p(label | text)].

Reads top to bottom: load → prepare → model → train → evaluate → card → publish. Beside the result it always reports
the metric before training and two cheap baselines on the same rows. A run stopped with "keep" takes the same path with
the weights it has.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workers import devices
from workers.context import Context
from workers.data.download import DatasetSource, fetch_model
from workers.data.labelled_text import Rows, check_overlap, hold_out, label_names, label_numbers, report
from workers.data.tokens import TokenRows, tokenize
from workers.failures import FailureCode, JobFailedError, JobStoppedError
from workers.methods.frozen import FrozenLearner
from workers.methods.learner import Learner, TextLearner, predict
from workers.methods.lora import linear_targets, wrap_lora
from workers.metrics import baselines
from workers.metrics.classification import Comparison, Labels, Measurement, compare, confusion_matrix, measure, score
from workers.publishing.card import NOTICE_FILE, Results, card_data, card_text, notice_text
from workers.publishing.commit import publish_folder
from workers.publishing.curves import draw_curves, write_log
from workers.publishing.manifest import write_manifest
from workers.spec import DataSpec, FinetuneSpec, HeldOut, parse_finetune
from workers.training import Outcome, Plan, Scores, train

_EVALUATION_BATCH = 32
_RELOADED_ROWS = 32
# In logits. On a GPU the learner evaluates in bf16, which holds three digits.
_RELOAD_TOLERANCE = {"cpu": 1e-3, "cuda": 0.5}


@dataclass(frozen=True)
class Data:
    """Labelled rows of both splits, with labels as numbers into `names`."""

    train: Rows
    evaluation: Rows
    names: list[str]
    train_labels: Labels
    labels: Labels
    report: dict[str, Any]


def run(context: Context) -> dict[str, Any]:
    """Runs the job; returns what `finish` reports: metrics, the published commit, whether it was stopped early.

    Raises:
        JobFailedError: with one of the codes of the closed list.
        JobStoppedError: nothing is to be published.
    """
    spec = parse_finetune(context.claim.spec, context.claim.resolved)
    torch.manual_seed(spec.train.seed)

    context.phase("downloading")
    data = load_data(context, spec.data)
    base = fetch_model(context, spec.base_repo, spec.base_revision)

    context.phase("preparing")
    predictions = baseline_predictions(data, spec.train.seed)
    device = devices.pick_device()
    model, tokenizer = load_base(base, data.names, device)
    settled = devices.settle(spec.train, spec.method.name, model.config.hidden_size, device)
    learner, settled = make_learner(spec, model, tokenizer, data, settled=settled, device=device)
    context.resolved(settled)
    before = measure_learner(learner, spec, data)
    context.channel.emit("eval", step=0, epoch=0, metrics=_values(before), phase="before")

    context.phase("training")
    outcome = train(
        learner,
        torch.from_numpy(data.train_labels).to(device),
        make_plan(spec, settled),
        lambda: quick_scores(learner, spec, data),
        context,
    )
    settled["train.micro_batch"] = outcome.micro_batch

    context.phase("evaluating")
    learner.publishable()  # LoRA: what is measured from here on is the merged model that will be published
    logits = learner.evaluate(_EVALUATION_BATCH)
    predicted = predictions_of(logits)
    final = measure(spec.evaluation.metrics, data.labels, predicted, len(data.names), seed=spec.train.seed)
    context.channel.emit("eval", step=outcome.steps, epoch=spec.train.epochs, metrics=_values(final), phase="final")
    results = Results(
        final=final,
        before=before,
        baselines={name: _measured(spec, data, labels) for name, labels in predictions.items()},
        comparison=compare_with_tfidf(spec, data, predicted, predictions),
        select=spec.evaluation.select,
        data=data.report,
        labels=data.names,
    )
    metrics = metrics_report(results, data, predicted)

    folder = context.folder("output")
    checked = tokenize(tokenizer, data.evaluation.texts[:_RELOADED_ROWS], spec.train.max_length)
    save_model(folder, learner.publishable(), tokenizer, checked, logits)
    write_documents(folder, context, results, metrics=metrics, outcome=outcome, settled=settled, device=device)
    return {"metrics": metrics, "stopped": outcome.stopped, "output_commit": publish(context, folder, spec)}


# --- load ----------------------------------------------------------------------------------------------------


def load_data(context: Context, spec: DataSpec) -> Data:
    """Downloads, checks and splits the rows."""
    source = DatasetSource(context, spec)
    rows = source.rows(spec.train)
    if isinstance(spec.evaluation, HeldOut):
        if spec.evaluation.source != spec.train:
            rows_held_from = source.rows(spec.evaluation.source)
            _, evaluation = _hold_out(rows_held_from, spec.evaluation)
        else:
            rows, evaluation = _hold_out(rows, spec.evaluation)
    else:
        evaluation = source.rows(spec.evaluation)
    names = label_names(rows)
    overlap = check_overlap(rows, evaluation, context.warn)
    return Data(
        train=rows,
        evaluation=evaluation,
        names=names,
        train_labels=label_numbers(rows, names, spec.train),
        labels=label_numbers(evaluation, names, "eval"),
        report=report(rows, evaluation, overlap),
    )


def _hold_out(rows: Rows, split: HeldOut) -> tuple[Rows, Rows]:
    return hold_out(rows, split.fraction, split.seed, stratify=split.stratify)


def load_base(folder: Path, names: list[str], device: torch.device) -> tuple[Any, Any]:
    """Loads the base with a new classification head for these labels, and its tokenizer.

    Raises:
        JobFailedError: `bad_spec` when transformers has no classifier for this model without running its code.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=len(names),
            id2label=dict(enumerate(names)),
            label2id={name: number for number, name in enumerate(names)},
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,  # master weights; bf16 would round small updates away
            ignore_mismatched_sizes=True,  # a base that was a classifier itself loses its old head
        )
    except (ValueError, OSError, KeyError) as error:
        raise JobFailedError(
            FailureCode.BAD_SPEC, f"the base cannot be loaded as a text classifier: {str(error).splitlines()[0][:300]}"
        ) from error
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id or 0
    return model.to(device), tokenizer


# --- prepare -------------------------------------------------------------------------------------------------


def baseline_predictions(data: Data, seed: int) -> dict[str, Labels]:
    """Returns what the cheap baselines predict on the evaluation rows."""
    found = {"majority": baselines.predict_majority(data.train_labels, len(data.labels))}
    tfidf = baselines.predict_tfidf(data.train.texts, data.train_labels, data.evaluation.texts, seed)
    return found if tfidf is None else {**found, "tfidf_logistic_regression": tfidf}


def make_learner(  # noqa: PLR0913 (everything a learner is made of)
    spec: FinetuneSpec, model: Any, tokenizer: Any, data: Data, *, settled: dict[str, Any], device: torch.device
) -> tuple[Learner, dict[str, Any]]:
    """Tokenizes both splits and puts the model under the method; returns it with all settled values."""
    train_rows = tokenize(tokenizer, data.train.texts, spec.train.max_length)
    evaluation_rows = tokenize(tokenizer, data.evaluation.texts, spec.train.max_length)
    precision = settled["train.precision"]
    if spec.method.name == "frozen":
        return FrozenLearner(model, train_rows, evaluation_rows, device, precision), settled
    if spec.train.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if spec.method.name == "lora":
        targets = spec.method.target or linear_targets(model)
        settled = {**settled, "method.target": list(targets)}
        model = wrap_lora(model, spec.method, targets)
    return TextLearner(model, train_rows, evaluation_rows, device, precision), settled


def make_plan(spec: FinetuneSpec, settled: dict[str, Any]) -> Plan:
    """Returns the run's numbers."""
    options = spec.train
    return Plan(
        epochs=options.epochs,
        max_steps=options.max_steps,
        micro_batch=settled["train.micro_batch"],
        effective_batch=options.effective_batch,
        lr=settled["train.lr"],
        schedule=options.schedule,
        warmup_steps=options.warmup_steps,
        weight_decay=options.weight_decay,
        seed=options.seed,
        checkpoint_steps=options.checkpoint_steps,
        evaluate_every=spec.evaluation.every,
        select=spec.evaluation.select,
    )


# --- evaluate ------------------------------------------------------------------------------------------------


def predictions_of(logits: torch.Tensor) -> Labels:
    """Returns the predicted class of every row."""
    return np.asarray(logits.argmax(dim=-1).numpy(), dtype=np.int64)


def measure_learner(learner: Learner, spec: FinetuneSpec, data: Data) -> dict[str, Measurement]:
    """Returns the metrics of the learner as it is, with intervals."""
    return _measured(spec, data, predictions_of(learner.evaluate(_EVALUATION_BATCH)))


def quick_scores(learner: Learner, spec: FinetuneSpec, data: Data) -> Scores:
    """Returns the metrics without intervals, and the loss: what the curves show."""
    logits = learner.evaluate(_EVALUATION_BATCH)
    predicted = predictions_of(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.labels))
    scores = {name: score(name, data.labels, predicted, len(data.names)) for name in spec.evaluation.metrics}
    return {**scores, "loss": float(loss)}


def compare_with_tfidf(
    spec: FinetuneSpec, data: Data, predicted: Labels, predictions: dict[str, Labels]
) -> Comparison | None:
    """Returns the paired difference of the selected metric to the TF-IDF baseline, where there is one."""
    baseline = predictions.get("tfidf_logistic_regression")
    if baseline is None:
        return None
    return compare(spec.evaluation.select, data.labels, predicted, baseline, len(data.names), seed=spec.train.seed)


def metrics_report(results: Results, data: Data, predicted: Labels) -> dict[str, Any]:
    """Returns the metrics in the shape the hub stores."""
    report_of = {
        "final": _plain(results.final),
        "before": _plain(results.before),
        "baselines": {name: _plain(metrics) for name, metrics in results.baselines.items()},
        "evaluation_set_digest": data.report["evaluation_set_sha256"],
        "labels": data.names,
        "confusion": confusion_matrix(data.labels, predicted, len(data.names)).astype(int).tolist(),
        "select": results.select,
    }
    if results.comparison is not None:
        report_of["beats_baseline"] = results.comparison.better
        report_of["comparison"] = results.comparison.as_dict()
    return report_of


def _measured(spec: FinetuneSpec, data: Data, predicted: Labels) -> dict[str, Measurement]:
    return measure(spec.evaluation.metrics, data.labels, predicted, len(data.names), seed=spec.train.seed)


def _plain(metrics: Any) -> dict[str, Any]:
    return {name: measured.as_dict() for name, measured in metrics.items()}


def _values(metrics: dict[str, Measurement]) -> Scores:
    return {name: measured.value for name, measured in metrics.items()}


# --- card and publication --------------------------------------------------------------------------------------


def save_model(folder: Path, model: Any, tokenizer: Any, rows: TokenRows, logits: torch.Tensor) -> None:
    """Saves the model and proves that plain transformers, loading it back, gives the logits that were measured.

    Args:
        folder: where to.
        model: what is published.
        tokenizer: its tokenizer.
        rows: the first evaluation rows.
        logits: measured on the evaluation rows, shape (rows, classes).

    Raises:
        JobFailedError: `internal` when it does not.
    """
    from transformers import AutoModelForSequenceClassification

    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    device = next(model.parameters()).device
    loaded = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).to(device)
    found = predict(loaded, rows, _EVALUATION_BATCH, device)
    difference = float((found - logits[: len(rows)]).abs().max())
    if not difference <= _RELOAD_TOLERANCE[device.type]:
        raise JobFailedError(
            FailureCode.INTERNAL, f"the saved model gives other logits than the trained one (by {difference:.2g})"
        )


def write_documents(  # noqa: PLR0913 (everything the documents speak of)
    folder: Path,
    context: Context,
    results: Results,
    *,
    metrics: dict[str, Any],
    outcome: Outcome,
    settled: dict[str, Any],
    device: torch.device,
) -> None:
    """Writes curves, notices, card and manifest."""
    claim = context.claim
    run_facts = {
        "steps": outcome.steps,
        "total_steps": outcome.total_steps,
        "best_step": outcome.best_step,
        "evaluations": sum(entry["type"] == "eval" for entry in outcome.history),
        "stopped": outcome.stopped,
        "resumed_from_step": outcome.resumed_from,
        "resolved": settled,
        "seconds": round(context.seconds(), 1),
        "cpu_seconds": round(time.process_time(), 1),
        "hardware": devices.describe(device),
        "threads": torch.get_num_threads(),
    }
    write_log(folder, outcome.history)
    draw_curves(folder, outcome.history, tuple(results.final))
    (folder / NOTICE_FILE).write_text(notice_text(claim), encoding="utf-8")
    front_matter = card_data(claim, results).to_yaml()
    (folder / "README.md").write_text(f"---\n{front_matter}\n---\n\n{card_text(claim, results, run_facts)}", "utf-8")
    sections = {
        "inputs": {
            "base": claim.spec["base"],
            "dataset": {key: claim.spec["data"][key] for key in ("repo", "revision")},
            "decision_ids": list(claim.decision_ids),
        },
        "data": results.data,
        "metrics": metrics,
        "seeds": {"train": claim.spec["train"]["seed"]},
    }
    write_manifest(folder, claim, resolved=settled, run=run_facts, sections=sections)


def publish(context: Context, folder: Path, spec: FinetuneSpec) -> str:
    """Commits the output once the hub has said that it still may be; returns the commit.

    Raises:
        JobStoppedError: it may not.
        JobFailedError: `bad_spec` without an output; `publish_conflict` when the branch moved on.
    """
    output = context.claim.output
    if output is None:
        raise JobFailedError(FailureCode.BAD_SPEC, "a fine-tune needs an output repository")
    context.phase("publishing")
    if not context.may_publish():
        raise JobStoppedError
    title = f"Fine-tune {spec.base_repo} on {spec.data.repo} ({spec.method.name})"
    return publish_folder(context.claim, output, folder, title=title, replace=True)
