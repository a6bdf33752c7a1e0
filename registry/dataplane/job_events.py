"""`GET /events/jobs/{job_id}`: the route, its token, and the reads behind it."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web
from django.db.models import Max

from registry.dataplane.events import Feed, Feeds, Page, end_frame, frame_of
from registry.dataplane.threads import THREADS, Threads
from registry.errors import NotFoundError
from registry.jobs.models import Job, JobEvent
from registry.jobs.selectors import EVENTS_SALT, events_after
from registry.jobs.states import TERMINAL
from registry.storage.errors import LinkInvalidError
from registry.storage.links import read_claims

FEEDS: web.AppKey[Feeds] = web.AppKey("feeds", Feeds)

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx in front must not collect events
    "X-Content-Type-Options": "nosniff",
}
_HELLO = b"retry: 2000\n: connected\n\n"
_HEARTBEAT = b": heartbeat\n\n"


def feeds_for(threads: Threads) -> Feeds:
    """Returns feeds that read the database in its threads."""

    async def read(job_id: str, after: int, limit: int) -> Page:
        return await threads.database(_read_page, job_id, after, limit)

    return Feeds(read)


async def stream_job_events(request: web.Request) -> web.StreamResponse:
    """Sends a job's events from `Last-Event-ID` (or `?after=`) on, live, until it has ended.

    A reconnecting browser repeats the URL with a `Last-Event-ID` header, so the header wins.
    """
    job_id = request.match_info["job_id"]
    if read_claims(request.query.get("token", ""), salt=EVENTS_SALT).get("job") != job_id:
        raise LinkInvalidError("this link is for another job: open the job's page again")
    after = _event_id(request.headers.get("Last-Event-ID") or request.query.get("after", ""))
    newest = await request.app[THREADS].database(_newest_event, job_id)
    if newest is None:
        raise NotFoundError(f"there is no job `{job_id}`")
    response = web.StreamResponse(headers=_HEADERS)
    async with request.app[FEEDS].follow(job_id, newest) as feed:
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the reader left, as readers do; nothing is owed to them
            await response.write(_HELLO)
            await _send(response, feed, after)
            await response.write_eof()
    return response


async def _send(response: web.StreamResponse, feed: Feed, after: int) -> None:
    async for batch in feed.frames(after):
        await response.write(b"".join(frame.data for frame in batch) or _HEARTBEAT)
    if not feed.closed:
        await response.write(end_frame(feed.state))


def _newest_event(job_id: str) -> int | None:
    """Returns the id of the job's last event, 0 if it has none; None if there is no such job."""
    if not Job.objects.filter(id=job_id).exists():
        return None
    newest: int | None = JobEvent.objects.filter(job_id=job_id).aggregate(newest=Max("id"))["newest"]
    return newest or 0


def _read_page(job_id: str, after: int, limit: int) -> Page:
    """Reads the state first: a terminal one then means that no event can be missing."""
    state = Job.objects.filter(id=job_id).values_list("state", flat=True).first()
    events = events_after(job_id, after, limit)
    return Page(state, state in TERMINAL, [frame_of(event) for event in events])


def _event_id(text: str) -> int:
    """Returns a given event id; anything else means from the start."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0  # noqa: PLR2004 (64 bits)
