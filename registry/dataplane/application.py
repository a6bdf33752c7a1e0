"""The data plane's routes and its life: what starts with the process and what ends with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from registry.dataplane import objects, uploads
from registry.dataplane.answers import errors_middleware, preflight_middleware, prepare_headers
from registry.dataplane.job_events import FEEDS, feeds_for, stream_job_events
from registry.dataplane.threads import THREADS, Threads

# The list of parts of a multipart upload; bodies of objects are streamed and not subject to it.
_MAX_JSON = 16 * 1024 * 1024


def make_application() -> web.Application:
    """Returns the application; Django must be set up."""
    application = web.Application(middlewares=[errors_middleware, preflight_middleware], client_max_size=_MAX_JSON)
    application.on_response_prepare.append(prepare_headers)
    application.cleanup_ctx.append(_workings)
    application.on_shutdown.append(_let_readers_go)
    application.add_routes(
        [
            web.get("/health", _health),
            web.get("/objects/{sha256}/{filename}", objects.serve_object),
            web.put("/uploads/{token}", uploads.put_whole),
            web.post("/uploads/{token}", uploads.complete),
            web.put("/uploads/{token}/{part:[0-9]{1,9}}", uploads.put_part),
            web.get("/events/jobs/{job_id}", stream_job_events),
            web.route("*", "/objects/{sha256}/{filename}", objects.refuse_method),
            web.route("*", "/uploads/{token}", uploads.refuse_method),
            web.route("*", "/uploads/{token}/{part:[0-9]{1,9}}", uploads.refuse_method),
        ]
    )
    return application


async def _workings(application: web.Application) -> AsyncIterator[None]:
    threads = Threads()
    application[THREADS] = threads
    application[FEEDS] = feeds_for(threads)
    yield
    threads.close()


async def _let_readers_go(application: web.Application) -> None:
    application[FEEDS].close()


async def _health(request: web.Request) -> web.StreamResponse:
    del request
    return web.json_response({"status": "ok"})
