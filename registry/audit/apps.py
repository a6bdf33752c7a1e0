"""Django application `registry.audit`."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit trail and the outbox: what happened, and what must be told to whom."""

    name = "registry.audit"
    label = "audit"
