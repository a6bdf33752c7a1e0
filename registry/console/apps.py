"""Django application `registry.console`."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin panel."""

    name = "registry.console"
    label = "console"
