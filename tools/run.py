"""Starts Weighbridge in its embedded shape: prepares the data folder, runs the Procfile, publishes the demo.

`make run` calls this. Everything lives in one folder; Ctrl-C stops every process. The first start publishes the demo
through the hub's own HTTP API with `huggingface_hub`; a second start takes seconds and keeps all data.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
START_SECONDS = 60


def main() -> int:
    """Runs until interrupted; returns the exit status."""
    arguments = parse_arguments()
    environment = environment_of(arguments)
    if not arguments.demo_only:
        busy = [port for port in (arguments.port, arguments.data_port) if port_is_taken(arguments.host, port)]
        if busy:
            print(f"Port {busy[0]} is taken. Choose another: make run PORT=8123", file=sys.stderr)
            return 1
    print("Preparing the data folder …", flush=True)
    prepared = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "prepare.py")],
        env=environment,
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if prepared.returncode:
        return prepared.returncode
    people: dict[str, Any] = json.loads(prepared.stdout.strip().splitlines()[-1])
    if arguments.demo_only:
        return publish_demo(environment, people)
    return serve(environment, people)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port of pages and API")
    parser.add_argument("--data-port", type=int, help="port of the data plane (default: port + 1)")
    parser.add_argument("--data-dir", default="data", help="folder that holds everything")
    parser.add_argument("--demo-only", action="store_true", help="publish the demo on a hub that runs already")
    parser.add_argument("--no-demo", action="store_true", help="start without the demo")
    arguments = parser.parse_args()
    arguments.data_port = arguments.data_port or arguments.port + 1
    return arguments


def environment_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Returns the environment of all processes; what the caller has set wins over these defaults."""
    shown_host = "127.0.0.1" if arguments.host in {"0.0.0.0", "::"} else arguments.host  # noqa: S104 (compared, not bound)
    defaults = {
        "WEIGHBRIDGE_PUBLIC_URL": f"http://{shown_host}:{arguments.port}",
        "WEIGHBRIDGE_OBJECT_URL": f"http://{shown_host}:{arguments.data_port}",
        "WEIGHBRIDGE_BROKER_URL": "filesystem://localhost//",
        "WEIGHBRIDGE_LOG_LEVEL": "WARNING",
        "OMP_NUM_THREADS": "1",
    }
    fixed = {
        "WEIGHBRIDGE_DATA_DIR": str(Path(arguments.data_dir).absolute()),
        "WEIGHBRIDGE_HOST": arguments.host,
        "WEIGHBRIDGE_PORT": str(arguments.port),
        "WEIGHBRIDGE_DATA_PORT": str(arguments.data_port),
        "WEIGHBRIDGE_DEMO": "" if arguments.no_demo else "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **os.environ, **fixed}


def port_is_taken(host: str, port: int) -> bool:
    """True if something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def serve(environment: dict[str, str], people: dict[str, Any]) -> int:
    """Runs the Procfile until a signal or the end of a process."""
    honcho = subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "processes.py"), "start", "--no-prefix", "--no-colour", "-f", "Procfile"],
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )

    def stop(_signal: int, _frame: object) -> None:
        # honcho passes the signal on to every process group it started
        if honcho.poll() is None:
            honcho.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        if not wait_until_up(environment, honcho):
            return honcho.returncode or 1
        if environment["WEIGHBRIDGE_DEMO"] and publish_demo(environment, people) != 0 and honcho.poll() is None:
            print("The demo is not complete; the hub runs on. `make demo` tries again.", file=sys.stderr)
        if honcho.poll() is None:
            print_welcome(environment, people)
        return honcho.wait()
    finally:
        if honcho.poll() is None:
            honcho.terminate()
            honcho.wait(timeout=60)


def wait_until_up(environment: dict[str, str], honcho: subprocess.Popen[bytes]) -> bool:
    """Waits for both HTTP processes; False if the start failed, with the reason on stderr."""
    addresses = [f"{environment['WEIGHBRIDGE_PUBLIC_URL']}/health", f"{environment['WEIGHBRIDGE_OBJECT_URL']}/health"]
    deadline = time.monotonic() + START_SECONDS
    while addresses and honcho.poll() is None:
        if answers(addresses[0]):
            addresses.pop(0)
        elif time.monotonic() > deadline:
            print(f"{addresses[0]} did not answer within {START_SECONDS} s; see the lines above.", file=sys.stderr)
            return False
        else:
            time.sleep(0.1)
    return honcho.poll() is None


def answers(url: str) -> bool:
    """True if the address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (our own http address)
            return bool(response.status == 200)  # noqa: PLR2004
    except (OSError, urllib.error.URLError):
        return False


def publish_demo(environment: dict[str, str], people: dict[str, Any]) -> int:
    """Publishes the demo over HTTP; quick when it stands already. Returns the exit status."""
    tokens = {f"DEMO_TOKEN_{name.upper()}": token for name, token in people["tokens"].items()}
    command = [sys.executable, str(ROOT / "tools" / "demo.py")]
    environment = {**environment, **tokens, "HF_ENDPOINT": environment["WEIGHBRIDGE_PUBLIC_URL"]}
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def print_welcome(environment: dict[str, str], people: dict[str, Any]) -> None:
    """Prints the address, the sign-ins and three commands to try."""
    url = environment["WEIGHBRIDGE_PUBLIC_URL"]
    width = max(map(len, people["passwords"]))
    sign_ins = "\n".join(f"    {name:<{width}}  {password}" for name, password in people["passwords"].items())
    print(
        f"""
  Weighbridge is at {url}      (admin panel: {url}/admin/)

  Sign in as
{sign_ins}

  Try
    export HF_ENDPOINT={url} HF_TOKEN={people["tokens"]["research"]}
    hf download alice/minilm-open config.json
    hf download alice/minilm-noncommercial model.safetensors     # refused: accept its terms first
    curl -H "Authorization: Bearer $HF_TOKEN" {url}/api/models?search=minilm

  Ctrl-C stops everything; the data stays in {environment["WEIGHBRIDGE_DATA_DIR"]}
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
