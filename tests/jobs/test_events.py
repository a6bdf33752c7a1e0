"""Events: numbered by their sender, stored once, cut where they are too long, read in order."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from registry.jobs import events as module
from registry.jobs.attempts import AttemptCredentials, Claimed
from registry.jobs.errors import StaleAttemptError, WorkerMessageError
from registry.jobs.events import MAX_LINE_CHARACTERS, batch_parse
from registry.jobs.jsonvalues import storable
from registry.jobs.models import Job
from registry.jobs.selectors import events_after, log_lines, loss_curve
from registry.jobs.services import events_append, lost_jobs_requeue

Claim = Callable[[Job], tuple[Claimed, AttemptCredentials]]


def _event(seq: int, type: str = "step", **payload: Any) -> dict[str, Any]:  # noqa: A002 (the protocol's word)
    return {"seq": seq, "t": 1_763_930_000.5, "type": type, **payload}


@pytest.fixture
def say(job: Job, claim: Claim) -> Callable[..., module.EventsAccepted]:
    """Returns `say(*events)`: the job's present attempt sends a batch."""
    _, credentials = claim(job)

    def send(*events: dict[str, Any]) -> module.EventsAccepted:
        return events_append(job_id=job.pk, credentials=credentials, events=batch_parse(list(events)))

    return send


@pytest.mark.django_db
def test_a_batch_is_stored_in_order(job: Job, say: Any) -> None:
    done = say(_event(1, step=1, loss=0.5), _event(2, step=2, loss=0.4))
    assert (done.accepted, done.duplicates, done.last_sequence, done.directive) == (2, 0, 2, "continue")
    steps = [event for event in events_after(job.pk) if event["kind"] == "step"]
    assert [event["payload"] for event in steps] == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}]
    assert {event["attempt"] for event in steps} == {1}


@pytest.mark.django_db
def test_sending_again_stores_nothing_twice(job: Job, say: Any) -> None:
    say(_event(1), _event(2))
    done = say(_event(2), _event(3), _event(3))
    assert (done.accepted, done.duplicates, done.last_sequence) == (1, 2, 3)
    assert [event["sequence"] for event in events_after(job.pk) if event["kind"] == "step"] == [1, 2, 3]


@pytest.mark.django_db
def test_a_reader_that_goes_on_from_the_last_id_misses_and_repeats_nothing(job: Job, say: Any) -> None:
    say(*[_event(number) for number in range(1, 30)])
    seen: list[int] = []
    while page := events_after(job.pk, seen[-1] if seen else 0, 7):
        seen += [event["id"] for event in page]
    assert seen == [event["id"] for event in events_after(job.pk, 0, 1000)]
    assert len(seen) == 29 + 2


@pytest.mark.django_db
def test_each_attempt_numbers_anew(job: Job, claim: Claim, say: Any) -> None:
    say(_event(1))
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    _, second = claim(job)
    done = events_append(job_id=job.pk, credentials=second, events=batch_parse([_event(1)]))
    assert done.accepted == 1
    with pytest.raises(StaleAttemptError):
        say(_event(2))


