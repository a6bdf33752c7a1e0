"""What a worker is told by its environment; read once at start, a bad value names its variable."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class WorkerSettingsError(ValueError):
    """A variable is missing or cannot be understood."""


@dataclass(frozen=True)
class WorkerSettings:
    """One worker's address book and limits.

    Args:
        hub_url: where the hub answers *this* worker; `None` in a claim's sense means the hub's own idea of it.
        worker_secret: shown to register and claim; the child never sees it.
        name: unique among workers, e.g. `host-1/cpu`.
        queues: broker queues to listen on (`jobs-cpu`, `jobs-gpu`).
        scratch: folder for one sub-folder a job; private to this worker.
        broker_url: the Celery broker; `broker_folder` is used by `filesystem://` alone.
        threads: cores the child may use. One thread is what makes a CPU run repeatable to the byte.
        memory_bytes: the child is stopped above this resident size (`oom_host`).
        grace_seconds: time between asking the child to stop and killing it.
    """

    hub_url: str
    worker_secret: str
    name: str
    queues: tuple[str, ...]
    scratch: Path
    broker_url: str
    broker_folder: Path
    threads: int
    memory_bytes: int
    grace_seconds: float

    def __repr__(self) -> str:  # the secret must not reach a log by way of a traceback
        return f"WorkerSettings(name={self.name!r}, hub_url={self.hub_url!r}, queues={self.queues!r})"


def settings_from_environment(environment: Mapping[str, str] | None = None) -> WorkerSettings:
    """Reads `WEIGHBRIDGE_…` variables.

    Raises:
        WorkerSettingsError: naming the variable that is missing or wrong.
    """
    env = os.environ if environment is None else environment
    data = Path(env.get("WEIGHBRIDGE_DATA_DIR") or "data").absolute()
    queues = tuple(part.strip() for part in env.get("WEIGHBRIDGE_WORKER_QUEUES", "jobs-cpu").split(",") if part.strip())
    hub_url = env.get("WEIGHBRIDGE_HUB_URL") or env.get("WEIGHBRIDGE_PUBLIC_URL") or "http://127.0.0.1:8000"
    if not hub_url.startswith(("http://", "https://")):
        raise WorkerSettingsError(f"WEIGHBRIDGE_HUB_URL: `{hub_url}` is not an http(s) URL")
    return WorkerSettings(
        hub_url=hub_url.rstrip("/"),
        worker_secret=_secret(env, data),
        name=env.get("WEIGHBRIDGE_WORKER_NAME") or f"{socket.gethostname()}/{queues[0].removeprefix('jobs-')}",
        queues=queues,
        scratch=Path(env.get("WEIGHBRIDGE_WORKER_DIR") or data / "worker").absolute(),
        broker_url=env.get("WEIGHBRIDGE_BROKER_URL") or "filesystem://",
        broker_folder=data / "broker",
        threads=_number(env, "WEIGHBRIDGE_WORKER_THREADS", 1),
        memory_bytes=_number(env, "WEIGHBRIDGE_WORKER_MEMORY", int(machine_memory() * 0.9)),
        grace_seconds=_number(env, "WEIGHBRIDGE_WORKER_GRACE_SECONDS", 120),
    )


def machine_memory() -> int:
    """Returns the bytes of memory this process may use: the machine's, or the container's limit where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise WorkerSettingsError(f"{name}: `{text}` is not a whole number above zero")
    return int(text)


def _secret(env: Mapping[str, str], data: Path) -> str:
    value = env.get("WEIGHBRIDGE_WORKER_SECRET", "")
    if value:
        return value
    path = Path(env.get("WEIGHBRIDGE_WORKER_SECRET_FILE") or data / "secrets" / "worker_secret")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise WorkerSettingsError(
            f"WEIGHBRIDGE_WORKER_SECRET is not set and `{path}` cannot be read: {error.strerror}"
        ) from error
