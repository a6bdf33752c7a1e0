"""What the card says: about the baseline, the license, and how the rows were chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.workers.conftest import finetune_spec
from tests.workers.hub_simulator import HubSimulator
from workers.claim import Claim, parse_claim
from workers.failures import FailureCode, failure_of
from workers.metrics.classification import Comparison, Measurement
from workers.publishing.card import Results, baseline_sentence, card_data, card_text, notice_text

MEASURED = {"f1_macro": Measurement(0.8, 0.7, 0.9, 50, "bootstrap")}
RUN = {
    "steps": 12, "total_steps": 12, "best_step": 12, "evaluations": 1, "stopped": False, "resolved": {"train.lr": 0.1},
    "seconds": 5.0, "cpu_seconds": 4.0, "hardware": "CPU",
}  # fmt: skip


@pytest.fixture
def claim() -> Claim:
    hub = HubSimulator(url="http://hub")
    return parse_claim(hub.add_job("job_1", finetune_spec()))


def results(comparison: Comparison | None = None, **data: Any) -> Results:
    rows = {"train_rows": 100, "evaluation_rows": 50, "overlap": 0, **data}
    return Results(MEASURED, MEASURED, {"majority": MEASURED}, comparison, "f1_macro", rows, ["bad", "good"])


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Comparison(0.1, 0.02, 0.18, 50), "beats the TF-IDF baseline"),
        (Comparison(0.05, -0.02, 0.12, 50), "not shown to beat"),
        (Comparison(-0.1, -0.2, -0.01, 50), "prefer the baseline"),
        (None, "no TF-IDF baseline"),
    ],
)
def test_the_card_says_plainly_whether_the_baseline_is_beaten(comparison: Comparison | None, words: str) -> None:
    assert words in baseline_sentence(results(comparison))


def test_the_front_matter_carries_the_license_the_hub_computed(claim: Claim) -> None:
    data = card_data(claim, results()).to_dict()
    assert data["license"] == "apache-2.0"
    assert data["model-index"][0]["results"][0]["metrics"][0]["args"] == {"n": 50, "low": 0.7, "high": 0.9}


def test_an_unknown_license_is_never_replaced_by_a_default(claim: Claim) -> None:
    unknown = dataclasses.replace(
        claim, license=dataclasses.replace(claim.license, front_matter={}, must_review=True, sentence="Not known.")
    )
    assert "license" not in card_data(unknown, results()).to_dict()
    assert "has to review the license" in card_text(unknown, results(), RUN)


def test_obligations_and_notices_are_in_card_and_notice_file(claim: Claim) -> None:
    for text in (card_text(claim, results(), RUN), notice_text(claim)):
        assert "keep the license text" in text
        assert "Copyright the authors of the base." in text


def test_copies_and_choices_that_flatter_the_model_are_admitted(claim: Claim) -> None:
    text = card_text(claim, results(overlap=7), {**RUN, "evaluations": 3, "best_step": 8})
    assert "7 of them also occur in the training rows" in text
    assert "step 8 of 12 were chosen by F1 (macro) on these same rows" in text


def test_a_held_out_split_is_described_with_its_seed(claim: Claim) -> None:
    spec = finetune_spec()
    spec["data"]["split"]["eval"] = {"from": "train", "fraction": 0.1, "seed": 3, "stratify": "label"}
    assert "10% of split `train`, held out with seed 3" in card_text(
        dataclasses.replace(claim, spec=spec), results(), RUN
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), FailureCode.DISK_FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), FailureCode.DISK_FULL),
        (MemoryError(), FailureCode.OOM_HOST),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), FailureCode.OOM_HOST),
        (ModuleNotFoundError("No module named 'peft'", name="peft"), FailureCode.DEPENDENCY_MISSING),
        (ValueError("anything else"), FailureCode.INTERNAL),
    ],
)
def test_errors_of_libraries_find_their_code(error: Exception, code: FailureCode) -> None:
    assert failure_of(error).code is code
