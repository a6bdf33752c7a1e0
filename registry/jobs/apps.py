"""Django application `registry.jobs`."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Job requests, their state machine, leases, events and dispatch."""

    name = "registry.jobs"
    label = "jobs"
