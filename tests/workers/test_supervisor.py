"""Supervision of a scripted child over a real process, real pipes and real HTTP."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.workers.conftest import finetune_spec
from tests.workers.hub_simulator import HubSimulator
from workers import runner
from workers.claim import parse_claim
from workers.process import child_environment
from workers.settings import WorkerSettings

RESULT = ["emit", {"kind": "result", "metrics": {"final": {}}, "output_commit": "f" * 40}]
Run = Callable[..., dict[str, Any] | None]


@pytest.fixture
def run(hub: HubSimulator, worker_settings: WorkerSettings, shutdown: threading.Event) -> Run:
    """Runs a scripted job to its end; keyword arguments change the worker's settings or the claim."""

    def run_script(*script: list[Any], claim: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any] | None:
        steps = [step if len(step) == 2 else [step[0], None] for step in script]
        hub.add_job("job_1", finetune_spec(), script=steps, **(claim or {}))
        settings = dataclasses.replace(worker_settings, **changes)
        return runner.run_job(settings, "job_1", shutdown, child_module="tests.workers.scripted_child")

    return run_script


def lines(hub: HubSimulator) -> list[str]:
    return [event["line"] for event in hub.of_kind("log")]


def test_a_result_is_reported_once_after_all_events(hub: HubSimulator, run: Run) -> None:
    step = ["emit", {"kind": "step", "step": 5, "total_steps": 10, "loss": float("nan")}]
    run(["emit", {"kind": "running"}], step, ["print", "hello"], RESULT)
    assert [report["state"] for report in hub.finished] == ["succeeded"]
    assert hub.finished[0]["output_commit"] == "f" * 40
    assert hub.of_kind("step")[0]["loss"] == "nan"
    assert lines(hub) == ["hello"]
    assert hub.states == ["running"]


def test_a_reported_failure_keeps_its_code_and_the_last_log_lines(hub: HubSimulator, run: Run) -> None:
    run(["print", "about to fail"], ["emit", {"kind": "failure", "code": "nan_loss", "message": "it diverged"}])
    assert hub.finished[0]["failure_code"] == "nan_loss"
    assert hub.finished[0]["message"] == "it diverged"
    assert hub.finished[0]["log_tail"] == ["about to fail"]


def test_a_child_killed_from_outside_is_worker_lost_and_its_folder_stays(
    hub: HubSimulator, run: Run, worker_settings: WorkerSettings
) -> None:
    run(["kill_self"])
    assert hub.finished[0]["failure_code"] == "worker_lost"
    assert "signal 9" in hub.finished[0]["message"]
    assert (worker_settings.scratch / "job_1" / "checkpoints").is_dir()


def test_a_child_that_just_ends_is_an_internal_failure_and_its_folder_goes(
    hub: HubSimulator, run: Run, worker_settings: WorkerSettings
) -> None:
    run(["exit", 3])
    assert hub.finished[0]["failure_code"] == "internal"
    assert not (worker_settings.scratch / "job_1").exists()


def test_cancel_ends_the_child_and_publishes_nothing(hub: HubSimulator, run: Run) -> None:
    hub.directive = "stop_cancel"
    run(["await_stop"])
    assert hub.finished[0]["state"] == "cancelled"
    assert "failure_code" not in hub.finished[0]


def test_a_child_that_ignores_cancel_is_killed_after_the_grace(hub: HubSimulator, run: Run) -> None:
    hub.directive = "stop_cancel"
    run(["ignore_sigterm"], ["hang"], grace_seconds=0.5)
    assert hub.finished[0]["state"] == "cancelled"


def test_cancel_in_the_claim_itself_is_obeyed(hub: HubSimulator, run: Run) -> None:
    run(["await_stop"], claim={"directive": "stop_cancel"})
    assert hub.finished[0]["state"] == "cancelled"


def test_stop_and_keep_lets_the_child_finish(hub: HubSimulator, run: Run) -> None:
    hub.directive = "stop_keep"
    result = ["emit", {"kind": "result", "metrics": {}, "output_commit": "f" * 40, "stopped": True}]
    run(["await_stop"], ["ask_publish"], result, grace_seconds=20)
    assert hub.finished[0]["state"] == "stopped_with_output"
    assert lines(hub) == ["stopped: keep", "may publish: True"]


def test_stop_and_keep_kills_a_child_that_never_answers(hub: HubSimulator, run: Run) -> None:
    hub.directive = "stop_keep"
    run(["hang"], grace_seconds=0.5)
    assert hub.finished[0]["state"] == "cancelled"


def test_a_withdrawn_license_ends_the_job_without_publishing(hub: HubSimulator, run: Run) -> None:
    hub.directive = "license_revoked"
    run(["ask_publish"], ["await_stop"])
    assert (hub.finished[0]["state"], hub.finished[0]["failure_code"]) == ("failed", "license_revoked")
    assert "may publish: True" not in lines(hub)


