"""Django application `registry.web`."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The pages people browse."""

    name = "registry.web"
    label = "web"
