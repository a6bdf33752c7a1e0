"""The table of states: legal ways, and laws that hold for any order of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.jobs.models import JobState
from registry.jobs.states import (
    LIVE,
    TERMINAL,
    TRANSITIONS,
    Directive,
    State,
    StopMode,
    after_lost_lease,
    directive_for,
    may_move,
    settled,
    stronger_stop,
)

states = st.sampled_from(list(State))
modes = st.sampled_from(list(StopMode))


def test_the_database_knows_the_same_states() -> None:
    assert set(JobState.values) == {str(state) for state in State}


def test_every_state_has_a_row_and_every_target_exists() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set().union(*TRANSITIONS.values()) <= set(State)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_leaves_a_terminal_state(state: State) -> None:
    assert not any(may_move(state, target) for target in State)


def test_every_live_state_can_fail_be_stopped_or_be_lost() -> None:
    for state in LIVE - {State.STOPPING}:
        assert {State.FAILED, State.STOPPING, State.QUEUED} <= TRANSITIONS[state]


def test_success_comes_only_from_publishing() -> None:
    assert {origin for origin in State if may_move(origin, State.SUCCEEDED)} == {State.FINALIZING, State.STOPPING}


@given(st.lists(states, max_size=40))
def test_any_order_of_wishes_follows_the_table_and_ends_at_most_once(wishes: list[State]) -> None:
    state, ended = State.QUEUED, 0
    for wish in wishes:
        if may_move(state, wish):
            assert state not in TERMINAL
            state = wish
            ended += wish in TERMINAL
    assert ended <= 1


@given(modes, modes, modes)
def test_a_later_wish_to_stop_never_weakens_an_earlier_one(first: StopMode, second: StopMode, third: StopMode) -> None:
    order = list(StopMode)
    once = stronger_stop(first, second)
    assert order.index(once) >= max(order.index(first), order.index(second))
    assert stronger_stop(once, second) == once
    assert stronger_stop(stronger_stop(first, second), third) == stronger_stop(first, stronger_stop(second, third))


@given(modes, st.booleans())
def test_where_a_lost_job_goes_is_legal_from_the_state_it_is_in(mode: StopMode, remain: bool) -> None:
    target = after_lost_lease(mode, attempts_remain=remain)
    origins = {State.STOPPING} if mode else LIVE
    assert all(may_move(origin, target) for origin in origins)


def test_a_lost_job_is_queued_again_only_while_attempts_remain() -> None:
    assert after_lost_lease("", attempts_remain=True) is State.QUEUED
    assert after_lost_lease("", attempts_remain=False) is State.FAILED


@given(modes, st.sampled_from(sorted(TERMINAL)), st.booleans())
def test_without_a_published_commit_a_stopped_job_never_succeeds(mode: StopMode, said: State, published: bool) -> None:
    final = settled(mode, said, published=published)
    if mode in {StopMode.CANCEL, StopMode.LICENSE} and not published:
        assert final is (State.CANCELLED if mode is StopMode.CANCEL else State.FAILED)


@given(modes)
def test_what_is_published_before_a_stop_stays_a_success(mode: StopMode) -> None:
    assert settled(mode, State.SUCCEEDED, published=True) is State.SUCCEEDED


def test_each_stop_mode_has_its_directive() -> None:
    assert {mode: directive_for(mode) for mode in StopMode} == {
        StopMode.NONE: Directive.CONTINUE,
        StopMode.KEEP: Directive.STOP_KEEP,
        StopMode.CANCEL: Directive.STOP_CANCEL,
        StopMode.LICENSE: Directive.LICENSE_REVOKED,
    }
