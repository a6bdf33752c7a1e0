"""Tells the relay that there is something to send. Only a hint: nobody depends on its arrival."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

from registry.celery import app

RELAY_TASK = "registry.audit.tasks.relay_outbox"
logger = logging.getLogger(__name__)


def ring() -> None:
    """Sends the relay task to the broker; a broker that is down is logged, never raised."""
    try:
        app.send_task(RELAY_TASK, ignore_result=True, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("the broker cannot be reached; the periodic relay will send: %s", error)
