"""Options of the message broker, the same in shape as the hub's own; the applications share nothing but the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LONGEST_JOB = 86_400


def transport_options(broker_url: str, folder: Path) -> dict[str, Any]:
    """Returns kombu's transport options for a broker URL, in the same shape as the hub's own.

    `filesystem://` keeps messages as files in `folder`. Redis delivers again after the visibility timeout, so that is
    set above the longest job.
    """
    if broker_url.startswith("filesystem"):
        messages, control = folder / "messages", folder / "control"
        for path in (messages, control):
            path.mkdir(parents=True, exist_ok=True)
        return {
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(control),
            "store_processed": False,
        }
    if broker_url.startswith("redis"):
        return {"visibility_timeout": _LONGEST_JOB}
    return {}
