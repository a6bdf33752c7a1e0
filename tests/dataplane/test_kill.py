"""Killed in the middle of uploads, the data plane has kept what it acknowledged and shows nothing half."""

from __future__ import annotations

import http.client
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from queue import SimpleQueue
from typing import Any

import pytest

from registry.storage import links

KILL_AFTER = (1, 4, 9)
CLIENTS = 4
SIZE, CHUNK = 700_000, 350_000


def _upload(plane: Any, number: int) -> str:
    data = os.urandom(SIZE + number)
    name = sha256(data).hexdigest()
    grant: dict[str, Any] = {"sha256": name, "size": len(data), "repository_id": None, "user_id": 0}
    if number % 2:
        assert plane.request("PUT", links.upload_link(**grant), data).status == 200
        return name
    completion, parts = links.multipart_links(**grant, chunk_size=CHUNK)
    etags = []
    for part, url in parts.items():
        piece = data[(int(part) - 1) * CHUNK :][:CHUNK]
        etags.append({"partNumber": int(part), "etag": plane.request("PUT", url, piece).headers["ETag"]})
    assert plane.request("POST", completion, json.dumps({"parts": etags})).status == 200
    return name


def _upload_until_killed(plane: Any, acknowledged: SimpleQueue[str], client: int) -> None:
    for number in range(client, 10_000, CLIENTS):
        try:
            acknowledged.put(_upload(plane, number))
        except (OSError, http.client.HTTPException):
            return


@pytest.mark.slow
def test_what_was_acknowledged_survives_and_nothing_is_half(own_plane: Any, settings: Any) -> None:
    kept: set[str] = set()
    for count in KILL_AFTER:
        plane = own_plane()
        settings.OBJECT_URL = plane.url
        acknowledged: SimpleQueue[str] = SimpleQueue()
        with ThreadPoolExecutor(CLIENTS) as pool:
            uploads = [pool.submit(_upload_until_killed, plane, acknowledged, client) for client in range(CLIENTS)]
            kept |= {acknowledged.get(timeout=100) for _ in range(count)}
            plane.stop(signal.SIGKILL)
        for upload in uploads:
            upload.result()
        while not acknowledged.empty():
            kept.add(acknowledged.get())
        _check(plane, kept)


ROWS = """
from registry.storage.models import LargeObject
result = dict(LargeObject.objects.values_list("sha256", "size"))
"""


def _check(plane: Any, acknowledged: set[str]) -> None:
    objects = plane.objects
    assert {name: sha256(data).hexdigest() for name, data in objects.items()} == {name: name for name in objects}
    rows = plane.run(ROWS)
    assert rows == {name: len(objects[name]) for name in rows}
    assert acknowledged <= rows.keys()
