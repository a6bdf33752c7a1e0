"""The child process a job runs in: own process group, minimal environment, two-way pipes, and its resource use.

To the child: newline JSON commands on stdin (`publish`, `stop_keep`, `stop_cancel`); its closing tells the child that
the supervisor is gone. From the child: newline JSON records on an extra descriptor; stdout and stderr are log lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.pipes import bounded_lines

RECORD_LIMIT = 4 * 1024 * 1024
LOG_LIMIT = 16 * 1024
# What the operating system needs to start a process at all, and which devices it was given; nothing else passes.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Record:
    """A JSON record from the child."""

    content: dict[str, Any]


@dataclass(frozen=True)
class LogLine:
    """A line the child wrote to stdout or stderr."""

    line: str
    stream: str


Message = Record | LogLine


def child_environment(
    *, hub_url: str, job_token: str, scratch: Path, threads: int, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the child's whole environment: the job's token and address, deterministic libraries, own folders."""
    parent = os.environ if inherited is None else inherited
    package_root = Path(__file__).resolve().parent.parent
    return {
        **{name: parent[name] for name in _INHERITED if name in parent},
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": job_token,
        "HF_HOME": str(scratch / "home" / "huggingface"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "MPLCONFIGDIR": str(scratch / "home" / "matplotlib"),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "NO_COLOR": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # what deterministic cuBLAS asks for
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(package_root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class ChildProcess:
    """Runs `python -m MODULE CLAIM_FILE DESCRIPTOR` and turns what it says into messages on a queue."""

    def __init__(
        self, claim_file: Path, environment: dict[str, str], scratch: Path, module: str = "workers.child"
    ) -> None:
        for folder in ("home", "tmp"):
            (scratch / folder).mkdir(parents=True, exist_ok=True)
        self.messages: queue.Queue[Message] = queue.Queue(maxsize=10_000)
        reader, writer = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own module, arguments of our own making)
                # -P: the scratch folder, full of downloads, never joins the import path.
                [sys.executable, "-P", "-m", module, str(claim_file), str(writer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(writer,),
                env=environment,
                cwd=scratch,
                start_new_session=True,
            )
        finally:
            os.close(writer)
        assert self._process.stdout is not None  # noqa: S101 (PIPE was asked for above)
        assert self._process.stderr is not None  # noqa: S101
        self._readers = [
            threading.Thread(target=self._read_records, args=(reader,), daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stdout.fileno(), "stdout"), daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stderr.fileno(), "stderr"), daemon=True),
        ]
        for thread in self._readers:
            thread.start()

    @property
    def pid(self) -> int:
        """The child's process id, which is also its process group's."""
        return self._process.pid

    def poll(self) -> int | None:
        """Returns the exit status, negative for a signal, or `None` while it runs or still has something to say."""
        status = self._process.poll()
        if status is None or any(thread.is_alive() for thread in self._readers) or not self.messages.empty():
            return None
        return status

    def exited(self) -> bool:
        """Whether the process itself is gone, whatever is still in the pipes."""
        return self._process.poll() is not None

    def send(self, command: str) -> None:
        """Sends a command; a child that is gone needs none."""
        assert self._process.stdin is not None  # noqa: S101 (PIPE was asked for)
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps({"command": command}).encode() + b"\n")
            self._process.stdin.flush()

    def terminate(self) -> None:
        """Asks the child (not its group) to save and leave."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Ends the whole process group now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends what is left, reaps the child and lets the readers finish."""
        self.kill()
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 (PIPE was asked for)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        for thread in self._readers:
            while thread.is_alive():  # a reader may wait for room on the queue
                with contextlib.suppress(queue.Empty):
                    self.messages.get_nowait()
                thread.join(0.05)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def memory(self) -> tuple[int, int]:
        """Returns (resident, peak resident) bytes of the child; zeros once it is gone or where /proc is missing."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return 0, 0
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return _kibibytes(fields.get("VmRSS")), _kibibytes(fields.get("VmHWM"))

    def _read_records(self, descriptor: int) -> None:
        try:
            for line, cut in bounded_lines(descriptor, RECORD_LIMIT):
                self.messages.put(_parse_record(line, cut))
        finally:
            os.close(descriptor)

    def _read_log(self, descriptor: int, stream: str) -> None:
        for line, cut in bounded_lines(descriptor, LOG_LIMIT):
            text = line.decode(errors="replace")
            self.messages.put(LogLine(f"{text} … [{cut} bytes cut]" if cut else text, stream))


def _parse_record(line: bytes, cut: int) -> Message:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if cut or not isinstance(content, dict):
        return LogLine(f"[a record of the recipe could not be read: {len(line) + cut} bytes]", "stderr")
    return Record(content)


def _kibibytes(field: str | None) -> int:
    return int(field.split()[0]) * 1024 if field else 0
