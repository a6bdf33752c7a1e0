"""The model card of a fine-tuned classifier: front matter the catalogue reads, and a text a person can judge by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from workers.claim import Claim
from workers.metrics.classification import Comparison, Measurement
from workers.publishing.curves import LOG_FILE, PICTURE

NOTICE_FILE, MANIFEST_FILE = "NOTICE", "weighbridge.json"
_NAMES = {
    "accuracy": "Accuracy",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
}
_METHODS = {
    "full": "All weights were trained.",
    "frozen": (
        "The encoder was frozen; a linear head was trained on mean-pooled features. The mean is computed by one more "
        "encoder layer with uniform attention, so plain `transformers` loads and runs the model as it is."
    ),
    "lora": "Low-rank adapters (LoRA) were trained and merged into the weights; no adapter is needed to use the model.",
}
_BASELINES = {
    "majority": "Baseline: most frequent label",
    "tfidf_logistic_regression": "Baseline: TF-IDF + logistic regression",
}

Metrics = Mapping[str, Measurement]


@dataclass(frozen=True)
class Results:
    """What was measured, on which rows."""

    final: Metrics
    before: Metrics
    baselines: Mapping[str, Metrics]
    comparison: Comparison | None
    select: str
    data: dict[str, Any]
    labels: list[str] = field(default_factory=list)


def card_data(claim: Claim, results: Results) -> ModelCardData:
    """Returns the front matter. The license is the one the hub computed; where it found none, none is claimed."""
    spec, lineage = claim.spec, claim.lineage
    extra: dict[str, Any] = dict(claim.license.front_matter)
    if lineage.base_model_relation:
        extra["base_model_relation"] = lineage.base_model_relation
    return ModelCardData(
        base_model=lineage.base_model or spec["base"]["repo"],
        datasets=list(lineage.datasets) or [spec["data"]["repo"]],
        pipeline_tag=claim.task,
        library_name="transformers",
        tags=["weighbridge-job"],
        metrics=[name.split("_", maxsplit=1)[0] for name in results.final],
        model_name=claim.output.repo.rsplit("/", 1)[-1] if claim.output else claim.job_id,
        eval_results=eval_results(claim.task, spec["data"], results.final),
        **extra,
    )


def eval_results(task: str, data: Mapping[str, Any], final: Metrics) -> list[EvalResult]:
    """Returns the model-index entries of measured metrics, with n and interval in the metric's arguments."""
    split = data["split"]
    evaluation = split if isinstance(split, str) else split["eval"]
    return [
        EvalResult(
            task_type=task,
            dataset_type=data["repo"],
            dataset_name=data["repo"].rsplit("/", 1)[-1],
            dataset_config=data.get("config"),
            dataset_split=evaluation if isinstance(evaluation, str) else f"{evaluation['from']} (held out)",
            dataset_revision=data["revision"],
            metric_type=name,
            metric_name=_NAMES[name],
            metric_value=round(measured.value, 4),
            metric_args={"n": measured.n, "low": round(measured.low, 4), "high": round(measured.high, 4)},
        )
        for name, measured in final.items()
    ]


def baseline_sentence(results: Results) -> str:
    """Says plainly whether the model beats the TF-IDF baseline."""
    name, comparison = _NAMES[results.select], results.comparison
    if comparison is None:
        return "There is no TF-IDF baseline for these texts: they hold no words it could count."
    figures = (
        f"{name} differs by {100 * comparison.difference:+.1f} points on the same {comparison.n} rows, 95 % interval "
        f"{100 * comparison.low:+.1f} to {100 * comparison.high:+.1f}"
    )
    if comparison.better:
        return f"The model beats the TF-IDF baseline ({figures})."
    if comparison.high < 0:
        return f"The model is worse than the TF-IDF baseline ({figures}): prefer the baseline."
    return f"The model is not shown to beat the TF-IDF baseline ({figures})."


def card_text(claim: Claim, results: Results, run: Mapping[str, Any]) -> str:
    """Returns the card's body.

    Args:
        claim: the job.
        results: what was measured.
        run: `steps`, `total_steps`, `best_step`, `stopped`, `resolved`, `seconds`, `hardware`.
    """
    spec, output = claim.spec, claim.output
    data = results.data
    repo = output.repo if output else "."
    origin = (
        f"`{spec['base']['repo']}` (commit `{spec['base']['revision'][:12]}`) fine-tuned for {claim.task} on "
        f"`{spec['data']['repo']}` (commit `{spec['data']['revision'][:12]}`)."
    )
    usage = (
        f'```python\nfrom transformers import pipeline\n\nclassify = pipeline("text-classification", "{repo}")\n'
        'classify("…")\n```'
    )
    parts = [
        f"# {repo.rsplit('/', 1)[-1]}",
        f"{origin} {_METHODS[spec['method']['name']]}",
        "## Results",
        _split_sentence(spec["data"]["split"]["eval"], data) + _selection_sentence(run, results.select),
        results_table(results),
        baseline_sentence(results),
        f"![Training curves]({PICTURE})",
        f"The figures behind the curves are in `{LOG_FILE}`. Labels: {', '.join(f'`{x}`' for x in results.labels)}.",
        "## Use",
        usage,
        "## License and notices",
        license_text(claim),
        "## How it was made",
        _recipe_text(claim, run),
    ]
    return "\n\n".join(parts) + "\n"