def test_cancel_while_finalizing_forbids_the_publication(hub: HubSimulator, run: Run) -> None:
    def cancel(event: dict[str, Any]) -> None:
        if event["type"] == "phase":
            hub.directive = "stop_cancel"

    hub.on_event = cancel
    run(["emit", {"kind": "phase", "name": "publishing"}], ["ask_publish"])
    assert hub.finished[0]["state"] == "cancelled"
    assert "may publish: True" not in lines(hub)


def test_a_commit_that_landed_before_the_cancel_counts(hub: HubSimulator, run: Run) -> None:
    def cancel(_: dict[str, Any]) -> None:
        hub.directive = "stop_cancel"

    hub.on_event = cancel
    run(["ignore_sigterm"], ["print", "the commit has landed"], ["await_stop"], RESULT)
    assert hub.finished[0]["state"] == "succeeded"


def test_wall_time_runs_out(hub: HubSimulator, run: Run) -> None:
    run(["await_stop"], claim={"wall_seconds_left": 0.5})
    assert hub.finished[0]["failure_code"] == "timeout"


def test_a_child_over_its_memory_limit_is_killed(hub: HubSimulator, run: Run) -> None:
    run(["allocate", 200 * 1024**2], ["hang"], memory_bytes=150 * 1024**2)
    assert hub.finished[0]["failure_code"] == "oom_host"
    assert hub.finished[0]["peak_memory_bytes"] > 150 * 1024**2


def test_a_worker_that_shuts_down_hands_the_job_back(hub: HubSimulator, run: Run, shutdown: threading.Event) -> None:
    shutdown.set()
    run(["await_stop"])
    assert hub.finished[0]["failure_code"] == "worker_lost"


def test_a_stale_attempt_kills_the_child_and_reports_nothing(hub: HubSimulator, run: Run) -> None:
    def go_stale(_: dict[str, Any]) -> None:
        hub.stale = True

    hub.on_event = go_stale
    assert run(["ignore_sigterm"], ["print", "one"], ["hang"]) is None
    assert hub.finished == []


def test_events_wait_while_the_hub_is_away_and_arrive_once_in_order(hub: HubSimulator, run: Run) -> None:
    hub_is_back = threading.Timer(2, lambda: setattr(hub, "away", False))

    def go_away(event: dict[str, Any]) -> None:
        if event.get("step") == 1:
            hub.away = True
            hub.on_event = None
            hub_is_back.start()

    hub.on_event = go_away
    steps = [["emit", {"kind": "step", "step": number, "total_steps": 50}] for number in range(1, 51)]
    run(*steps, RESULT)
    hub_is_back.join()
    assert [event["step"] for event in hub.of_kind("step")] == list(range(1, 51))
    assert hub.finished[0]["state"] == "succeeded"


def test_heartbeats_carry_progress_and_phase(hub: HubSimulator, run: Run) -> None:
    run(
        ["emit", {"kind": "phase", "name": "training"}],
        ["emit", {"kind": "step", "step": 1, "total_steps": 4}],
        ["await_stop"],
        claim={"wall_seconds_left": 2},
    )
    assert hub.heartbeats[-1]["progress"] == 0.25
    assert hub.heartbeats[-1]["phase"] == "training"
    assert hub.heartbeats[-1]["peak_memory_bytes"] > 0


def test_nonsense_from_the_child_becomes_log_lines(hub: HubSimulator, run: Run) -> None:
    run(["emit", {"kind": "made_up"}], ["print", "x" * 100_000], RESULT)
    assert any("unknown type `made_up`" in line for line in lines(hub))
    assert any(line.endswith(("bytes cut]", "characters cut]")) for line in lines(hub))
    assert hub.finished[0]["state"] == "succeeded"


def test_a_message_for_a_job_that_is_gone_does_nothing(
    hub: HubSimulator, worker_settings: WorkerSettings, shutdown: threading.Event
) -> None:
    assert runner.run_job(worker_settings, "job_gone", shutdown) is None
    assert hub.finished == []


def test_an_unknown_worker_introduces_itself_and_claims_again(hub: HubSimulator, run: Run) -> None:
    hub.registered = False
    run(RESULT)
    assert hub.registrations[0]["name"] == "test/cpu"
    assert hub.registrations[0]["capabilities"]["methods"] == ["full", "frozen", "lora"]
    assert hub.finished[0]["state"] == "succeeded"


def test_the_child_sees_its_job_and_nothing_of_the_operator(
    worker_settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_WORKER_SECRET", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = child_environment(
        hub_url="http://hub", job_token="wb_job", scratch=worker_settings.scratch, threads=1, inherited=os.environ
    )
    assert "secret" not in environment.values()
    assert environment["HF_ENDPOINT"] == "http://hub"
    assert environment["HF_TOKEN"] == "wb_job"
    assert environment["OMP_NUM_THREADS"] == "1"


def test_secrets_do_not_show_in_representations(hub: HubSimulator, worker_settings: WorkerSettings) -> None:
    claim = parse_claim(hub.add_job("job_1", finetune_spec()))
    assert claim.job_token not in repr(claim)
    assert worker_settings.worker_secret not in repr(worker_settings)
