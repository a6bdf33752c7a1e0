"""The child's side of the pipes: what a recipe may say to its supervisor, and what it is told."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.checkpoints import Checkpoint
from workers.claim import Claim
from workers.events import finite


class Control:
    """What the supervisor has asked for. `stop` is "", "keep", "save" (shut down) or "cancel"."""

    def __init__(self) -> None:
        self.stop = ""
        self._answered = threading.Event()
        self._publish = False

    def obey(self, command: str) -> None:
        """Takes a command of the supervisor; cancelling outranks keeping."""
        if command == "publish":
            self._publish = True
            self._answered.set()
        elif command == "stop_keep":
            self.stop = self.stop or "keep"
        elif command == "stop_cancel":
            self.stop = "cancel"
            self._answered.set()

    def save_and_leave(self) -> None:
        """SIGTERM: save a checkpoint at the next step, then go."""
        self.stop = self.stop if self.stop == "cancel" else "save"
        self._answered.set()

    def may_publish(self) -> bool:
        """Waits for the supervisor's answer."""
        self._answered.wait()
        return self._publish and self.stop not in {"cancel", "save"}

    def listen(self, lines: Iterable[str]) -> None:
        """Reads commands until the supervisor is gone; then ends this whole process group: nobody would hear of it."""
        for line in lines:
            self.obey(str(json.loads(line).get("command")))
        os.killpg(os.getpgrp(), signal.SIGKILL)


class Channel:
    """Writes newline JSON records to the supervisor. Safe to use from several threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def emit(self, kind: str, **payload: Any) -> None:
        """Sends one record."""
        data = memoryview(json.dumps({**finite(payload), "type": kind}).encode() + b"\n")
        with self._lock:
            while data:  # a pipe takes large records in parts
                data = data[os.write(self._descriptor, data) :]


@dataclass(frozen=True)
class Context:
    """All a recipe gets: the claim, its folders, a voice and an ear."""

    claim: Claim
    scratch: Path
    channel: Channel
    control: Control
    started: float

    @property
    def checkpoints(self) -> Path:
        """Folder of this job's checkpoints."""
        return self.scratch / "checkpoints"

    def folder(self, name: str) -> Path:
        """Returns a folder of the scratch space, made if need be."""
        path = self.scratch / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def phase(self, name: str, message: str = "") -> None:
        """Says what the recipe turns to now."""
        self.channel.emit("phase", name=name, message=message)

    def warn(self, code: str, message: str) -> None:
        """Says something the requester should know without the job failing."""
        self.channel.emit("warning", code=code, message=message)

    def resolved(self, values: dict[str, Any]) -> None:
        """Writes back what `auto` became."""
        self.channel.emit("resolved", values=values)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Offers a whole checkpoint for mirroring."""
        self.channel.emit("checkpoint", step=checkpoint.step, path=str(checkpoint.path), files=list(checkpoint.files))

    def stopping(self) -> None:
        """Says that a request to stop was heard; from here on only the wall time bounds what is left to do."""
        self.channel.emit("stopping")

    def may_publish(self) -> bool:
        """Asks whether the output may still be published, and waits for the answer."""
        self.channel.emit("ask_publish")
        return self.control.may_publish()

    def seconds(self) -> float:
        """Wall seconds since the child started."""
        return time.monotonic() - self.started


def listen_to_supervisor(control: Control) -> None:
    """Starts reading commands from stdin and answering SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: control.save_and_leave())
    threading.Thread(target=control.listen, args=(sys.stdin,), name="commands", daemon=True).start()
