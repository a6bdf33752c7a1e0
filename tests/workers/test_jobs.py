"""Whole jobs: a real child with torch, against the simulated hub, over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workers.conftest import BASE, DATASET, FILLER, OUTPUT, finetune_spec, json_lines, synthetic_rows
from tests.workers.hub_simulator import COMMIT, HubSimulator
from workers import runner
from workers.settings import WorkerSettings

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(600)]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(hub: HubSimulator, worker_settings: WorkerSettings, shutdown: threading.Event) -> Run:
    """Runs a job to its end and returns the report; keyword arguments change the claim."""

    def run_spec(spec: dict[str, Any], **claim: Any) -> dict[str, Any]:
        hub.add_job("job_1", spec, **claim)
        report = runner.run_job(worker_settings, "job_1", shutdown)
        assert report is not None
        return report

    return run_spec


def saved(commit: dict[str, bytes | None], folder: Path) -> Path:
    for path, data in commit.items():
        if data is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    return folder


def front_matter(commit: dict[str, bytes | None]) -> dict[str, Any]:
    return dict(yaml.safe_load((commit["README.md"] or b"").decode().split("---")[1]))


@pytest.mark.parametrize(
    "method", [{"name": "full"}, {"name": "frozen", "pooling": "mean"}, {"name": "lora", "r": 4, "target": "auto"}]
)
def test_a_fine_tune_publishes_one_commit_that_plain_transformers_loads(
    hub: HubSimulator, run: Run, tmp_path: Path, method: dict[str, Any]
) -> None:
    report = run(finetune_spec(method=method, train={"epochs": 8, "lr": "auto"}))
    assert report["state"] == "succeeded", report
    assert report["output_commit"] == "f" * 40
    (commit,) = hub.commits
    folder = saved(commit, tmp_path / "published")

    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "bad", 1: "good"}
    classify = transformers.pipeline("text-classification", model=str(folder))
    held_out = synthetic_rows(20, start=100)
    right = sum(classify(row["text"])[0]["label"] == row["label"] for row in held_out)
    assert right / 20 == pytest.approx(report["metrics"]["final"]["accuracy"]["value"])

    card = front_matter(commit)
    assert (card["license"], card["base_model"], card["base_model_relation"]) == ("apache-2.0", BASE, "finetune")
    assert (card["datasets"], card["pipeline_tag"]) == ([DATASET], "text-classification")
    assert {m["type"] for m in card["model-index"][0]["results"][0]["metrics"]} == {"accuracy", "f1_macro"}
    assert "TF-IDF baseline" in (commit["README.md"] or b"").decode()
    assert b"Copyright the authors of the base." in (commit["NOTICE"] or b"")

    manifest = json.loads(commit["weighbridge.json"] or b"")
    published = {path for path, data in commit.items() if data is not None}
    assert {file["path"] for file in manifest["files"]} == published - {"weighbridge.json"}
    assert manifest["metrics"]["evaluation_set_digest"] == report["metrics"]["evaluation_set_digest"]
    assert manifest["resolved"]["train.lr"] == hub.resolved["train.lr"]
    assert manifest["decision_ids"] == ["dec_1"]
    assert commit["old.safetensors"] is None  # a whole model replaces a whole model
    assert not any(path.endswith((".bin", ".pt", ".pkl", ".pth")) for path in published)
    assert str(tmp_path).encode() not in b"".join(data for data in commit.values() if data)

    assert hub.states == ["running", "finalizing"]
    phases = [event["phase"] for event in hub.of_kind("eval")]
    assert (phases[0], phases[-1]) == ("before", "final")
    assert [event["name"] for event in hub.of_kind("phase")] == [
        "downloading", "preparing", "training", "evaluating", "publishing",
    ]  # fmt: skip


LONG = {"max_steps": 300, "epochs": 100, "checkpoint_steps": 20, "lr": 1e-3}


def kill_child_at_checkpoint(scratch: Path, done: threading.Event) -> None:
    """Kills the child with SIGKILL as soon as its second checkpoint has its final name."""
    while not (scratch / "checkpoints" / "step-40").exists():
        if done.wait(0.005):
            return
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        except OSError:  # it has just ended
            continue
        if b"workers.child" in command and str(scratch).encode() in command:
            os.kill(int(process.name), signal.SIGKILL)


def test_kill_9_then_resume_ends_with_the_same_bytes_here_and_elsewhere(
    hub: HubSimulator, run: Run, worker_settings: WorkerSettings, tmp_path: Path
) -> None:
    spec = finetune_spec(train=LONG, eval={"every": 100})
    assert run(spec)["state"] == "succeeded"
    expected = hub.commits.pop()["model.safetensors"]
    hub.checkpoints.clear()

    scratch, done = worker_settings.scratch / "job_1", threading.Event()
    killer = threading.Thread(target=kill_child_at_checkpoint, args=(scratch, done))
    killer.start()
    report = run(spec)
    done.set()
    killer.join()
    assert report["failure_code"] == "worker_lost"
    assert hub.commits == []
    assert hub.checkpoints  # mirrored, so that another worker can go on
    shutil.copytree(scratch, tmp_path / "kept")

    for place in ("the same worker", "the same worker, newest truncated", "another worker"):
        shutil.rmtree(scratch, ignore_errors=True)
        if place != "another worker":
            shutil.copytree(tmp_path / "kept", scratch)
        if "truncated" in place:
            newest = max((scratch / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]))
            data = (newest / "weights.safetensors").read_bytes()
            (newest / "weights.safetensors").write_bytes(data[:-10])
        hub.events.clear()
        assert run(spec, attempt=2, checkpoint={"step": max(hub.checkpoints), "attempt": 1})["state"] == "succeeded"
        assert any("resumed from the checkpoint" in event["line"] for event in hub.of_kind("log")), place
        assert hub.commits.pop()["model.safetensors"] == expected, place


def test_stop_and_keep_publishes_what_was_learnt(hub: HubSimulator, run: Run) -> None:
    def stop(event: dict[str, Any]) -> None:
        if event["type"] == "step":
            hub.directive = "stop_keep"

    hub.on_event = stop
    report = run(finetune_spec(train={**LONG, "max_steps": 5000, "checkpoint_steps": "auto"}))
    assert report["state"] == "stopped_with_output"
    manifest = json.loads(hub.commits[0]["weighbridge.json"] or b"")
    assert 0 < manifest["run"]["steps"] < 5000
    assert "stopped on request" in (hub.commits[0]["README.md"] or b"").decode()


def test_cancel_publishes_nothing(hub: HubSimulator, run: Run) -> None:
    def cancel(event: dict[str, Any]) -> None:
        if event["type"] == "step":
            hub.directive = "stop_cancel"

    hub.on_event = cancel
    assert run(finetune_spec(train={**LONG, "max_steps": 5000}))["state"] == "cancelled"
    assert hub.commits == []


def one_class(hub: HubSimulator) -> None:
    rows = [{"text": f"row {number}", "label": "x"} for number in range(9)]
    hub.repositories["dataset", DATASET]["data/train.jsonl"] = json_lines(rows)


def pickled_base(hub: HubSimulator) -> None:
    files = hub.repositories["model", BASE]
    files["pytorch_model.bin"] = files.pop("model.safetensors")


def base_with_own_code(hub: HubSimulator) -> None:
    config = json.loads(hub.repositories["model", BASE]["config.json"])
    config |= {"model_type": "my-own", "auto_map": {"AutoModelForSequenceClassification": "model.Mine"}}
    hub.repositories["model", BASE]["config.json"] = json.dumps(config).encode()


@pytest.mark.parametrize(
    ("damage", "code", "message"),
    [
        (one_class, "data_invalid", "nothing to learn"),
        (lambda hub: hub.repositories.pop(("dataset", DATASET)), "input_missing", DATASET),
        (pickled_base, "input_missing", "no safetensors weights"),
        (base_with_own_code, "bad_spec", "cannot be loaded"),
        (lambda hub: setattr(hub, "refuse_downloads", True), "license_blocked", "Accept the terms first."),
        (lambda hub: setattr(hub, "publish_conflict", True), "publish_conflict", "another commit"),
    ],
)
def test_failures_have_a_code_and_a_sentence(
    hub: HubSimulator, run: Run, damage: Callable[[HubSimulator], object], code: str, message: str
) -> None:
    damage(hub)
    report = run(finetune_spec())
    assert (report["state"], report["failure_code"]) == ("failed", code)
    assert message in report["message"]
    assert "\n" not in report["message"]
    assert hub.commits == []


def evaluate_spec(output: dict[str, str] | None, **options: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "evaluate",
        "task": "text-classification",
        "model": {"repo": OUTPUT, "revision": COMMIT},
        "data": {
            "repo": DATASET, "revision": COMMIT, "config": None, "split": "test",
            "columns": {"text": "text", "label": "label"},
        },
        "eval": {
            "metrics": ["accuracy", "f1_macro"], "batch": 8, "max_length": 32, "seed": 0, "confidence": 0.95,
            "max_rows": None, **options,
        },
        "limits": {"wall_seconds": 600, "gpus": 0, "attempts": 2},
        "output": output,
        "purpose": "evaluation",
    }  # fmt: skip


@pytest.fixture
def classifier(hub: HubSimulator, tiny_bert: Path, tmp_path: Path) -> None:
    """A published classifier with random weights."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        tiny_bert, num_labels=2, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1}
    )
    model.save_pretrained(tmp_path / "classifier")
    files = {
        path.name: path.read_bytes() for folder in (tiny_bert, tmp_path / "classifier") for path in folder.iterdir()
    }
    hub.repositories["model", OUTPUT] = {**files, "README.md": b"---\nlicense: mit\ntags:\n- kept\n---\n\nKept text.\n"}


