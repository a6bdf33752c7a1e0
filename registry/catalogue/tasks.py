"""Periodic work of the catalogue (schedule in `registry.celery`)."""

from __future__ import annotations

from celery import shared_task

from registry.catalogue.counters import windows_roll


@shared_task
def roll_download_windows() -> int:
    """Recounts the download window and trends; returns how many repositories changed."""
    return windows_roll()
