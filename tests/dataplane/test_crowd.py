"""Forty slow downloads and two hundred event streams at once: every one is served, and so is everybody else."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from registry.storage import links

DATA = os.urandom(4 * 1024 * 1024)
DOWNLOADS, STREAMS, OTHERS = 40, 200, 100


async def _slow_download(session: ClientSession, url: str, release: asyncio.Event) -> bytes:
    """Reads a little, holds the connection until released, then reads the rest."""
    async with session.get(url) as answer:
        start = await answer.content.readexactly(1000)
        await release.wait()
        return start + await answer.read()


async def _stream(session: ClientSession, url: str, connected: asyncio.Semaphore) -> int:
    async with session.get(url) as answer:
        assert (await answer.content.readuntil(b"\n\n")).endswith(b"connected\n\n")
        connected.release()
        return (await answer.read()).count(b"\nevent: log\n")


@pytest.mark.slow
def test_a_crowd_of_slow_clients_holds_nobody_up(plane: Any, upload: Any, add_events: Any, job_and_url: Any) -> None:
    url = links.object_link(sha256=upload(DATA), filename="x")
    job, stream_url = job_and_url

    async def run() -> None:
        connected, release = asyncio.Semaphore(0), asyncio.Event()
        connector, timeout = TCPConnector(limit=0), ClientTimeout(total=240)
        async with ClientSession(connector=connector, timeout=timeout, read_bufsize=1024) as session:
            downloads = [asyncio.create_task(_slow_download(session, url, release)) for _ in range(DOWNLOADS)]
            streams = [asyncio.create_task(_stream(session, stream_url, connected)) for _ in range(STREAMS)]
            for _ in range(STREAMS):
                await connected.acquire()
            for _ in range(OTHERS):  # in the middle of the crowd
                async with session.get(f"{plane.url}/health") as answer:
                    assert answer.status == 200
                async with session.get(url, headers={"Range": "bytes=5-14"}) as answer:
                    assert await answer.read() == DATA[5:15]
            await asyncio.to_thread(add_events, job)
            assert await asyncio.gather(*streams) == [50] * STREAMS
            release.set()
            assert await asyncio.gather(*downloads) == [DATA] * DOWNLOADS

    asyncio.run(run())


@pytest.fixture
def job_and_url(plane: Any) -> tuple[str, str]:
    job = plane.run(
        "from registry.accounts.services import user_create\n"
        "from registry.jobs.models import Job\n"
        "user = user_create(username='crowd', password='correct horse battery staple')\n"
        "result = Job.objects.create(kind='finetune', task='text-classification', spec={}, spec_digest='',"
        " requested_by=user, purpose='research', state='running').pk"
    )
    token = links.sign_claims({"job": job}, salt="job-events", expires_in=600)
    return job, f"{plane.url}/events/jobs/{job}?token={token}"


@pytest.fixture
def add_events(plane: Any) -> Any:
    """Returns a function that adds fifty events, one transaction each, and ends the job."""

    def add(job: str) -> None:
        plane.run(
            "from registry.jobs.models import Job, JobEvent\n"
            "for number in range(50):\n"
            f"    JobEvent.objects.create(job_id={job!r}, attempt=1, sequence=number, kind='log')\n"
            f"result = Job.objects.filter(pk={job!r}).update(state='succeeded')"
        )

    return add
