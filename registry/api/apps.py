"""Django application `registry.api`."""

from django.apps import AppConfig

from registry.checks import register_checks


class ApiConfig(AppConfig):
    """The native REST API under /api/v1."""

    name = "registry.api"
    label = "api"

    def ready(self) -> None:
        """Registers the deployment checks, which belong to no domain application."""
        register_checks()
