"""Refusals of the gate, in the families that every door knows how to answer."""

from __future__ import annotations

from registry.errors import DeniedError, UnavailableError


class GateDeniedError(DeniedError):
    """The gate refused. `details` carry the whole decision, its headers, and the page where it can be put right."""

    code = "gated"


class GateUnavailableError(UnavailableError):
    """The facts for a decision could not be gathered, so nothing is handed out; the caller may try again soon."""

    code = "gate_unavailable"
