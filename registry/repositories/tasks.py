"""Periodic work of repositories (schedule in `registry.celery`)."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from registry.repositories.sweep import unreferenced_delete
from registry.storage.services import orphans_sweep, uploads_sweep

logger = logging.getLogger(__name__)

# Longer than any upload link lives and than any commit takes.
GRACE = timedelta(hours=24)


@shared_task
def sweep_unreferenced(grace_seconds: float = GRACE.total_seconds()) -> dict[str, int]:
    """Removes rows and bytes that nothing refers to and that are older than the grace period."""
    older_than = timezone.now() - timedelta(seconds=grace_seconds)
    swept = unreferenced_delete(older_than=older_than)
    counts = {
        "uploads": swept.uploads,
        "git_objects": swept.git_objects,
        "large_objects": swept.large_objects,
        "temporary_files": uploads_sweep(older_than),
        "orphaned_bytes": orphans_sweep(older_than),
    }
    logger.info("swept unreferenced objects", extra=counts)
    return counts
