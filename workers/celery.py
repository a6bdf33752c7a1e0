"""The `workers` Celery application: hears doorbells and runs jobs. Knows neither Django nor torch.

    celery -A workers.celery worker

The message carries a job id only; all truth is on the hub, so a message that comes twice, late or never does no harm.
One job at a time in a thread: the work itself happens in a child process, this one only supervises.
"""

from __future__ import annotations

import dataclasses
import threading
import time

from celery import Celery, signals
from kombu import Exchange, Queue

from workers.brokers import transport_options
from workers.runner import register_forever, remove_forgotten, run_job
from workers.settings import WorkerSettings, settings_from_environment


def make_app(settings: WorkerSettings, shutdown: threading.Event) -> Celery:
    """Returns the application with its one task."""
    application = Celery("workers")
    application.conf.update(
        broker_url=settings.broker_url,
        broker_transport_options=transport_options(settings.broker_url, settings.broker_folder),
        broker_connection_retry_on_startup=True,
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in settings.queues],
        task_default_queue=settings.queues[0],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_pool="threads",
        worker_concurrency=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=not settings.broker_url.startswith("filesystem"),
        timezone="UTC",
    )

    @application.task(name="workers.run_job")  # type: ignore[untyped-decorator, unused-ignore]
    def run(job_id: str) -> None:
        """Runs the job of a doorbell."""
        run_job(settings, job_id, shutdown)

    return application


SETTINGS = settings_from_environment()
SHUTDOWN = threading.Event()
app = make_app(SETTINGS, SHUTDOWN)


@signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
def _on_ready(**_: object) -> None:
    remove_forgotten(SETTINGS.scratch, time.time())
    listening = dataclasses.replace(SETTINGS, queues=tuple(app.amqp.queues.consume_from))  # --queues may differ
    threading.Thread(target=register_forever, args=(listening, SHUTDOWN), name="registration", daemon=True).start()


@signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
def _on_shutting_down(**_: object) -> None:
    # The running job saves a checkpoint and goes back to the queue, where it waits for this or another worker.
    SHUTDOWN.set()
