"""The table of epochs. Only triggers write it (`registry.epochs.triggers`)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Epoch(models.Model):
    """How often what a scope names has changed: the sum of `value` over the scope's slots.

    A transaction raises a slot that no other running transaction holds, so writers never wait for one another here.
    """

    scope = models.CharField(max_length=64)
    slot = models.IntegerField(default=0)
    value = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["scope", "slot"], name="epoch_slot_unique")]

    def __str__(self) -> str:
        return f"{self.scope}: {self.value}"
