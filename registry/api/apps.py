"""Django application `registry.api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The native REST API under /api/v1."""

    name = "registry.api"
    label = "api"
