"""Object bytes by signed link: `sendfile` where the store has a file, a stream where it has not."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import web

from registry.dataplane.ranges import ByteRange, Outcome, Plan, plan_response
from registry.dataplane.threads import THREADS, Threads
from registry.storage.content_disposition import content_disposition
from registry.storage.digests import Sha256
from registry.storage.errors import LinkInvalidError
from registry.storage.links import ObjectLink, object_link_read
from registry.storage.stores import get_store

# One sendfile(2) keeps the event loop for as long as the socket takes bytes: ten milliseconds or so at this size.
_SENDFILE_PIECE = 16 * 1024 * 1024
_STREAM_PIECE = 1024 * 1024
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?charset=[\w-]+)?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """An object ready to be sent: its size in bytes and, where the store has one, its open file."""

    sha256: Sha256
    size: int
    file: BinaryIO | None


Segment = bytes | ByteRange


async def serve_object(request: web.Request) -> web.StreamResponse:
    """`GET|HEAD /objects/{sha256}/{filename}`: the whole object, one range, or several (RFC 9110 section 14)."""
    link = object_link_read(request.match_info["sha256"], request.match_info["filename"], request.query)
    async with _opened(request.app[THREADS], link.sha256) as source:
        plan = plan_response(request.method, request.headers, etag=link.sha256, size=source.size)
        response = _response(link, plan.outcome)
        segments = _segments(plan, source.size, response)
        await response.prepare(request)
        if request.method == "GET":
            for segment in segments:
                await _send(request, response, source, segment)
        await response.write_eof()
    return response


async def refuse_method(request: web.Request) -> web.StreamResponse:
    """Answers any other method: the link was not made for it."""
    raise LinkInvalidError(f"this link is for downloading: use GET or HEAD, not {request.method}")


@asynccontextmanager
async def _opened(threads: Threads, sha256: Sha256) -> AsyncIterator[Source]:
    source = await threads.file(_open, sha256)
    try:
        yield source
    finally:
        if source.file is not None:
            source.file.close()


def _open(sha256: Sha256) -> Source:
    store = get_store()
    if store.local_path(sha256) is None:
        return Source(sha256, store.size(sha256), None)
    file = store.open(sha256)
    return Source(sha256, os.fstat(file.fileno()).st_size, file)


def _response(link: ObjectLink, outcome: Outcome) -> web.StreamResponse:
    remaining = max(0, link.expires_at - int(time.time()))
    headers = {
        "ETag": f'"{link.sha256}"',
        "Accept-Ranges": "bytes",
        # The bytes of a URL never change, and they are for the holder of the link alone.
        "Cache-Control": f"private, max-age={remaining}, immutable",
        "Content-Disposition": content_disposition(link.disposition, link.filename),
        "Content-Type": link.content_type if _MEDIA_TYPE.fullmatch(link.content_type) else "application/octet-stream",
        # Uploaded bytes are nobody's page: no script, no sniffing, no signature in a Referer.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return web.StreamResponse(status=outcome.value, headers=headers)


def _segments(plan: Plan, size: int, response: web.StreamResponse) -> Sequence[Segment]:
    """Returns what the body consists of and sets the headers that describe it."""
    segments: Sequence[Segment] = ()
    if plan.outcome is Outcome.WHOLE:
        segments = [ByteRange(0, size)]
    elif len(plan.ranges) == 1:
        segments = plan.ranges
        response.headers["Content-Range"] = plan.ranges[0].content_range(size)
    elif plan.ranges:
        boundary = secrets.token_hex(16)
        segments = _multipart(plan.ranges, size, response.headers["Content-Type"], boundary)
        response.headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    if plan.outcome is Outcome.NOT_MODIFIED:
        del response.headers["Content-Type"]
    else:
        response.content_length = sum(len(part) if isinstance(part, bytes) else part.length for part in segments)
    return segments


def _multipart(ranges: Sequence[ByteRange], size: int, content_type: str, boundary: str) -> list[Segment]:
    """Returns the segments of a `multipart/byteranges` body (RFC 9110 14.6)."""
    segments: list[Segment] = []
    for part in ranges:
        head = f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {part.content_range(size)}\r\n\r\n"
        segments += [head.encode("ascii"), part]
    return [*segments, f"\r\n--{boundary}--\r\n".encode("ascii")]


async def _send(request: web.Request, response: web.StreamResponse, source: Source, segment: Segment) -> None:
    if isinstance(segment, bytes):
        await response.write(segment)
    elif source.file is None:
        await _stream(request.app[THREADS], response, source.sha256, segment)
    else:
        await _send_file(request, source.file, segment)


async def _send_file(request: web.Request, file: BinaryIO, part: ByteRange) -> None:
    loop = asyncio.get_running_loop()
    for offset in range(part.start, part.stop, _SENDFILE_PIECE):
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client went away")
        await loop.sendfile(transport, file, offset, min(_SENDFILE_PIECE, part.stop - offset))


async def _stream(threads: Threads, response: web.StreamResponse, sha256: Sha256, part: ByteRange) -> None:
    """Sends a range from a store without files; a slow client holds one piece in memory, no thread."""
    body = await threads.file(get_store().open, sha256, part.start)
    try:
        left = part.length
        while left:
            piece = await threads.file(body.read, min(left, _STREAM_PIECE))
            if not piece:
                raise ConnectionResetError("the object store ended early")
            left -= len(piece)
            await response.write(piece)
    finally:
        await threads.file(body.close)
