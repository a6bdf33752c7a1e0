"""A real data plane process with a database and a store of its own, and what tests need to talk to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from registry.storage import links

ROOT = Path(__file__).parents[2]
PUBLIC_URL = "http://hub.example.org"


@dataclass
class Answer:
    """An answer read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Plane:
    """A running data plane, its folder, and a way to run code against its database."""

    process: subprocess.Popen[str]
    url: str
    folder: Path
    environment: dict[str, str]

    def request(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        parts = urlsplit(url if url.startswith("http") else self.url + url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def run(self, code: str) -> Any:
        """Runs code in a process of its own with the plane's settings and returns what it assigns to `result`."""
        program = f"import django, json; django.setup()\n{code}\nprint(json.dumps(result))"
        answer = subprocess.run(
            [sys.executable, "-c", program],
            env=self.environment, cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads(answer.stdout)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        with self.process:  # closes its pipe
            self.process.send_signal(how)
            return self.process.wait(30)

    @property
    def objects(self) -> dict[str, bytes]:
        files = (self.folder / "objects").rglob("*")
        return {path.name: path.read_bytes() for path in files if path.is_file()}

    @property
    def temporary_files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "uploads").glob("incoming-*"))


SERVER = os.environ.get("WEIGHBRIDGE_DATABASE_URL", "")
_databases: dict[Path, str] = {}


def own_database(folder: Path) -> str:
    """Returns the address of a fresh database: a file in the folder, or one of its own on the run's PostgreSQL."""
    if not SERVER.startswith("postgres"):
        return f"sqlite:///{folder / 'weighbridge.sqlite3'}"
    psycopg = pytest.importorskip("psycopg")
    if folder not in _databases:  # a plane that starts again in its folder finds its rows again
        name = f"plane_{os.getpid()}_{len(_databases)}"
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        _databases[folder] = name
    return urlunsplit(urlsplit(SERVER)._replace(path=f"/{_databases[folder]}"))


@pytest.fixture(scope="session", autouse=True)
def _drop_databases() -> Iterator[None]:
    yield
    if not _databases:
        return
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(SERVER, autocommit=True) as connection:
        for name in _databases.values():
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def start_plane(folder: Path, **variables: str) -> Plane:
    """Starts a process on any free port and returns once it listens."""
    environment = {
        **os.environ,
        "WEIGHBRIDGE_DATABASE_URL": own_database(folder),
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "WEIGHBRIDGE_DATA_DIR": str(folder),
        "WEIGHBRIDGE_PUBLIC_URL": PUBLIC_URL,
        "WEIGHBRIDGE_SECRET_KEY": "a key for tests",
        **variables,
    }
    migrate = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v0"]
    subprocess.run(migrate, env=environment, cwd=ROOT, check=True)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "registry.dataplane", "--port", "0"],
            env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, (folder / "log").read_text()
    return Plane(process, found[0], folder, environment)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    plane = start_plane(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[Callable[..., Plane]]:
    """Returns a function that starts a plane for this test alone."""
    planes: list[Plane] = []

    def start(**variables: str) -> Plane:
        planes.append(start_plane(tmp_path, **variables))
        return planes[-1]

    yield start
    for plane in planes:
        if plane.process.poll() is None:
            plane.stop(signal.SIGKILL)


@pytest.fixture(autouse=True)
def _links_of_the_plane(settings: Any, request: pytest.FixtureRequest) -> None:
    """Makes links in this process that the plane accepts."""
    settings.SECRET_KEY = "a key for tests"
    settings.OBJECT_STORE_URL = "file:///nowhere"
    if "plane" in request.fixturenames:
        settings.OBJECT_URL = request.getfixturevalue("plane").url


@pytest.fixture
def digest() -> Callable[[bytes], str]:
    return lambda data: sha256(data).hexdigest()


@pytest.fixture
def upload(plane: Plane) -> Callable[[bytes], str]:
    """Uploads bytes through the plane and returns their digest."""

    def upload(data: bytes) -> str:
        name = sha256(data).hexdigest()
        url = links.upload_link(sha256=name, size=len(data), repository_id=None, user_id=0)
        answer = plane.request("PUT", url, data)
        assert answer.status == 200, answer.body
        return name

    return upload


@pytest.fixture
def run_async() -> Callable[..., Any]:
    return asyncio.run
