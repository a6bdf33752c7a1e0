"""The protocol client against the simulated hub: retries, refusals, identities, checkpoints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workers.conftest import finetune_spec
from tests.workers.hub_simulator import WORKER_SECRET, HubSimulator
from workers.brokers import transport_options
from workers.checkpoints import whole_checkpoints, write_checkpoint
from workers.claim import parse_claim
from workers.hub import HubAwayError, HubClient, JobClient, NotClaimableError, RefusedError, StaleAttemptError
from workers.mirror import CheckpointMirror, fetch_checkpoints
from workers.runner import remove_forgotten
from workers.settings import WorkerSettingsError, settings_from_environment


@pytest.fixture
def job(hub: HubSimulator) -> Any:
    """A client that holds the lease of a job."""
    with JobClient(parse_claim(hub.add_job("job_1", finetune_spec()))) as client:
        yield client


def test_a_wrong_secret_is_refused_and_not_retried(hub: HubSimulator) -> None:
    with HubClient(hub.url, "wrong") as client, pytest.raises(RefusedError) as caught:
        client.register("w", ["jobs-cpu"], {})
    assert caught.value.status == 401
    assert hub.refusals == 1


def test_waiting_jobs_are_listed(hub: HubSimulator) -> None:
    hub.add_job("job_2", finetune_spec())
    with HubClient(hub.url, WORKER_SECRET) as client:
        assert client.claimable(["jobs-cpu"]) == ["job_2"]


def test_a_job_that_is_taken_is_not_claimable(hub: HubSimulator) -> None:
    with HubClient(hub.url, WORKER_SECRET) as client, pytest.raises(NotClaimableError):
        client.claim("job_gone", "w")


def test_a_hub_that_comes_back_is_asked_again(hub: HubSimulator) -> None:
    pauses: list[float] = []

    def back_after_three(seconds: float) -> bool:
        pauses.append(seconds)
        hub.away = len(pauses) < 3
        return False

    hub.add_job("job_1", finetune_spec())
    hub.away = True
    with HubClient(hub.url, WORKER_SECRET, back_after_three) as client:
        assert client.claim("job_1", "w").job_id == "job_1"
    assert len(pauses) == 3
    assert all(0 < pause <= 15 for pause in pauses)


def test_events_are_not_retried_inside_the_client_since_the_buffer_keeps_them(hub: HubSimulator, job: Any) -> None:
    hub.away = True
    with pytest.raises(HubAwayError):
        job.events([{"seq": 1, "t": 0.0, "type": "log", "line": "x"}])
    assert hub.refusals == 1


def test_a_lost_lease_is_stale_however_it_shows(hub: HubSimulator, job: Any) -> None:
    hub.stale = True  # 412
    with pytest.raises(StaleAttemptError):
        job.heartbeat(progress=0, phase="", peak_memory_bytes=0)
    hub.stale = False
    hub.claims.clear()  # 404
    with pytest.raises(StaleAttemptError):
        job.finish({"state": "succeeded"})


def test_an_old_fencing_token_is_refused(hub: HubSimulator) -> None:
    claim = parse_claim(dict(hub.add_job("job_1", finetune_spec())))
    hub.claims["job_1"]["fencing_token"] += 1  # another worker has claimed since
    with JobClient(claim) as late, pytest.raises(StaleAttemptError):
        late.state("finalizing")


def test_checkpoints_are_mirrored_once_and_come_back_whole(hub: HubSimulator, job: Any, tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "weights.safetensors").write_bytes(b"w" * 100_000)

    mirror = CheckpointMirror(job)
    mirror.offer(write_checkpoint(tmp_path / "here", 4, "digest", write))
    mirror.close(30)
    assert list(hub.checkpoints) == [4]
    fetch_checkpoints(job, tmp_path, pytest.fail)
    assert [found.step for found in whole_checkpoints(tmp_path, "digest", pytest.fail)] == [4]


def test_a_mirrored_checkpoint_with_other_bytes_is_not_used(hub: HubSimulator, job: Any, tmp_path: Path) -> None:
    for step in (4, 8):
        content = b"w" * step
        checkpoint = write_checkpoint(
            tmp_path / "here", step, "digest", lambda folder, data=content: (folder / "w").write_bytes(data) and None
        )
        mirror = CheckpointMirror(job)
        mirror.offer(checkpoint)
        mirror.close(30)
    damaged = next(file["sha256"] for file in hub.checkpoints[8] if file["path"] == "w")
    hub.objects[damaged] = b"other"
    reasons: list[str] = []
    fetch_checkpoints(job, tmp_path / "there", reasons.append)
    assert [found.step for found in whole_checkpoints(tmp_path / "there", "digest", reasons.append)] == [4]
    assert "step 8" in reasons[0]


def test_settings_read_the_secret_from_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "worker_secret").write_text("s3cret\n")
    settings = settings_from_environment(
        {"WEIGHBRIDGE_DATA_DIR": str(tmp_path), "WEIGHBRIDGE_WORKER_QUEUES": "jobs-gpu, jobs-cpu"}
    )
    assert settings.worker_secret == "s3cret"
    assert settings.queues == ("jobs-gpu", "jobs-cpu")
    assert settings.name.endswith("/gpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEIGHBRIDGE_WORKER_THREADS", "many"),
        ("WEIGHBRIDGE_WORKER_MEMORY", "0"),
        ("WEIGHBRIDGE_HUB_URL", "ftp://hub"),
        ("WEIGHBRIDGE_WORKER_SECRET", ""),
    ],
)
def test_a_bad_setting_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    environment = {"WEIGHBRIDGE_DATA_DIR": str(tmp_path), "WEIGHBRIDGE_WORKER_SECRET": "s", name: value}
    with pytest.raises(WorkerSettingsError, match=name):
        settings_from_environment(environment)


def test_leftovers_of_killed_workers_are_removed_after_two_days(tmp_path: Path) -> None:
    folder = tmp_path / "job_1"
    folder.mkdir()
    made = folder.stat().st_mtime
    remove_forgotten(tmp_path, made + 3600)
    assert folder.exists()
    remove_forgotten(tmp_path, made + 3 * 24 * 3600)
    assert not folder.exists()


def test_the_supervising_process_never_imports_torch() -> None:
    code = "import sys, workers.celery; print(sorted({'torch', 'transformers', 'registry'} & set(sys.modules)))"
    environment = {"WEIGHBRIDGE_WORKER_SECRET": "s", "WEIGHBRIDGE_BROKER_URL": "memory://", "PATH": ""}
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"


def test_a_doorbell_rung_on_a_broker_of_files_is_heard(tmp_path: Path) -> None:
    celery = pytest.importorskip("celery")
    options = transport_options("filesystem://", tmp_path)
    rung, ear = (celery.Celery(name, broker="filesystem://", set_as_current=False) for name in ("hub", "ear"))
    for application in (rung, ear):
        application.conf.update(broker_transport_options=options)
    rung.send_task("workers.run_job", args=["job_1"], queue="jobs-cpu")
    with ear.connection_for_read() as connection, connection.SimpleQueue("jobs-cpu") as queue:
        message = queue.get(timeout=10)
        message.ack()
    assert message.payload[0] == ["job_1"]
