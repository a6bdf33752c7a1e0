"""Measures the API against the framework's own answers under the same server, alone and under a slow crowd.

Prints requests per second and latencies at 1, 8 and 32 connections for resolve of a small file (by GET: `wrk` waits
for the body that a HEAD's Content-Length announces, and HEAD does the same work), repository info and search, as
ratios to a one-row ORM view of a bare Django; then API latency while 40 slow downloads and 200 event streams hold on;
then memory of each process. Needs `wrk`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from load import Measurement, wrk

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CONNECTIONS = (1, 8, 32)
SLOW_DOWNLOADS = 40
EVENT_STREAMS = 200
# The aims of the project; a ratio below is printed with a mark, it fails nothing.
AIMS = {"GET resolve": 0.5, "info": 0.5}
AIM_CROWD_P99_MS = 100
AIM_WEB_MIB = 200

PUBLISH = """
    from huggingface_hub import HfApi
    api = HfApi()
    api.create_repo("bench/tiny")
    api.upload_file(path_or_fileobj=b'{"model_type": "bert"}', path_in_repo="config.json", repo_id="bench/tiny")
    api.upload_file(path_or_fileobj=bytes(64 << 20), path_in_repo="large.bin", repo_id="bench/tiny")
    for number in range(REPOSITORIES):
        api.create_repo(f"bench/model-{number:04d}")
    print("done")
"""
EVENTS = """
    import json, os, django
    django.setup()
    from registry.accounts.models import User
    from registry.jobs.models import Job
    from registry.jobs.selectors import event_stream_url
    job = Job.objects.create(kind="finetune", task="text-classification", spec={}, spec_digest="0" * 64,
                             requested_by=User.objects.get(username="bench"), purpose="research")
    print(event_stream_url(job))
"""


def hub_module() -> ModuleType:
    """Returns the module that starts a hub for the end-to-end tests; the benchmark starts the same one."""
    spec = importlib.util.spec_from_file_location("hub_processes", ROOT / "tests" / "e2e" / "conftest.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("tests/e2e/conftest.py is gone")
    module = importlib.util.module_from_spec(spec)
    sys.modules["hub_processes"] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def running_hub(repositories: int) -> Iterator[Any]:
    """Yields a hub with `repositories` models and one large file."""
    module = hub_module()
    with tempfile.TemporaryDirectory(prefix="weighbridge-bench-") as folder:
        hub = module.make_hub(Path(folder), f"sqlite:///{folder}/weighbridge.sqlite3")
        hub.manage("user", "create", "bench")
        hub.start()
        try:
            home = Path(folder) / "home"
            home.mkdir()
            hub.python(
                textwrap.dedent(PUBLISH).replace("REPOSITORIES", str(repositories)), home=home, token=hub.token("bench")
            )
            yield hub
        finally:
            hub.stop()


@contextmanager
def running_baseline(hub: Any, port: int) -> Iterator[str]:
    """Yields the address of the bare Django, under the same server settings and on the same database."""
    command = [
        str(BIN / "gunicorn"),
        "baseline_wsgi",
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        "gthread",
        "--workers",
        "2",
        "--threads",
        "8",
        "--log-level",
        "error",
    ]
    environment = {**hub.environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'bench'}"}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(port: int) -> None:
    """Waits up to 30 s until something listens."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")


def measure_endpoints(hub: Any, baseline: str, seconds: int) -> dict[str, dict[int, Measurement]]:
    """Returns measurements by endpoint and number of connections."""
    token = {"Authorization": f"Bearer {hub.token('bench')}"}
    endpoints: dict[str, dict[str, Any]] = {
        "hello (bare)": {"url": f"{baseline}/hello"},
        "one row (bare)": {"url": f"{baseline}/row"},
        "GET resolve": {"url": f"{hub.url}/bench/tiny/resolve/main/config.json", "headers": token},
        "info": {"url": f"{hub.url}/api/models/bench/tiny", "headers": token},
        "search": {"url": f"{hub.url}/api/models?search=model-00&limit=20", "headers": token},
    }
    for options in endpoints.values():
        wrk(**options, connections=8, seconds=1)  # warm
    return {
        name: {count: wrk(**options, connections=count, seconds=seconds) for count in CONNECTIONS}
        for name, options in endpoints.items()
    }


