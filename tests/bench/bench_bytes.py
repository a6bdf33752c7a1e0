"""Measures the data plane's bytes against nginx in the same run, and prints ratios (nginx time / our time).

Run it alone (`python tests/bench/bench_bytes.py --size 1024 --rounds 3`) or call `measure` from the whole bench.
Both servers get the same file system, the same client (curl) and the same rounds, in turn. The data plane verifies
SHA-256 and fsyncs what it receives; nginx does neither.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_MIB = 1 << 20
_NGINX_CONFIG = """
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {folder}/www; dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


@dataclass(frozen=True)
class Comparison:
    """Seconds of both servers for the same work; a ratio of 1 is nginx's speed, above it is faster."""

    name: str
    ours: float
    nginx: float
    bar: float

    @property
    def ratio(self) -> float:
        return self.nginx / self.ours


def measure(*, size: int = 1024 * _MIB, rounds: int = 3) -> dict[str, Any]:
    """Returns the comparisons and the data plane's memory in bytes; needs nginx and curl."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-bytes-", dir=_scratch())))
        source = _source_file(folder / "source", size)
        nginx_url = stack.enter_context(nginx(folder / "nginx"))
        shutil.copy(source, folder / "nginx" / "www" / "object")
        plane = stack.enter_context(data_plane(folder / "data"))
        idle = memory_of(plane.pid)
        uploads = _compare_uploads(plane, nginx_url, source, rounds)
        downloads = _compare_downloads(plane, nginx_url, source, rounds)
        peak = memory_of(plane.pid, "VmHWM")
    return {"comparisons": [*downloads, uploads], "memory_idle": idle, "memory_peak": peak, "size": size}


def _compare_downloads(plane: Plane, nginx_url: str, source: Path, rounds: int) -> list[Comparison]:
    size = source.stat().st_size
    ours = plane.object_url(_sha256(source))
    theirs = f"{nginx_url}/object"
    middle = ["-r", f"{size // 4}-{size // 4 * 3}"]
    work: list[tuple[str, Callable[[str], None], float]] = [
        ("download, 1 client", lambda url: curl([[url]]), 0.9),
        ("download, 4 clients", lambda url: curl([[url]] * 4), 0.8),
        ("download, a range of half", lambda url: curl([[*middle, url]]), 0.9),
    ]
    return [
        _compare(name, lambda act=act: act(ours), lambda act=act: act(theirs), rounds, bar) for name, act, bar in work
    ]


def _compare_uploads(plane: Plane, nginx_url: str, source: Path, rounds: int) -> Comparison:
    sha256 = _sha256(source)
    size = source.stat().st_size
    # An upload of an object that exists is received, verified and fsynced all the same.
    return _compare(
        "upload, 1 client",
        lambda: curl([["-T", str(source), plane.upload_url(sha256, size)]]),
        lambda: curl([["-T", str(source), f"{nginx_url}/uploaded"]]),
        rounds,
        0.4,
    )


def _compare(name: str, ours: Callable[[], None], nginx_: Callable[[], None], rounds: int, bar: float) -> Comparison:
    """Runs both in turn, after one warm-up of each, and keeps the medians."""
    ours()
    nginx_()
    times = [(_seconds(ours), _seconds(nginx_)) for _ in range(rounds)]
    return Comparison(name, *(statistics.median(column) for column in zip(*times, strict=True)), bar=bar)


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def curl(commands: list[list[str]]) -> None:
    """Runs several curl at once; any failure or HTTP error stops the bench."""
    processes = [subprocess.Popen(["curl", "-sS", "--fail", "-o", "/dev/null", *arguments]) for arguments in commands]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit("curl failed")


@dataclass(frozen=True)
class Plane:
    """A running data plane."""

    pid: int
    url: str
    environment: dict[str, str]

    def object_url(self, sha256: str) -> str:
        return self._link(f"object_link(sha256={sha256!r}, filename='model.safetensors', expires_in=3600)")

    def upload_url(self, sha256: str, size: int) -> str:
        return self._link(f"upload_link(sha256={sha256!r}, size={size}, repository_id=None, user_id=0)")

    def _link(self, call: str) -> str:
        code = f"import django; django.setup(); from registry.storage.links import *; print({call})"
        answer = subprocess.run(
            [sys.executable, "-c", code], env=self.environment, cwd=_ROOT, check=True, capture_output=True, text=True
        )
        return answer.stdout.strip()


@contextmanager
def data_plane(folder: Path) -> Iterator[Plane]:
    """Starts a data plane with a fresh database and store under `folder`; stops it at the end."""
    port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "WEIGHBRIDGE_DATA_DIR": str(folder),
        "WEIGHBRIDGE_OBJECT_URL": f"http://127.0.0.1:{port}",
        "WEIGHBRIDGE_LOG_LEVEL": "WARNING",
    }
    migrate = [sys.executable, "manage.py", "migrate", "storage", "-v0", "--skip-checks"]
    subprocess.run(migrate, env=environment, cwd=_ROOT, check=True)
    command = [sys.executable, "-m", "registry.dataplane", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health")
        yield Plane(process.pid, f"http://127.0.0.1:{port}", environment)
    finally:
        _stop(process)


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Starts nginx with a configuration of its own, serving `{folder}/www` and accepting PUT; yields its URL."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    (folder / "www").mkdir(parents=True)
    # Started by root, nginx's workers run as another user that needs the folders.
    for path in (folder.parent, folder, folder / "www"):
        path.chmod(0o777)
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port), encoding="ascii")
    process = subprocess.Popen([program, "-c", str(config), "-e", str(folder / "error.log")])
    try:
        wait_until_up(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_up(url: str) -> None:
    """Returns once the address answers, whatever it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 (our own address)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def free_port() -> int:
    """Returns a port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def memory_of(pid: int, field: str = "VmRSS") -> int:
    """Returns a process's resident memory in bytes, now (`VmRSS`) or at its peak (`VmHWM`)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _source_file(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size // _MIB):
            file.write(os.urandom(_MIB))
        file.write(os.urandom(size % _MIB))
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _scratch() -> Path:
    """Returns a folder on a disk: a memory file system would hide what fsync costs."""
    return Path(os.environ.get("WEIGHBRIDGE_BENCH_DIR", "/var/tmp"))  # noqa: S108 (a fresh private folder is made in it)


def main() -> None:
    """Prints a table; exits with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="object size in MiB (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(size=options.size * _MIB, rounds=options.rounds)
    comparisons: list[Comparison] = result["comparisons"]
    if options.json:
        print(json.dumps({**result, "comparisons": [asdict(row) | {"ratio": row.ratio} for row in comparisons]}))
    else:
        for row in comparisons:
            print(
                f"{row.name:28} ours {row.ours:6.2f} s  nginx {row.nginx:6.2f} s  ratio {row.ratio:5.2f}  bar {row.bar}"
            )
        idle, peak = result["memory_idle"] / _MIB, result["memory_peak"] / _MIB
        print(f"data plane memory: idle {idle:.0f} MiB, peak {peak:.0f} MiB")
    sys.exit(any(row.ratio < row.bar for row in comparisons))


if __name__ == "__main__":
    main()
