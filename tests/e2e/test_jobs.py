"""Jobs end to end: a real hub, its tasks, and real worker processes that train a tiny synthetic model.

What is proven: a fine-tune publishes a model that the evaluation job then measures; live events lose and repeat
nothing; a cancelled job publishes nothing; a child and a supervisor that die by `kill -9` cost an attempt and not the
job; the same message again and again runs the job once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
httpx2 = pytest.importorskip("httpx2")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.torch, pytest.mark.timeout(900)]
BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 400
TERMINAL = {"succeeded", "stopped_with_output", "cancelled", "failed"}

# Publishes a two-layer BERT with random weights and two splits whose label is decided by one word, all synthetic.
_PUBLISH = """
import json, tempfile
from pathlib import Path
import torch, transformers
from huggingface_hub import HfApi

WORDS = {"good": ["bright", "lovely", "clear", "warm", "fine"], "bad": ["dull", "grim", "cold", "broken", "bleak"]}
FILLER = ["the", "day", "was", "and", "a", "river", "under", "stone", "very", "house"]

def rows(start, count):
    for number in range(start, start + count):
        label = "good" if number % 2 else "bad"
        words = [FILLER[(number * k + k) % len(FILLER)] for k in range(1, 5 + number % 4)]
        words.insert(number % 4, WORDS[label][(number // 2) % 5])
        yield json.dumps({"text": " ".join([*words, f"n{number}"]), "label": label})

api = HfApi()
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters)]
    words = sorted({*FILLER, *(word for group in WORDS.values() for word in group)})
    (folder / "vocab.txt").write_text("\\n".join([*pieces, *words]) + "\\n")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(pieces) + len(words), hidden_size=32, num_hidden_layers=2,
                                     num_attention_heads=4, intermediate_size=64, max_position_embeddings=64)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "README.md").write_text("---\\nlicense: apache-2.0\\n---\\n# Synthetic encoder\\n")
    api.create_repo("alice/synthetic-encoder")
    api.upload_folder(repo_id="alice/synthetic-encoder", folder_path=folder)
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "train.jsonl").write_text("\\n".join(rows(0, 200)) + "\\n")
    (folder / "test.jsonl").write_text("\\n".join(rows(1000, 60)) + "\\n")
    (folder / "README.md").write_text("---\\nlicense: cc0-1.0\\n---\\n# Synthetic moods\\n")
    api.create_repo("alice/synthetic-moods", repo_type="dataset")
    api.upload_folder(repo_id="alice/synthetic-moods", repo_type="dataset", folder_path=folder)
"""
# What the beat task does, at a moment when the lease of a dead worker has run out.
_REQUEUE = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from registry.jobs.services import lost_jobs_requeue
print(len(lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))))
"""
_RING = """
import sys, django
django.setup()
from registry.celery import app
for _ in range(3):
    app.send_task("workers.run_job", args=[sys.argv[1]], queue="jobs-cpu")
"""


