"""Django application `registry.epochs`."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class EpochsConfig(AppConfig):
    """Numbers that change with the data, so that what a process remembers can be checked by one small query."""

    name = "registry.epochs"
    label = "epochs"

    def ready(self) -> None:
        """Has the triggers put in place after every `migrate`: SQLite drops them whenever it remakes a table."""
        post_migrate.connect(_install, sender=self)


def _install(*, using: str, **facts: Any) -> None:
    from registry.epochs.triggers import triggers_install  # noqa: PLC0415 (models are not loaded when this module is)

    del facts
    triggers_install(connections[using])