@pytest.mark.django_db
def test_a_batch_takes_few_queries(say: Any, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(6):  # two of them are the savepoint that a test's transaction adds
        say(*[_event(number, step=number) for number in range(1, 101)])


@pytest.mark.django_db
def test_a_log_line_of_ten_megabytes_is_cut_and_says_so(job: Job, say: Any) -> None:
    say(_event(1, "log", line="x" * 10_000_000, stream="stdout"))
    payload = events_after(job.pk)[-1]["payload"]
    assert len(payload["line"]) == MAX_LINE_CHARACTERS
    assert payload["cut"] == 10_000_000 - MAX_LINE_CHARACTERS
    assert f"[{payload['cut']} more characters left out]" in list(log_lines(job))[-1]


@pytest.mark.django_db
def test_a_log_that_reached_its_cap_says_so_once(job: Job, say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 100)
    for number in range(1, 30):
        say(_event(number, "log", line="0123456789"))
    lines = list(log_lines(job))
    assert lines[:10] == ["[1] 0123456789"] * 10
    assert len(lines) == 11
    assert "later lines are left out" in lines[10]


@pytest.mark.django_db
def test_a_huge_payload_is_replaced_by_a_note(job: Job, say: Any) -> None:
    say(_event(1, "artifact", blob="y" * 100_000))
    assert events_after(job.pk)[-1]["payload"]["cut"] > 100_000


@pytest.mark.django_db
def test_a_nan_loss_is_kept_as_text(job: Job, say: Any) -> None:
    say(_event(1, loss=math.nan, scale=math.inf, line="nul\x00 surrogate\ud800"))
    payload = events_after(job.pk)[-1]["payload"]
    assert payload == {"loss": "NaN", "scale": "Infinity", "line": "nul\ufffd surrogate?"}


@pytest.mark.django_db
def test_the_phase_is_remembered(job: Job, say: Any) -> None:
    say(_event(1, "phase", name="downloading"))
    job.refresh_from_db()
    assert job.phase == "downloading"


@pytest.mark.parametrize(
    "batch",
    [
        None,
        {"seq": 1},
        ["x"],
        [{"t": 1, "type": "step"}],
        [{"seq": 0, "t": 1, "type": "step"}],
        [{"seq": True, "t": 1, "type": "step"}],
        [{"seq": 1.5, "t": 1, "type": "step"}],
        [{"seq": 2**31, "t": 1, "type": "step"}],
        [{"seq": 1, "t": "soon", "type": "step"}],
        [{"seq": 1, "t": 1e30, "type": "step"}],
        [{"seq": 1, "t": math.nan, "type": "step"}],
        [{"seq": 1, "t": 1, "type": "state"}],
        [{"seq": 1, "t": 1, "type": ["step"]}],
        [_event(number) for number in range(1, 1002)],
    ],
)
def test_what_is_no_batch_is_refused(batch: Any) -> None:
    with pytest.raises(WorkerMessageError):
        batch_parse(batch)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json_values)
def test_what_is_stored_is_json_that_any_database_takes(value: Any) -> None:
    def sound(part: Any) -> bool:
        if isinstance(part, dict):
            return all(sound(key) and sound(inner) for key, inner in part.items())
        if isinstance(part, list):
            return all(map(sound, part))
        if isinstance(part, str):
            return "\x00" not in part and bool(part.encode() or True)
        return not isinstance(part, float) or math.isfinite(part)

    assert sound(storable(value))


def test_nesting_is_bounded() -> None:
    deep: Any = "end"
    for _ in range(50):
        deep = [deep]
    assert "nested too deep" in str(storable(deep))


# --- curves -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_curve_has_each_step_once_and_evaluations_by_phase(job: Job, say: Any) -> None:
    say(
        _event(1, "eval", step=0, phase="before", metrics={"accuracy": 0.5}),
        *[_event(number + 1, step=number, total_steps=20, loss=1 / number) for number in range(1, 21)],
        _event(22, "eval", step=20, phase="training", metrics={"accuracy": 0.8}),
        _event(23, "eval", step=20, phase="final", metrics={"accuracy": 0.8}),
    )
    curve = loss_curve(job)
    assert [point["step"] for point in curve.steps] == list(range(1, 21))
    assert [point["phase"] for point in curve.evaluations] == ["before", "training", "final"]
    assert curve.total_steps == 20


@pytest.mark.django_db
def test_a_resumed_attempt_replaces_the_steps_it_repeats(job: Job, claim: Claim, say: Any) -> None:
    say(_event(1, step=1, loss=9.0), _event(2, step=2, loss=8.0))
    lost_jobs_requeue(now=timezone.now() + timedelta(seconds=91))
    _, second = claim(job)
    events_append(job_id=job.pk, credentials=second, events=batch_parse([_event(1, step=2, loss=7.0)]))
    assert [point["loss"] for point in loss_curve(job).steps] == [9.0, 7.0]


@pytest.mark.django_db
def test_a_long_curve_is_thinned_and_keeps_its_end(job: Job, say: Any) -> None:
    for start in range(1, 2001, 1000):
        say(*[_event(number, step=number, loss=0.1) for number in range(start, start + 1000)])
    curve = loss_curve(job)
    assert len(curve.steps) <= 501
    assert (curve.steps[0]["step"], curve.steps[-1]["step"]) == (1, 2000)


@pytest.mark.django_db
def test_a_job_without_steps_has_an_empty_curve(job: Job) -> None:
    assert loss_curve(job) == type(loss_curve(job))([], [], None)
