"""Options of the message broker, shared in shape by `registry.celery` and `workers.celery`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def transport_options(broker_url: str, folder: Path) -> dict[str, Any]:
    """Returns kombu's transport options for a broker URL.

    `filesystem://` keeps messages as files in `folder`; it is not first-in-first-out and loses an unacknowledged
    message on `kill -9`, which is why the database is the truth and a message only a doorbell. Redis re-delivers after
    the visibility timeout, so that is set above the longest job (24 hours).
    """
    if broker_url.startswith("filesystem"):
        messages = folder / "messages"
        for path in (messages, folder / "control"):
            path.mkdir(parents=True, exist_ok=True)
        return {
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(folder / "control"),
            "store_processed": False,
        }
    if broker_url.startswith("redis"):
        return {"visibility_timeout": 86_400}
    return {}
