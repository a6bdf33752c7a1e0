"""Measures a text classifier on a data set split: metrics with intervals, and the most-frequent-label baseline.

Reads top to bottom: load → predict → measure → write. With an output, the results go into the model's card
(model-index) and `.eval_results/`, in one commit; without one, they are the job's metrics and nothing more.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from huggingface_hub import EvalResultEntry, HfApi, ModelCard, eval_result_entries_to_yaml

from workers import devices
from workers.context import Context
from workers.data.download import DatasetSource, fetch_model
from workers.data.labelled_text import Rows, label_numbers
from workers.data.tokens import tokenize
from workers.failures import FailureCode, JobFailedError, JobStoppedError
from workers.methods.learner import predict
from workers.metrics.classification import Measurement, confusion_matrix, measure
from workers.publishing.card import eval_results
from workers.publishing.commit import publish_folder
from workers.spec import EvaluateSpec, parse_evaluate


def run(context: Context) -> dict[str, Any]:
    """Runs the job; returns what `finish` reports.

    Raises:
        JobFailedError: with one of the codes of the closed list.
        JobStoppedError: nothing is to be published.
    """
    spec = parse_evaluate(context.claim.spec)

    context.phase("downloading")
    rows = load_rows(context, spec)
    folder = fetch_model(context, spec.model_repo, spec.model_revision)

    context.phase("preparing")
    device = devices.pick_device()
    model, tokenizer, names = load_classifier(folder, device)
    truth = label_numbers(rows, names, str(spec.data.evaluation))

    context.phase("evaluating")
    tokens = tokenize(tokenizer, rows.texts, spec.max_length)
    logits = predict(model, tokens, spec.batch, device)
    predicted = np.asarray(logits.argmax(dim=-1).numpy(), dtype=np.int64)
    final = measure(spec.metrics, truth, predicted, len(names), confidence=spec.confidence, seed=spec.seed)
    majority = np.full(len(truth), int(np.bincount(truth).argmax()), dtype=np.int64)
    baseline = measure(spec.metrics, truth, majority, len(names), confidence=spec.confidence, seed=spec.seed)
    loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(truth)))
    values = {name: measured.value for name, measured in final.items()}
    context.channel.emit("eval", step=0, epoch=0, metrics={**values, "loss": loss}, phase="final")
    metrics = {
        "final": {name: measured.as_dict() for name, measured in final.items()},
        "baselines": {"majority": {name: measured.as_dict() for name, measured in baseline.items()}},
        "evaluation_set_digest": rows.digest(),
        "labels": names,
        "label_counts": dict(sorted(Counter(rows.labels).items())),
        "confusion": confusion_matrix(truth, predicted, len(names)).astype(int).tolist(),
    }
    return {"metrics": metrics, **write_results(context, spec, final)}


def load_rows(context: Context, spec: EvaluateSpec) -> Rows:
    """Reads the split; `max_rows` takes a seeded draw, so that a resumed evaluation measures the same rows."""
    if not isinstance(spec.data.evaluation, str):
        raise JobFailedError(FailureCode.BAD_SPEC, "an evaluation names a split of the data set")
    rows = DatasetSource(context, spec.data).rows(spec.data.evaluation)
    if spec.max_rows is None or spec.max_rows >= len(rows):
        return rows
    chosen = np.random.default_rng(spec.seed).choice(len(rows), spec.max_rows, replace=False)
    return rows.take(sorted(chosen.tolist()))


def load_classifier(folder: Path, device: torch.device) -> tuple[Any, Any, list[str]]:
    """Loads model, tokenizer and label names in the order of the logits.

    Raises:
        JobFailedError: `bad_spec` when this is no text classifier that loads without running its own code.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except (ValueError, OSError, KeyError) as error:
        raise JobFailedError(
            FailureCode.BAD_SPEC, f"the model cannot be loaded as a text classifier: {str(error).splitlines()[0][:300]}"
        ) from error
    if loading["missing_keys"]:
        # transformers would fill the gap with random numbers and the figures would mean nothing.
        raise JobFailedError(
            FailureCode.BAD_SPEC, f"the model has no trained classification head (`{min(loading['missing_keys'])}`)"
        )
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    return model.to(device), tokenizer, names


def write_results(context: Context, spec: EvaluateSpec, final: dict[str, Measurement]) -> dict[str, Any]:
    """Adds the results to the model's card and `.eval_results/` where the job has an output.

    Raises:
        JobStoppedError: nothing may be written any more.
    """
    output = context.claim.output
    if output is None:
        return {}
    context.phase("publishing")
    if not context.may_publish():
        raise JobStoppedError
    readme = HfApi().hf_hub_download(
        output.repo, "README.md", revision=output.parent_commit, local_dir=context.folder("inputs") / "card"
    )
    card = ModelCard.load(readme, ignore_metadata_errors=True)
    added = eval_results(context.claim.task, context.claim.spec["data"], final)
    kept = [old for old in card.data.eval_results or [] if not any(old.is_equal_except_value(new) for new in added)]
    card.data.eval_results = [*kept, *added]
    card.data.model_name = card.data.model_name or output.repo.rsplit("/", 1)[-1]
    folder = context.folder("output")
    card.save(folder / "README.md")
    slug = f"{spec.data.repo.replace('/', '--')}-{spec.data.evaluation}"
    entries = _entries(spec, final)
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results" / f"{slug}.yaml").write_text(
        yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False), encoding="utf-8"
    )
    title = f"Add results on {spec.data.repo} ({spec.data.evaluation})"
    return {"output_commit": publish_folder(context.claim, output, folder, title=title, replace=False)}


def _entries(spec: EvaluateSpec, final: dict[str, Measurement]) -> list[EvalResultEntry]:
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return [
        EvalResultEntry(
            dataset_id=spec.data.repo,
            task_id=name,
            value=round(measured.value, 4),
            dataset_revision=spec.data.revision,
            date=today,
            notes=f"n={measured.n}, {spec.confidence:.0%} interval {measured.low:.4f} to {measured.high:.4f}",
        )
        for name, measured in final.items()
    ]
