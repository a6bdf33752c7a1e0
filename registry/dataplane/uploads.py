"""Uploads by signed link: whole (`basic`) or in parts (`multipart`), hub-api 3.2.

Nothing is acknowledged before its bytes are verified and durable; whatever fails leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from aiohttp import StreamReader, web
from aiohttp.client_exceptions import ClientError
from django.conf import settings
from django.db import transaction

from registry.dataplane.threads import THREADS, Threads
from registry.errors import BadRequestError, TooLargeError
from registry.jobs.services import job_object_attach
from registry.repositories.services import large_object_attach
from registry.storage import multipart
from registry.storage.errors import LinkInvalidError, PartInvalidError
from registry.storage.incoming import IncomingFile, size_mismatch
from registry.storage.links import UploadGrant, upload_grant_read
from registry.storage.services import object_put, object_record

# While a thread hashes and writes one batch, the loop receives the next.
_BATCH = 512 * 1024
_BATCH_CHUNKS = 1024
# A client that sends nothing for this long is gone; its half-open connection must not hold its upload.
_IDLE_SECONDS = 120.0


class Sink(Protocol):
    """Something that takes a body."""

    def write(self, chunks: Sequence[bytes]) -> None:
        """Takes the next chunks, in a thread."""
        ...


async def put_whole(request: web.Request) -> web.StreamResponse:
    """`PUT /uploads/{token}`: receives a whole object and attaches it to the repository or job of the token."""
    grant = upload_grant_read(request.match_info["token"])
    if grant.chunk_size is not None:
        raise LinkInvalidError("this link is for an upload in parts: PUT each part to its own address")
    _check_declared(request, grant.size)
    threads = request.app[THREADS]
    incoming = await threads.file(IncomingFile, settings.UPLOAD_DIR)
    try:
        await _receive(request, threads, incoming, grant.size)
        await threads.file(incoming.finish, expected_sha256=grant.sha256, expected_size=grant.size)
        await _keep(threads, grant, incoming.path)
    finally:
        await threads.file(incoming.discard)
    return web.json_response({"oid": grant.sha256, "size": grant.size}, headers={"ETag": f'"{grant.sha256}"'})


async def put_part(request: web.Request) -> web.StreamResponse:
    """`PUT /uploads/{token}/{part}`: receives one part; the answer's ETag goes into the list for completion."""
    grant = upload_grant_read(request.match_info["token"])
    number = int(request.match_info["part"])
    threads = request.app[THREADS]
    part = await threads.file(multipart.IncomingPart, settings.UPLOAD_DIR, grant, number)
    try:
        _check_declared(request, part.expected_size)
        await _receive(request, threads, part, part.expected_size)
        etag = await threads.file(part.finish)
    finally:
        await threads.file(part.close)
    return web.Response(headers={"ETag": f'"{etag}"'})


async def complete(request: web.Request) -> web.StreamResponse:
    """`POST /uploads/{token}`: checks `{"oid", "parts": [{"partNumber", "etag"}]}`, the whole, and attaches it."""
    grant = upload_grant_read(request.match_info["token"])
    if grant.chunk_size is None:
        raise LinkInvalidError("this link is for an upload in one piece: PUT the whole file to it")
    etags = _part_list(await _json_body(request), grant)
    threads = request.app[THREADS]
    if not await threads.file(multipart.upload_is_complete, settings.UPLOAD_DIR, grant):
        whole = await threads.file(multipart.upload_assemble, settings.UPLOAD_DIR, grant, etags)
        try:
            await _keep(threads, grant, whole)
            await threads.file(multipart.upload_mark_complete, settings.UPLOAD_DIR, grant)
        finally:
            await threads.file(whole.unlink, missing_ok=True)
    return web.json_response({"oid": grant.sha256, "size": grant.size})


async def refuse_method(request: web.Request) -> web.StreamResponse:
    """Answers any other method: the link was not made for it."""
    raise LinkInvalidError(f"this link is for uploading: use PUT, or POST to complete an upload, not {request.method}")


def _check_declared(request: web.Request, size: int) -> None:
    """Refuses by `Content-Length` before a byte is read; chunked bodies have none and are counted."""
    declared = request.content_length
    if declared is not None and declared > size:
        raise TooLargeError(f"the body has {declared} bytes where {size} were announced", limit=size)
    if declared is not None and declared < size:
        raise size_mismatch(size, declared)


async def _receive(request: web.Request, threads: Threads, sink: Sink, limit: int) -> None:
    """Passes the body to the sink, one batch in a thread while the next arrives.

    Raises:
        TooLargeError: the body is longer than `limit` bytes.
        BadRequestError: the client went away or broke HTTP's framing.
    """
    received = 0
    writing: asyncio.Future[None] | None = None
    try:
        while batch := await _read_batch(request.content):
            received += sum(map(len, batch))
            if received > limit:
                raise TooLargeError(f"the body is longer than the {limit} bytes announced", limit=limit)
            if writing is not None:
                await writing
            writing = threads.file(sink.write, batch)
        if writing is not None:
            await writing
    except (ClientError, ConnectionError, TimeoutError) as error:
        raise BadRequestError("the body ended early: send it again") from error
    finally:
        # The file must not be closed under a thread that writes to it.
        if writing is not None and not writing.done():
            with suppress(Exception):
                await writing


async def _read_batch(content: StreamReader) -> list[bytes]:
    """Returns the next chunks of a body, about half a mebibyte; none at its end."""
    batch: list[bytes] = []
    size = 0
    while size < _BATCH and len(batch) < _BATCH_CHUNKS and not content.at_eof():
        async with asyncio.timeout(_IDLE_SECONDS):
            chunk, _ = await content.readchunk()
        if chunk:
            batch.append(chunk)
            size += len(chunk)
    return batch


async def _keep(threads: Threads, grant: UploadGrant, path: Path) -> None:
    """Bytes into the store, then the rows that name them."""
    await threads.file(object_put, sha256=grant.sha256, path=path)
    await threads.database(_record, grant)


def _record(grant: UploadGrant) -> None:
    """Names the bytes and notes who brought them: reached only after all of them arrived, also where they existed."""
    with transaction.atomic():
        object_record(sha256=grant.sha256, size=grant.size)
        if grant.repository_id is not None:
            large_object_attach(repository_id=grant.repository_id, sha256=grant.sha256, user_id=grant.user_id)
        if grant.job_id is not None:
            job_object_attach(job_id=grant.job_id, sha256=grant.sha256)


async def _json_body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError("the list of parts is too long") from error


def _part_list(body: Any, grant: UploadGrant) -> dict[int, str]:
    """Returns part number -> ETag.

    Raises:
        PartInvalidError: the body is no list of parts of this upload.
    """
    if not isinstance(body, dict) or not isinstance(body.get("parts"), list):
        raise PartInvalidError('expected {"oid": …, "parts": [{"partNumber": 1, "etag": …}, …]}')
    if body.get("oid", grant.sha256) != grant.sha256:
        raise PartInvalidError(f"`oid` is not {grant.sha256}, for which this link was made")
    etags: dict[int, str] = {}
    for part in body["parts"]:
        number, etag = (part.get("partNumber"), part.get("etag")) if isinstance(part, dict) else (None, None)
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(etag, str):
            raise PartInvalidError("every part needs `partNumber`, a whole number, and `etag`, a text")
        if number in etags:
            raise PartInvalidError(f"part {number} is in the list twice")
        etags[number] = etag
    return etags
