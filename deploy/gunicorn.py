"""gunicorn's settings for the `web` process: gthread, because Django under ASGI costs several times the CPU.

See docs/decisions/0002. Bytes and live events never run on these threads; the data plane serves them.
"""

import os

bind = f"{os.environ.get('WEIGHBRIDGE_HOST', '127.0.0.1')}:{os.environ.get('WEIGHBRIDGE_PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEIGHBRIDGE_WEB_WORKERS", "2"))
threads = int(os.environ.get("WEIGHBRIDGE_WEB_THREADS", "8"))
# Commit bodies are long; a worker that is still reading one is not stuck.
timeout = 300
graceful_timeout = 10
keepalive = 75
# Percent-encoded revisions make long request lines (hub-api 0.1).
limit_request_line = 8190
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 (heartbeat file in memory)
accesslog = None
loglevel = os.environ.get("WEIGHBRIDGE_LOG_LEVEL", "warning").lower()
