"""Stores objects without end, in several threads, until it is killed: the victim of `test_kill`."""

from __future__ import annotations

import os
from threading import Thread

import django

django.setup()

from registry.storage.services import object_store_stream  # noqa: E402 (Django must be set up)

_THREADS = 3
_PIECE = 65_536


def store_without_end() -> None:
    while True:
        size = int.from_bytes(os.urandom(3)) // 16
        object_store_stream(chunks=(os.urandom(min(_PIECE, size - start)) for start in range(0, size, _PIECE)))
        os.write(1, b".")


for _ in range(_THREADS):
    Thread(target=store_without_end).start()
