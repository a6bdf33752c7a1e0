"""Copies checkpoints between this worker's disk and the job's private storage on the hub."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.checkpoints import Checkpoint, file_digest, mirrored_files, safe_relative
from workers.hub import HubError, JobClient

logger = logging.getLogger(__name__)


class CheckpointMirror:
    """Uploads checkpoints one at a time beside training; a newer one replaces one that still waits."""

    def __init__(self, hub: JobClient) -> None:
        self._hub = hub
        self._waiting: Checkpoint | None = None
        self._closed = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="checkpoint-mirror", daemon=True)
        self._thread.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Queues a whole checkpoint for upload."""
        with self._condition:
            self._waiting = checkpoint
            self._condition.notify()

    def close(self, seconds: float) -> None:
        """Finishes what was offered, waiting at most `seconds`."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._closed)
                checkpoint, self._waiting = self._waiting, None
            if checkpoint is None:
                return
            try:
                self._hub.checkpoint_store(checkpoint.step, checkpoint.path, mirrored_files(checkpoint))
            except (HubError, OSError) as error:
                # Mirroring is insurance: a failed upload costs repeated steps on another worker, never this run.
                # OSError: training has already rotated the files away; the next checkpoint is on its way.
                logger.warning("checkpoint of step %d was not mirrored: %s", checkpoint.step, error)


def fetch_checkpoints(hub: JobClient, folder: Path, reject: Callable[[str], None]) -> None:
    """Fetches mirrored checkpoints that this worker lacks into `folder`, newest first, until one is whole.

    Contents are verified again, against the manifest inside, when training resumes.
    """
    for entry in hub.checkpoints():
        final = folder / f"step-{int(entry['step'])}"
        if final.is_dir():
            return
        partial = folder / f"fetch-{int(entry['step'])}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _fetch(hub, entry["files"], partial)
        except HubError as error:
            reject(f"mirrored checkpoint of step {entry['step']} is not used: {error}")
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.rename(final)
            return


def _fetch(hub: JobClient, files: list[dict[str, Any]], folder: Path) -> None:
    for file in files:
        if not safe_relative(file["path"]):
            raise HubError(f"`{file['path']}` is no safe file name")
        target = folder / file["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        hub.download(file["url"], target)
        if target.stat().st_size != file["size"] or file_digest(target) != file["sha256"]:
            raise HubError(f"`{file['path']}` arrived with other bytes than were mirrored")
