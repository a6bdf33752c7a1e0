"""The states of a job and the legal ways between them: a table, without database or clock.

    queued -> starting -> running -> finalizing -> succeeded
    starting, running, finalizing -> stopping -> stopped_with_output | cancelled
    any live state -> failed; a live state whose lease expired -> queued, while attempts remain

The database repeats the last word: rows in a terminal state refuse every change (migration 0002).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    FINALIZING = "finalizing"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    STOPPED_WITH_OUTPUT = "stopped_with_output"
    CANCELLED = "cancelled"
    FAILED = "failed"


class StopMode(StrEnum):
    """Why a live job is to end early; the empty text means that it is not."""

    NONE = ""
    KEEP = "keep"
    CANCEL = "cancel"
    LICENSE = "license"


class Directive(StrEnum):
    """What the hub tells the worker in every answer."""

    CONTINUE = "continue"
    STOP_KEEP = "stop_keep"
    STOP_CANCEL = "stop_cancel"
    LICENSE_REVOKED = "license_revoked"


_Q, _ST, _R, _FI, _SP = State.QUEUED, State.STARTING, State.RUNNING, State.FINALIZING, State.STOPPING
_OK, _KEPT, _CANCELLED, _FAILED = State.SUCCEEDED, State.STOPPED_WITH_OUTPUT, State.CANCELLED, State.FAILED

TERMINAL = frozenset({_OK, _KEPT, _CANCELLED, _FAILED})
LIVE = frozenset({_ST, _R, _FI, _SP})

# A stopping job may still succeed: its one publishing commit can land just before the stop arrives, and what is
# published cannot be called back by a job.
TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        _Q: frozenset({_ST, _CANCELLED, _FAILED}),
        _ST: frozenset({_R, _FI, _SP, _Q, _FAILED}),
        _R: frozenset({_FI, _SP, _Q, _FAILED}),
        _FI: frozenset({_OK, _SP, _Q, _FAILED}),
        _SP: frozenset({_OK, _KEPT, _CANCELLED, _Q, _FAILED}),
        **dict.fromkeys(TERMINAL, frozenset[State]()),
    }
)

_DIRECTIVES = {
    StopMode.NONE: Directive.CONTINUE,
    StopMode.KEEP: Directive.STOP_KEEP,
    StopMode.CANCEL: Directive.STOP_CANCEL,
    StopMode.LICENSE: Directive.LICENSE_REVOKED,
}


def may_move(current: State, target: State) -> bool:
    """True if the table allows the step."""
    return target in TRANSITIONS[current]


def directive_for(stop_mode: str) -> Directive:
    """Returns what a worker is told while this stop mode is set."""
    return _DIRECTIVES[StopMode(stop_mode)]


def stronger_stop(present: str, asked: str) -> StopMode:
    """Returns the stop mode after another wish: license beats cancel beats keep; no wish weakens an earlier one."""
    order = [StopMode.NONE, StopMode.KEEP, StopMode.CANCEL, StopMode.LICENSE]
    return max(StopMode(present), StopMode(asked), key=order.index)


def after_lost_lease(stop_mode: str, *, attempts_remain: bool) -> State:
    """Returns where a job goes whose worker fell silent.

    A cancelled job needs no worker any more; a license that was withdrawn fails the job; else another attempt runs it.
    """
    if stop_mode == StopMode.CANCEL:
        return State.CANCELLED
    if stop_mode == StopMode.LICENSE or not attempts_remain:
        return State.FAILED
    return State.QUEUED


def settled(stop_mode: str, reported: State, *, published: bool) -> State:
    """Returns the final state for what a worker reports, in view of what was asked of it.

    Args:
        stop_mode: the stop that was asked for, if any.
        reported: the terminal state that the worker claims.
        published: its publishing commit is in the output repository (or the job publishes nothing).

    A job that was told to stop without output ends that way unless its commit had landed before; one that lost its
    license ends `failed`.
    """
    if reported in {State.SUCCEEDED, State.STOPPED_WITH_OUTPUT} and published:
        return reported
    if stop_mode == StopMode.LICENSE:
        return State.FAILED
    if stop_mode == StopMode.CANCEL:
        return State.CANCELLED
    return reported
