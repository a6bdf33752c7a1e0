"""Where blocking work runs, so that the event loop never waits: files in one pool, the database in another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from aiohttp import web
from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

_FILE_THREADS = 24
# Each keeps a database connection; queries here take well under a millisecond.
_DATABASE_THREADS = 4


class Threads:
    """The process's two thread pools."""

    def __init__(self) -> None:
        self._files = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files")
        self._database = ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="database")

    def file(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Starts work with files, hashes or the object store."""
        return asyncio.get_running_loop().run_in_executor(self._files, lambda: function(*args, **kwargs))

    def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Starts work with Django's database; connections that timed out are replaced first."""

        def work() -> T:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                close_old_connections()

        return asyncio.get_running_loop().run_in_executor(self._database, work)

    def close(self) -> None:
        """Lets running work end and starts no more."""
        self._files.shutdown(wait=False, cancel_futures=True)
        self._database.shutdown(wait=False, cancel_futures=True)


THREADS: web.AppKey[Threads] = web.AppKey("threads", Threads)
