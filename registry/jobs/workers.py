"""Workers as they describe themselves, and whether any of them has room for a job. Routing reads facts, not names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from registry.jobs.jsonvalues import storable
from registry.jobs.models import Worker

# A worker that has not been heard of for a day is no reason to refuse, or to accept, a job.
KNOWN_FOR = timedelta(days=1)


def worker_register(*, name: str, queues: Sequence[str], capabilities: Mapping[str, Any]) -> Worker:
    """Writes down what a worker says of itself; called at its start and each minute after."""
    worker, _ = Worker.objects.update_or_create(
        name=name,
        defaults={"queues": list(queues), "capabilities": storable(capabilities), "last_seen_at": timezone.now()},
    )
    return worker


def known_workers() -> list[Worker]:
    """Returns the workers heard of within the last day."""
    return list(Worker.objects.filter(last_seen_at__gte=timezone.now() - KNOWN_FOR).order_by("name"))


def largest_memory(workers: Iterable[Worker], *, kind: str, gpus: int) -> int | None:
    """Returns the bytes of the roomiest worker that can do such a job; None if no known worker can.

    For a GPU job that is the memory of one device, since each device holds the whole model here.
    """
    sizes = [_memory(worker.capabilities, gpus) for worker in workers if _can(worker.capabilities, kind)]
    return max((size for size in sizes if size is not None), default=None)


def _can(capabilities: Mapping[str, Any], kind: str) -> bool:
    kinds = capabilities.get("kinds")
    return isinstance(kinds, list) and kind in kinds


def _memory(capabilities: Mapping[str, Any], gpus: int) -> int | None:
    if not gpus:
        return _whole(capabilities.get("memory_bytes"))
    devices = capabilities.get("gpus")
    listed = devices if isinstance(devices, list) else []
    sizes = [_whole(device.get("memory_bytes")) for device in listed if isinstance(device, Mapping)]
    return max((size for size in sizes if size is not None), default=None) if len(sizes) >= gpus else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