def results_table(results: Results) -> str:
    """Returns a Markdown table: rows are predictors, columns metrics, each with its interval."""
    rows: list[tuple[str, Metrics]] = [("**This model**", results.final)]
    if results.before:
        rows.append(("Before training (new head)", results.before))
    titles = {
        "majority": "Baseline: most frequent label",
        "tfidf_logistic_regression": "Baseline: TF-IDF + logistic regression",
    }
    rows += [(titles[name], metrics) for name, metrics in results.baselines.items()]
    names = list(results.final)
    n = next(iter(results.final.values())).n
    lines = [
        f"| n = {n} | " + " | ".join(f"{_NAMES[name]} (95 % interval)" for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    lines += [f"| {title} | " + " | ".join(_cell(metrics[name]) for name in names) + " |" for title, metrics in rows]
    return "\n".join(lines)


def notice_text(claim: Claim) -> str:
    """Returns the NOTICE file: what this model derives from and what its license asks to be passed on."""
    lineage, terms = claim.lineage, claim.license
    lines = [
        f"{claim.output.repo if claim.output else claim.job_id}",
        "",
        f"Derived from the model {lineage.base_model} (commit {lineage.base_commit}).",
        *[f"Trained on the data set {name} (commit {commit})." for name, commit in lineage.dataset_commits.items()],
        *[f"\n{notice}" for notice in terms.notices],
    ]
    if terms.obligations:
        lines += ["", "Obligations when passing this model on:", *[f"- {duty}" for duty in terms.obligations]]
    return "\n".join(lines) + "\n"


def license_text(claim: Claim) -> str:
    """Returns the card's paragraph on the license, with notices and obligations."""
    terms = claim.license
    parts = [terms.sentence or "The license follows from the base model and the data."]
    if terms.must_review or not terms.front_matter:
        parts.append("**The owner has to review the license before this model is passed on.**")
    if terms.obligations:
        parts.append("Obligations:\n\n" + "\n".join(f"- {duty}" for duty in terms.obligations))
    if terms.notices:
        parts.append("Notices:\n\n" + "\n\n".join(f"> {' '.join(notice.split())}" for notice in terms.notices))
    return "\n\n".join(parts)


def _cell(measured: Measurement) -> str:
    return f"{measured.value:.3f} ({measured.low:.3f} to {measured.high:.3f})"


def _split_sentence(split: Any, data: Mapping[str, Any]) -> str:
    source = (
        f"split `{split}`"
        if isinstance(split, str)
        else f"{split['fraction']:.0%} of split `{split['from']}`, held out with seed {split['seed']}"
    )
    sentence = f"Trained on {data['train_rows']} rows, measured on {data['evaluation_rows']} rows: {source}."
    if data["overlap"]:
        sentence += f" {data['overlap']} of them also occur in the training rows, so the figures flatter the model."
    return sentence


def _selection_sentence(run: Mapping[str, Any], select: str) -> str:
    if run["evaluations"] < 2:  # noqa: PLR2004 (one evaluation leaves no choice)
        return ""
    return (
        f" The weights of step {run['best_step']} of {run['steps']} were chosen by {_NAMES[select]} on these same "
        "rows, which favours them slightly."
    )


def _recipe_text(claim: Claim, run: Mapping[str, Any]) -> str:
    resolved = ", ".join(f"{name} = {value}" for name, value in sorted(run["resolved"].items()))
    made = f"Job `{claim.job_id}` on {run['hardware']}: {run['seconds']:.0f} s of wall time"
    parts = [
        f"{made}, {run['cpu_seconds']:.0f} s of processor time; energy was not measured.",
        f"Settled by the worker: {resolved}." if resolved else "",
        f"It was stopped on request after {run['steps']} of {run['total_steps']} steps." if run["stopped"] else "",
        f"Request, versions, seeds, row digests and file hashes are in [`{MANIFEST_FILE}`]({MANIFEST_FILE}).",
    ]
    return " ".join(part for part in parts if part)
