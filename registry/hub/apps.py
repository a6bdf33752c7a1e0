"""Django application `registry.hub`."""

from django.apps import AppConfig


class HubConfig(AppConfig):
    """The Hugging Face-compatible HTTP API."""

    name = "registry.hub"
    label = "hub"
