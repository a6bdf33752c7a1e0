"""Django application `registry.access`."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The one door: gathers facts, asks the gate, records the answer."""

    name = "registry.access"
    label = "access"
