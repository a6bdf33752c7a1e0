"""A real hub for end-to-end tests: gunicorn and the data plane as processes of their own, on free ports.

`hub` is started once per session (per xdist worker): its own data folder, its own database, licenses loaded, and the
usual people with a write token each. Helpers:

    hub.url, hub.data_url        addresses of the API and pages, and of the data plane
    hub.token("alice")           secret of a write token; also bob, carol (admin of acme), wendy (write), rita (read)
    hub.token("alice", "read")   another role, made on first use
    hub.manage("user", "create", "zoe")  runs `weighbridge …` in the hub's environment, returns its JSON answer
    hub.environment              variables for further processes of the same hub (worker, tasks)
    hub.client_environment(home, token)  a clean environment for client processes
    hub.python(code, token=…)    runs a Python script against the hub in a process of its own
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PEOPLE = ("alice", "bob", "carol", "wendy", "rita")
ORGANIZATION = "acme"
ROLES = {"carol": "admin", "wendy": "write", "rita": "read"}
PASSWORD = "correct horse battery staple"
START_SECONDS = 60


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Hub:
    """A running hub and what tests need to talk to it."""

    folder: Path
    url: str
    data_url: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def manage(self, *arguments: str) -> Any:
        """Runs the operator's command line and returns its JSON answer.

        Raises:
            AssertionError: it failed; the message has its output.
        """
        command = [str(BIN / "weighbridge"), *arguments, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def token(self, user: str, role: str = "write") -> str:
        """Returns the secret of a person's token of that role; made on first use."""
        if (user, role) not in self.tokens:
            secret = f"wb_{secrets.token_hex(20)}"
            name = f"e2e-{role}"
            self.manage("token", "create", "--user", user, "--name", name, "--role", role, "--value", secret)
            self.tokens[user, role] = secret
        return self.tokens[user, role]

    def client_environment(self, home: Path, token: str | None = None, **extra: str) -> dict[str, str]:
        """Returns the environment of a client process: the hub as endpoint, nothing inherited but the search path.

        Args:
            home: folder for the client's caches and stored tokens.
            token: secret to use; None for an anonymous client.
            extra: further variables.
        """
        environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_ETAG_TIMEOUT": "60",
            "HF_HUB_DOWNLOAD_TIMEOUT": "60",
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }
        if token is not None:
            environment["HF_TOKEN"] = token
        return environment | extra

    def python(
        self, code: str, *, home: Path, token: str | None = None, python: str = sys.executable, **extra: str
    ) -> str:
        """Runs a script in a process of its own, with the hub as its endpoint, and returns what it printed.

        Raises:
            AssertionError: the script failed; the message has its output.
        """
        done = subprocess.run(
            [python, "-c", textwrap.dedent(code)],
            env=self.client_environment(home, token, **extra),
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
            cwd=home,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.log_tail()}"
        return done.stdout

    def start(self) -> None:
        """Starts web and data plane and waits until both are healthy."""
        host, port = "127.0.0.1", str(urlsplit(self.url).port)
        web = [str(BIN / "gunicorn"), "registry.wsgi", "--bind", f"{host}:{port}", "--worker-class", "gthread"]
        web += [
            "--workers",
            "2",
            "--threads",
            "8",
            "--timeout",
            "120",
            "--graceful-timeout",
            "5",
            "--log-level",
            "warning",
        ]
        data = [sys.executable, "-m", "registry.dataplane", "--host", host, "--port", str(urlsplit(self.data_url).port)]
        for name, command in (("web", web), ("data", data)):
            log = (self.folder / f"{name}.log").open("ab")
            with log:
                process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=log)
            self.processes.append(process)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Waits until both processes answer their health checks."""
        deadline = time.monotonic() + START_SECONDS
        for address in (f"{self.url}/health", f"{self.data_url}/health"):
            while not _answers(address):
                dead = [process.args for process in self.processes if process.poll() is not None]
                assert not dead, f"{dead} ended early:\n{self.log_tail()}"
                assert time.monotonic() < deadline, f"{address} does not answer:\n{self.log_tail()}"
                time.sleep(0.05)  # polling a process that has no way to call us back

    def log_tail(self) -> str:
        """Returns the last lines of the servers' logs, for messages of failures."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in sorted(self.folder.glob("*.log"))
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops all processes and waits for their end."""
        for process in self.processes:
            process.send_signal(how)
        for process in self.processes:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 (our own address)
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _database(folder: Path, name: str) -> Iterator[str]:
    """Yields the address of a fresh database; with WEIGHBRIDGE_DATABASE_URL one of its own on that server."""
    server = os.environ.get("WEIGHBRIDGE_DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{folder / 'weighbridge.sqlite3'}"
        return
    import psycopg  # noqa: PLC0415 (only in the scaled shape)

    parts = urlsplit(server)
    admin = urlunsplit(("postgresql", *parts[1:]))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _redis_parts() -> dict[str, str]:
    """Returns broker and cache on Redis where the run has them, in databases of this test process's own."""
    number = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    addresses = {}
    for offset, name in enumerate(("WEIGHBRIDGE_BROKER_URL", "WEIGHBRIDGE_CACHE_URL")):
        parts = urlsplit(os.environ.get(name, ""))
        if parts.scheme == "redis":
            addresses[name] = urlunsplit(parts._replace(path=f"/{1 + 2 * number + offset}"))
    return addresses


