"""Several processes on one branch, and processes that are killed: a real SQLite file, and PostgreSQL where it is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

WRITER = Path(__file__).with_name("writer.py")
ROOT = WRITER.parents[2]
POSTGRESQL = os.environ.get("WEIGHBRIDGE_DATABASE_URL", "")
WRITERS, COMMITS = 8, 4

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with a database and a data folder of its own."""
    base = {
        **os.environ,
        "WEIGHBRIDGE_DATA_DIR": str(tmp_path),
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
    }
    if request.param == "sqlite":
        yield _migrated({**base, "WEIGHBRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
        return
    if not POSTGRESQL.startswith("postgres"):
        pytest.skip("not for SQLite: WEIGHBRIDGE_DATABASE_URL names no PostgreSQL")
    psycopg = pytest.importorskip("psycopg")
    name = f"writers_{os.getpid()}_{random.getrandbits(32)}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = urlunsplit(urlsplit(POSTGRESQL)._replace(path=f"/{name}"))
            yield _migrated({**base, "WEIGHBRIDGE_DATABASE_URL": url})
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrated(environment: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "-m", "django", "migrate", "--skip-checks", "-v", "0"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)
    run(environment, "prepare")
    return environment


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), *arguments],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(environment: dict[str, str], *arguments: str) -> str:
    process = start(environment, *arguments)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    return out


def test_eight_writers_to_one_branch_lose_nothing_and_make_one_line(environment: dict[str, str]) -> None:
    writers = [start(environment, "commit", f"w{index}", str(COMMITS)) for index in range(WRITERS)]
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors[-3000:]
    facts: dict[str, Any] = json.loads(run(environment, "verify"))
    wanted = {
        f"w{index}/{number}.{suffix}"
        for index in range(WRITERS)
        for number in range(COMMITS)
        for suffix in ("txt", "bin")
    }
    assert wanted <= set(facts["files"])
    history = facts["history"]
    assert len(history) == 1 + WRITERS * COMMITS
    assert [parents for _, parents, _ in history] == [[oid] for oid, _, _ in history[1:]] + [[]]
    assert len({title for _, _, title in history}) == len(history)


def test_a_writer_that_is_killed_leaves_the_old_state_or_the_new(environment: dict[str, str]) -> None:
    known = 0
    for round_number in range(5):
        label = f"k{round_number}"
        process = start(environment, "loop", label)
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(2)]
        # Not a wait for anything: it spreads the kill over the stages of the next commit.
        time.sleep(random.random() * 0.05)  # noqa: S311 (no secret)
        os.kill(process.pid, signal.SIGKILL)
        rest, errors = process.communicate()
        said += rest.split()
        assert all(said), errors[-3000:]
        facts: dict[str, Any] = json.loads(run(environment, "verify"))
        ours = [oid for oid, _, title in facts["history"] if title.startswith(f"{label} ")][::-1]
        # Everything that was acknowledged is there; at most one more was committed before its word got out.
        assert ours[: len(said)] == said
        assert len(ours) - len(said) in {0, 1}
        assert {f"{label}/{number}.bin" for number in range(len(ours))} <= set(facts["files"])
        assert facts["card"] == f"{label} {len(ours) - 1}"
        assert len(facts["history"]) == 1 + known + len(ours)
        known += len(ours)
