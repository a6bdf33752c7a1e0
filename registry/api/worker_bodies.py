"""Shapes of what workers send. A key that the protocol does not know is refused, so that a typing error is found."""

from __future__ import annotations

import json
import math
from typing import Any

from rest_framework import serializers

_MAX_CAPABILITIES = 64 * 1024


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown keys."""

    def to_internal_value(self, data: Any) -> Any:
        """Returns the validated values."""
        if isinstance(data, dict):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(dict.fromkeys(unknown, "is not known here"))
        return super().to_internal_value(data)


class SmallJSON(serializers.JSONField):
    """An object of at most 64 KiB."""

    def to_internal_value(self, data: Any) -> Any:
        """Returns the object."""
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object")
        if len(json.dumps(data)) > _MAX_CAPABILITIES:
            raise serializers.ValidationError(f"must have at most {_MAX_CAPABILITIES} characters")
        return super().to_internal_value(data)


class LooseText(serializers.Field[Any, Any, Any, Any]):
    """Text as a program printed it: blank, padded or with NUL bytes (which storing takes out)."""

    def to_internal_value(self, data: Any) -> str:
        """Returns the text."""
        return str(data)


def _finite(value: float) -> None:
    if not math.isfinite(value):
        raise serializers.ValidationError("must be a finite number")


class RegisterBody(StrictSerializer):
    """A worker's description of itself."""

    name = serializers.RegexField(r"^[\w.\-/:@]{1,150}$")
    queues = serializers.ListField(child=serializers.CharField(max_length=64), max_length=20)
    capabilities = SmallJSON()


class ClaimBody(StrictSerializer):
    """Who claims."""

    worker = serializers.CharField(max_length=150)


class HeartbeatBody(StrictSerializer):
    """A sign of life."""

    progress = serializers.FloatField(min_value=0, max_value=1, required=False, validators=[_finite])
    phase = serializers.CharField(max_length=32, allow_blank=True, required=False)
    peak_memory_bytes = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False)


class StateBody(StrictSerializer):
    """Where the attempt stands now."""

    state = serializers.ChoiceField(choices=["running", "finalizing"])


class ResolvedBody(StrictSerializer):
    """What `auto` became, by dotted path."""

    values = SmallJSON()


class FilesBody(StrictSerializer):
    """Files of a checkpoint to come; each is checked by `checkpoints.files_parse`."""

    files = serializers.JSONField()


class CheckpointBody(FilesBody):
    """A checkpoint whose bytes have arrived."""

    step = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


class FinishBody(StrictSerializer):
    """How the attempt ended; states and codes are checked by `results.report_check`."""

    state = serializers.ChoiceField(choices=["succeeded", "stopped_with_output", "cancelled", "failed"])
    failure_code = serializers.CharField(max_length=32, allow_blank=True, allow_null=True, default="")
    message = LooseText(allow_null=True, default="")
    metrics = serializers.DictField(default=dict)
    output_commit = serializers.RegexField(r"^([0-9a-f]{40})?$", allow_blank=True, allow_null=True, default="")
    peak_memory_bytes = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=None, allow_null=True)
    wall_seconds = serializers.FloatField(
        min_value=0, max_value=1e9, default=None, allow_null=True, validators=[_finite]
    )
    log_tail = serializers.ListField(child=LooseText(), default=list)


def checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Returns the validated values.

    Raises:
        rest_framework.serializers.ValidationError: one message a field.
    """
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
