"""Live events of real jobs over real HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from registry.storage import links

MAKE_JOB = """
from uuid import uuid4
from registry.accounts.services import user_create
from registry.jobs.models import Job, JobEvent
user = user_create(username=f"u{uuid4().hex[:20]}", password="correct horse battery staple")
job = Job.objects.create(kind="finetune", task="text-classification", spec={}, spec_digest="", requested_by=user,
                         purpose="research", state="running")
result = job.pk
"""
ADD_EVENTS = """
from registry.jobs.models import Job, JobEvent
for sequence in range(%d, %d):
    JobEvent.objects.create(job_id=%r, attempt=1, sequence=sequence, kind="log", payload={"line": f"line {sequence}"})
result = None
"""
END = "from registry.jobs.models import Job\nresult = Job.objects.filter(pk=%r).update(state='succeeded')"


@pytest.fixture
def job(plane: Any) -> str:
    name: str = plane.run(MAKE_JOB)
    return name


@pytest.fixture
def token(job: str) -> str:
    return links.sign_claims({"job": job}, salt="job-events", expires_in=600)


class Stream:
    """An open event stream, read event by event as a browser would."""

    def __init__(self, plane: Any, path: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(plane.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self.connection.request("GET", path, headers=headers or {})
        self.answer = self.connection.getresponse()

    def blocks(self) -> Iterator[dict[str, str]]:
        block: dict[str, str] = {}
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
            else:
                yield block
                block = {}
        self.connection.close()

    def sequences(self) -> list[int]:
        """Reads to the end and returns the sequence numbers of the events."""
        blocks = list(self.blocks())
        assert blocks[-1] == {"event": "end", "data": '{"state": "succeeded"}'}
        return [json.loads(block["data"])["sequence"] for block in blocks if "id" in block]


def test_a_stream_follows_a_job_to_its_end(plane: Any, job: str, token: str) -> None:
    plane.run(ADD_EVENTS % (0, 3, job))
    stream = Stream(plane, f"/events/jobs/{job}?token={token}")
    assert stream.answer.status == 200
    assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    blocks = stream.blocks()
    assert next(blocks) == {"retry": "2000", "": "connected"}
    first = next(blocks)
    assert first["event"] == "log"
    assert json.loads(first["data"]).keys() == {"id", "attempt", "sequence", "at", "kind", "payload"}
    assert first["id"] == str(json.loads(first["data"])["id"])
    assert json.loads(first["data"])["at"].endswith("Z")
    plane.run(ADD_EVENTS % (3, 6, job))
    plane.run(END % job)
    rest = list(blocks)
    assert [json.loads(block["data"]).get("sequence") for block in rest] == [1, 2, 3, 4, 5, None]
    assert rest[-1] == {"event": "end", "data": '{"state": "succeeded"}'}


def test_a_stream_resumes_after_the_last_event_seen(plane: Any, job: str, token: str) -> None:
    plane.run(ADD_EVENTS % (0, 1200, job))
    path = f"/events/jobs/{job}?token={token}"
    cut = Stream(plane, path)
    seen = [block for _, block in zip(range(501), cut.blocks(), strict=False)]
    cut.connection.close()
    plane.run(END % job)
    last = seen[-1]["id"]
    assert json.loads(seen[-1]["data"])["sequence"] == 499
    assert Stream(plane, path, {"Last-Event-ID": last}).sequences() == list(range(500, 1200))
    assert Stream(plane, f"{path}&after={last}").sequences() == list(range(500, 1200))
    assert Stream(plane, f"{path}&after=1", {"Last-Event-ID": last}).sequences() == list(range(500, 1200))
    assert Stream(plane, f"{path}&after=rubbish").sequences() == list(range(1200))


@pytest.mark.parametrize("token", ["", "forged.token"])
def test_a_stream_needs_a_token(plane: Any, job: str, token: str) -> None:
    answer = plane.request("GET", f"/events/jobs/{job}?token={token}")
    assert (answer.status, answer.json()["code"]) == (403, "link_invalid")


def test_a_token_is_for_its_job_and_its_time(plane: Any, job: str, token: str) -> None:
    assert plane.request("GET", f"/events/jobs/job_other?token={token}").status == 403
    old = links.sign_claims({"job": job}, salt="job-events", expires_in=-1)
    assert plane.request("GET", f"/events/jobs/{job}?token={old}").json()["code"] == "link_expired"
    other = links.sign_claims({"job": job}, salt="something-else", expires_in=60)
    assert plane.request("GET", f"/events/jobs/{job}?token={other}").status == 403


def test_a_job_that_does_not_exist_is_a_404(plane: Any) -> None:
    token = links.sign_claims({"job": "job_none"}, salt="job-events", expires_in=60)
    assert plane.request("GET", f"/events/jobs/job_none?token={token}").status == 404


def test_a_reader_who_leaves_is_no_error(own_plane: Any, settings: Any) -> None:
    plane = own_plane()
    name = plane.run(MAKE_JOB)
    token = links.sign_claims({"job": name}, salt="job-events", expires_in=600)
    leaver = Stream(plane, f"/events/jobs/{name}?token={token}")
    stayer = Stream(plane, f"/events/jobs/{name}?token={token}")
    next(leaver.blocks())
    leaver.answer.close()
    leaver.connection.close()
    for first in range(0, 40, 10):  # enough to fill what the kernel still takes for a closed connection
        plane.run(ADD_EVENTS % (first, first + 10, name))
    plane.run(END % name)
    assert stayer.sequences() == list(range(40))
    plane.stop()
    assert "Error handling request" not in (plane.folder / "log").read_text()