def make_hub(folder: Path, database_url: str, extra: Mapping[str, str] | None = None) -> Hub:
    """Prepares a hub in a folder: database migrated, licenses loaded, people and tokens made; not yet started."""
    url, data_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("WEIGHBRIDGE_", "DJANGO_", "HF_"))},
        "WEIGHBRIDGE_DATA_DIR": str(folder),
        "WEIGHBRIDGE_DATABASE_URL": database_url,
        "WEIGHBRIDGE_PUBLIC_URL": url,
        "WEIGHBRIDGE_OBJECT_URL": data_url,
        "WEIGHBRIDGE_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "PYTHONPATH": str(ROOT),
        **_redis_parts(),
        **(extra or {}),
    }
    tokens = {name: f"wb_{secrets.token_hex(20)}" for name in PEOPLE}
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE],
        input=json.dumps({"tokens": tokens, "organization": ORGANIZATION, "roles": ROLES, "password": PASSWORD}),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Hub(folder, url, data_url, environment, tokens={(name, "write"): secret for name, secret in tokens.items()})


# One process for all of it: each call of the command line costs a start of Django.
_PREPARE = """
import json, sys
import django
django.setup()
from django.core.management import call_command
from registry.accounts import services
from registry.licensing.services import licenses_load

wanted = json.load(sys.stdin)
call_command("migrate", verbosity=0)
call_command("collectstatic", verbosity=0, interactive=False)  # pages need it
licenses_load()
people = {name: services.user_create(username=name, password=wanted["password"]) for name in wanted["tokens"]}
for name, secret in wanted["tokens"].items():
    services.token_create(user=people[name], name="e2e-write", role="write", value=secret)
organization = services.organization_create(name=wanted["organization"], creator=None)
for name, role in wanted["roles"].items():
    services.membership_set(organization=organization, user=people[name], role=role)
"""


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Hub]:
    """A running hub, shared by the tests of this session."""
    folder = tmp_path_factory.mktemp("hub")
    databases = _database(folder, f"weighbridge_e2e_{worker_id}_{os.getpid()}")
    made = make_hub(
        folder,
        next(databases),
        {"WEIGHBRIDGE_MULTIPART_THRESHOLD": str(20 * 1024 * 1024)}
        | {"WEIGHBRIDGE_MULTIPART_CHUNK_SIZE": str(8 * 1024 * 1024)},
    )
    try:
        made.start()
        yield made
    finally:
        made.stop()
        next(databases, None)


@pytest.fixture(autouse=True)
def _real_sockets(socket_enabled: None) -> None:
    """End-to-end tests talk over the loopback interface."""