def print_endpoints(results: dict[str, dict[int, Measurement]]) -> None:
    """Prints a table with ratios to the one-row view."""
    print(f"{'endpoint':<16}{'conns':>6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}   (to the one-row view)")
    for name, by_count in results.items():
        for count, result in by_count.items():
            ratio = result.rate / results["one row (bare)"][count].rate
            mark = "  below its aim" if ratio < AIMS.get(name, 0) else ""
            failed = f"  {result.errors} errors" if result.errors else ""
            print(
                f"{name:<16}{count:>6}{result.rate:>9.0f}{result.p50:>9.2f}{result.p99:>9.2f}{ratio:>8.2f}{mark}{failed}"
            )


@contextmanager
def slow_crowd(hub: Any) -> Iterator[None]:
    """Holds slow downloads and event streams open while the body runs."""
    script = [sys.executable, "-c", textwrap.dedent(EVENTS)]
    stream = subprocess.run(
        script, env=hub.environment, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    object_url = redirect_of(hub, "/bench/tiny/resolve/main/large.bin")
    sockets = [open_slowly(object_url) for _ in range(SLOW_DOWNLOADS)] + [
        open_slowly(stream) for _ in range(EVENT_STREAMS)
    ]
    try:
        yield
    finally:
        for connection in sockets:
            connection.close()


def redirect_of(hub: Any, path: str) -> str:
    """Returns where the hub sends a client for an object's bytes."""
    command = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{redirect_url}",
        "-H",
        f"Authorization: Bearer {hub.token('bench')}",
    ]
    return subprocess.run([*command, hub.url + path], check=True, capture_output=True, text=True).stdout


def open_slowly(url: str) -> socket.socket:
    """Sends a GET, reads its first bytes and then nothing more."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    first = connection.recv(64)
    if b" 200 " not in first:
        raise RuntimeError(f"unexpected answer: {first!r}")
    return connection


def memory_of(pid: int) -> tuple[float, float]:
    """Returns resident and peak resident memory in MiB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def children_of(pid: int) -> list[int]:
    """Returns the process ids of direct children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    """Runs the whole benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3, help="length of each measurement")
    parser.add_argument("--repositories", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        hub = stack.enter_context(running_hub(arguments.repositories))
        web, data = hub.processes
        idle = {pid: memory_of(pid) for pid in [*children_of(web.pid), data.pid]}
        baseline = stack.enter_context(running_baseline(hub, hub_module().free_port()))
        results = measure_endpoints(hub, baseline, arguments.seconds)
        print_endpoints(results)
        with slow_crowd(hub):
            header = {"Authorization": f"Bearer {hub.token('bench')}"}
            url = f"{hub.url}/bench/tiny/resolve/main/config.json"
            crowd = wrk(url, headers=header, connections=8, seconds=arguments.seconds)
        mark = "" if crowd.p99 < AIM_CROWD_P99_MS else "  above its aim"
        print(
            f"\nwith {SLOW_DOWNLOADS} slow downloads and {EVENT_STREAMS} event streams: "
            f"GET resolve p99 {crowd.p99:.1f} ms, {crowd.rate:.0f} req/s (aim below {AIM_CROWD_P99_MS} ms){mark}"
        )
        print("\nmemory in MiB        idle    now   peak")
        for pid, (before, _) in idle.items():
            now, peak = memory_of(pid)
            name = "data plane" if pid == data.pid else "web process"
            mark = "  above its aim" if name == "web process" and peak > AIM_WEB_MIB else ""
            print(f"{name:<18}{before:>7.0f}{now:>7.0f}{peak:>7.0f}{mark}")
        if arguments.json:
            figures = {name: {n: vars(result) for n, result in rows.items()} for name, rows in results.items()}
            arguments.json.write_text(json.dumps({"endpoints": figures, "crowd": vars(crowd)}, indent=1))


if __name__ == "__main__":
    main()
