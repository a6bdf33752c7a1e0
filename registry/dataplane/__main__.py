"""Starts the data plane: `python -m registry.dataplane --host 127.0.0.1 --port 8001`."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import socket
import sys

import django
from aiohttp import web

# Twice this much of a body may wait in memory while a thread hashes; with aiohttp's 64 KiB every read would pause.
_READ_BUFFER = 256 * 1024
_SHUTDOWN_SECONDS = 3.0
_BACKLOG = 1024


def main(arguments: list[str] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then lets transfers go on for a few seconds."""
    parser = argparse.ArgumentParser(prog="python -m registry.dataplane", description="Serve object bytes and events.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on, 0 for any (default: %(default)s)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
    django.setup()
    _allow_many_connections()
    from registry.dataplane.application import make_application  # noqa: PLC0415 (needs Django to be set up)

    listener = _listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"Data plane on http://{shown}:{port}\n")
    sys.stdout.flush()
    web.run_app(
        make_application(),
        sock=listener,
        access_log=None,  # addresses hold signatures; the proxy in front logs what may be logged
        print=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        read_bufsize=_READ_BUFFER,
    )
    # A thread that still hashes a large upload would hold up the exit; by design it may die at any point.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SystemExit(f"cannot listen on {host} port {port}: {error.strerror}") from error


def _allow_many_connections() -> None:
    """Raises the soft limit of open files to the hard one: a download holds two descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