@pytest.mark.usefixtures("classifier")
def test_an_evaluation_writes_results_beside_what_the_card_says(hub: HubSimulator, run: Run) -> None:
    report = run(evaluate_spec({"repo": OUTPUT, "branch": "main"}))
    assert report["state"] == "succeeded", report
    (commit,) = hub.commits
    assert set(commit) == {"README.md", f".eval_results/{DATASET.replace('/', '--')}-test.yaml"}
    card = front_matter(commit)
    assert (card["license"], card["tags"]) == ("mit", ["kept"])
    assert "Kept text." in (commit["README.md"] or b"").decode()
    measured = {m["type"]: m["value"] for m in card["model-index"][0]["results"][0]["metrics"]}
    assert measured["accuracy"] == pytest.approx(report["metrics"]["final"]["accuracy"]["value"], abs=1e-4)
    entries = yaml.safe_load(commit[f".eval_results/{DATASET.replace('/', '--')}-test.yaml"] or b"")
    assert entries[0]["dataset"] == {"id": DATASET, "task_id": "accuracy", "revision": COMMIT}


@pytest.mark.usefixtures("classifier")
def test_an_evaluation_without_output_only_reports(hub: HubSimulator, run: Run) -> None:
    report = run(evaluate_spec(None, max_rows=12))
    assert report["state"] == "succeeded", report
    assert report["metrics"]["final"]["accuracy"]["n"] == 12
    assert report["metrics"]["baselines"]["majority"]["accuracy"]["n"] == 12
    assert "output_commit" not in report
    assert hub.commits == []


def test_an_encoder_without_a_head_is_not_evaluated(hub: HubSimulator, run: Run) -> None:
    spec = evaluate_spec(None)
    spec["model"]["repo"] = BASE
    report = run(spec)
    assert report["failure_code"] == "bad_spec"
    assert "no trained classification head" in report["message"]


def test_an_unknown_recipe_is_a_bad_spec(run: Run) -> None:
    spec = {**finetune_spec(), "task": "fortune-telling"}
    report = run(spec)
    assert report["failure_code"] == "bad_spec"
    assert "fortune-telling" in report["message"]


def test_the_synthetic_rows_are_distinct() -> None:
    texts = [row["text"] for row in synthetic_rows(120)]
    assert len(set(texts)) == 120
    assert set(FILLER)
