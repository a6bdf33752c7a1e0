"""Bytes are durable before rows: killed at any moment, the store and the database tell the truth."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

# How many objects the process may store before each kill; its other threads are anywhere at that moment.
KILL_AFTER = (1, 2, 3, 5, 8, 13, 21, 4)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    environment = {
        **os.environ,
        "WEIGHBRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'weighbridge.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "WEIGHBRIDGE_DATA_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "storage", "--skip-checks", "-v0"]
    subprocess.run(migrate, env=environment, check=True)
    return environment


@pytest.mark.slow
def test_no_row_without_its_bytes_however_often_the_process_is_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for count in KILL_AFTER:
        _run_and_kill(environment, after=count)
        _check(tmp_path)
    assert _rows(tmp_path)


def _run_and_kill(environment: dict[str, str], after: int) -> None:
    command = [sys.executable, str(Path(__file__).with_name("kill_worker.py"))]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(after) == b"." * after
        process.send_signal(signal.SIGKILL)


def _rows(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "weighbridge.sqlite3")) as connection:
        return dict(connection.execute("SELECT sha256, size FROM storage_largeobject"))


def _check(folder: Path) -> None:
    files = {path.name: path for path in (folder / "objects").rglob("*") if path.is_file()}
    for name, size in _rows(folder).items():
        assert files[name].stat().st_size == size
    for name, path in files.items():
        assert sha256(path.read_bytes()).hexdigest() == name, "a file has a final name before it is complete"
