"""Audit entries (what happened, append-only) and outbox messages (what must still be told)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """One thing that somebody did. Rows are only ever added; the database refuses update and delete."""

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=150, blank=True, help_text="User name; empty for the system")
    actor_id = models.BigIntegerField(null=True, blank=True)
    action = models.CharField(max_length=64, help_text="noun.verb, for example repository.create")
    target = models.CharField(max_length=300, help_text="kind:name, for example model:acme/x")
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["target", "-at"], name="audit_by_target"),
            models.Index(fields=["-at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class OutboxMessage(models.Model):
    """A message that must leave after its transaction commits. The row is the truth, the broker a hint."""

    topic = models.CharField(max_length=64)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=models.Q(sent_at__isnull=True), name="outbox_unsent")
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"