class Crew:
    """The processes beside a hub that do its work, and a client of its API."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        headers = {"Authorization": f"Bearer {hub.token('alice')}"}
        self.client = httpx2.Client(base_url=hub.url, headers=headers, timeout=60)
        self.processes: list[subprocess.Popen[bytes]] = []

    # --- processes ---
    def start(self, name: str, app: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Starts a Celery process of the hub; its log lies beside the hub's own."""
        command = [str(BIN / "celery"), "--quiet", "-A", app, "worker", "--pool", "threads", "--concurrency", "1"]
        command += ["--without-gossip", "--without-mingle", "--hostname", f"{name}@%h", *arguments]
        with (self.hub.folder / f"{name}.log").open("ab") as log:
            environment = self.hub.environment | {"OMP_NUM_THREADS": "1"} | variables
            process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start_worker(self, name: str) -> subprocess.Popen[bytes]:
        """Starts a worker with a scratch folder of its own."""
        variables = {"WEIGHBRIDGE_WORKER_NAME": name, "WEIGHBRIDGE_WORKER_DIR": str(self.folder / name)}
        return self.start(name, "workers.celery", "--queues", "jobs-cpu", **variables)

    def stop(self) -> None:
        """Ends everything."""
        self.client.close()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, code: str, *arguments: str) -> str:
        """Runs Python in the hub's environment."""
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(
            command, env=self.hub.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # --- the API ---
    def request(self, **parts: Any) -> dict[str, Any]:
        """Asks for a job and returns it."""
        answer = self.client.post("/api/v1/jobs", json={"task": "text-classification", **parts})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def finetune(self, output: str, steps: int, **train: Any) -> str:
        """Asks for a small fine-tune and returns the job's id."""
        settings = {"epochs": 100, "max_steps": steps, "micro_batch": 2, "effective_batch": 2, "max_length": 32}
        job = self.request(
            kind="finetune",
            base={"repo": "alice/synthetic-encoder"},
            data={"repo": "alice/synthetic-moods", "split": {"train": "train", "eval": "test"}},
            train={**settings, "lr": 0.001, **train},
            output={"repo": output},
        )
        return str(job["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Returns the job as it stands."""
        answer = self.client.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """Returns all events so far."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["id"] if found else 0
            page = self.client.get(f"/api/v1/jobs/{job_id}/events?limit=1000&after={after}").json()["items"]
            if not page:
                return found
            found += page

    def until(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Polls a job until something holds.

        Raises:
            AssertionError: it ended otherwise, or took too long; the message has the logs.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            job = self.job(job_id)
            if wanted(job):
                return job
            log = self.client.get(f"/api/v1/jobs/{job_id}/log").text[-3000:]
            assert job["state"] not in TERMINAL, f"{job['state']}: {job['failure']}\n{log}\n{self.hub.log_tail()}"
            assert time.monotonic() < deadline, f"still {job['state']}\n{log}\n{self.hub.log_tail()}"
            time.sleep(0.3)  # polling processes that have no way to call us back

    def ended(self, job_id: str, state: str = "succeeded") -> dict[str, Any]:
        """Waits for a job's end in a state."""
        return self.until(job_id, lambda job: job["state"] == state)

    def until_checkpoint(self, job_id: str, attempt: int = 1) -> None:
        """Waits until an attempt has mirrored a checkpoint to the hub."""
        query = f"""
import django
django.setup()
from registry.jobs.models import JobCheckpoint
print(JobCheckpoint.objects.filter(job={job_id!r}, attempt={attempt}).count())
"""
        self.until(job_id, lambda _: int(self.run(query)) > 0)


@pytest.fixture(scope="module")
def crew(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Tasks with beat, and the synthetic model and dataset; workers are started by each test."""
    folder = tmp_path_factory.mktemp("crew")
    made = Crew(hub, folder)
    try:
        made.start("tasks", "registry.celery", "--beat", "--queues", "tasks")
        hub.python(_PUBLISH, home=folder, token=hub.token("alice"))
        yield made
    finally:
        made.stop()


@contextmanager
def _worker(crew: Crew, name: str) -> Iterator[subprocess.Popen[bytes]]:
    process = crew.start_worker(name)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def _first_steps(events: list[dict[str, Any]]) -> dict[int, int]:
    """Returns the first optimizer step that each attempt reported."""
    first: dict[int, int] = {}
    for event in events:
        if event["kind"] == "step":
            first.setdefault(event["attempt"], event["payload"]["step"])
    return first


def _stream(url: str, last_event_id: int | None = None) -> Iterator[tuple[int | None, str, Any]]:
    """Yields `(id, kind, data)` of server-sent events."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    with (
        httpx2.Client(timeout=httpx2.Timeout(60, read=PATIENCE_SECONDS)) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                yield (int(fields["id"]) if "id" in fields else None), fields["event"], json.loads(fields["data"])
                fields = {}
            else:
                fields = {}


def test_a_model_is_tuned_published_and_then_evaluated_while_others_watch(crew: Crew) -> None:
    job_id = crew.finetune("alice/synthetic-moods-model", steps=150)
    with _worker(crew, "first"):
        stream = crew.job(job_id)["events_url"]
        seen: list[int] = []
        for number, _, _ in _stream(stream):  # leave after a few events, as a browser tab does
            assert number is not None
            seen.append(number)
            if len(seen) == 12:
                break
        *rest, (_, last_kind, last_data) = list(_stream(stream, seen[-1]))
        seen += [number for number, _, _ in rest if number is not None]
        assert (last_kind, last_data) == ("end", {"state": "succeeded"})
        assert seen == [event["id"] for event in crew.events(job_id)], "nothing lost, nothing repeated, in order"

        done = crew.ended(job_id)
        final = done["metrics"]["final"]["accuracy"]
        assert final["low"] <= final["value"] <= final["high"]
        assert final["n"] == 60
        assert "majority" in done["metrics"]["baselines"]
        info = crew.client.get("/api/models/alice/synthetic-moods-model").json()
        assert info["sha"] == done["output"]["commit"]
        assert info["private"] is True
        assert {"base_model:alice/synthetic-encoder", "license:apache-2.0"} <= set(info["tags"])
        assert {"model.safetensors", "README.md", "weighbridge.json"} <= {
            file["rfilename"] for file in info["siblings"]
        }

        evaluation = crew.request(
            kind="evaluate",
            model={"repo": "alice/synthetic-moods-model"},
            data={"repo": "alice/synthetic-moods", "split": "test"},
            eval={"max_length": 32},
        )
        measured = crew.ended(evaluation["id"])["metrics"]["final"]["accuracy"]
        assert measured["value"] == pytest.approx(final["value"])


def test_the_same_message_three_times_more_runs_the_job_once(crew: Crew) -> None:
    job_id = crew.finetune("alice/rung-often", steps=5)
    crew.run(_RING, job_id)
    with _worker(crew, "rung"):
        assert crew.ended(job_id)["attempt"] == 1
    claims = [event for event in crew.events(job_id) if event["payload"].get("to") == "starting"]
    assert len(claims) == 1


def test_a_cancelled_job_publishes_nothing(crew: Crew) -> None:
    job_id = crew.finetune("alice/cancelled", steps=10_000)
    with _worker(crew, "cancelled"):
        crew.until(job_id, lambda job: job["state"] == "running" and job["progress"] > 0)
        for _ in range(2):
            answer = crew.client.post(f"/api/v1/jobs/{job_id}/stop", json={"mode": "cancel"})
            assert answer.json()["state"] == "stopping"
        done = crew.ended(job_id, "cancelled")
    assert done["output"]["commit"] is None
    commits = crew.client.get("/api/models/alice/cancelled/commits/main").json()
    assert [commit["title"] for commit in commits] == ["initial commit"]


def test_a_killed_child_costs_an_attempt_and_the_job_resumes(crew: Crew) -> None:
    job_id = crew.finetune("alice/child-killed", steps=1500, checkpoint_steps=25)
    with _worker(crew, "child-killed") as supervisor:
        crew.until_checkpoint(job_id)
        (child,) = _children(supervisor.pid)
        os.kill(child, signal.SIGKILL)
        done = crew.ended(job_id)
    assert done["attempt"] == 2
    assert _first_steps(crew.events(job_id))[2] > 1, "the second attempt went on from a checkpoint"


def test_a_killed_supervisor_costs_an_attempt_and_another_worker_resumes(crew: Crew) -> None:
    job_id = crew.finetune("alice/supervisor-killed", steps=1500, checkpoint_steps=25)
    with _worker(crew, "doomed") as doomed:
        crew.until_checkpoint(job_id)
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait()
    assert int(crew.run(_REQUEUE)) == 1
    with _worker(crew, "successor"):
        done = crew.ended(job_id)
    assert (done["attempt"], done["worker"]) == (2, "successor")
    assert _first_steps(crew.events(job_id))[2] > 1, "another worker went on from the mirrored checkpoint"
