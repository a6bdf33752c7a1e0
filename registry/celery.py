"""The `tasks` Celery application: work with the database (outbox, sweeps, indexing). Jobs run in `workers.celery`.

Both applications share one broker and meet only by task name and queue (`docs/decisions/0004`).
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.conf import settings

from registry.brokers import transport_options

app = Celery("registry")
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_transport_options=transport_options(settings.BROKER_URL, settings.DATA_DIR / "broker"),
    broker_connection_retry_on_startup=True,
    task_default_queue="tasks",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    timezone="UTC",
    beat_schedule_filename=str(settings.DATA_DIR / "beat-schedule"),
    beat_schedule={
        "relay-outbox": {"task": "registry.audit.tasks.relay_outbox", "schedule": 5.0},
        "requeue-lost-jobs": {"task": "registry.jobs.tasks.requeue_lost_jobs", "schedule": 15.0},
        "prune-checkpoints": {"task": "registry.jobs.tasks.prune_checkpoints", "schedule": 3600.0},
        "prune-outbox": {"task": "registry.audit.tasks.prune_outbox", "schedule": 3600.0},
        "sweep-unreferenced-objects": {"task": "registry.repositories.tasks.sweep_unreferenced", "schedule": 3600.0},
        "roll-download-windows": {"task": "registry.catalogue.tasks.roll_download_windows", "schedule": 3600.0},
    },
)
app.autodiscover_tasks()
