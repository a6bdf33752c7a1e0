"""The closed list of failures."""

from __future__ import annotations

import pytest

from registry.jobs.failures import FAILURES, explain

DESIGNED = (
    "bad_spec, input_missing, data_invalid, license_blocked, license_revoked, oom_gpu, oom_host, disk_full, timeout, "
    "nan_loss, worker_lost, checkpoint_corrupt, dependency_missing, publish_conflict, internal"
)


def test_the_list_is_the_designed_one() -> None:
    assert set(FAILURES) == set(DESIGNED.split(", "))


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_each_says_what_to_do(code: str) -> None:
    assert explain(code).endswith(".")
    assert len(explain(code)) > 40


def test_only_a_lost_worker_is_tried_again_by_the_hub_itself() -> None:
    assert [code for code, failure in FAILURES.items() if failure.requeue] == ["worker_lost"]
