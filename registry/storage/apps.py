"""Django application `registry.storage`."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Content-addressed objects: stores, uploads, signed links."""

    name = "registry.storage"
    label = "storage"
