# Two images from one file: `web` (no torch) for web, data plane and tasks; `worker` with the training stack.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
RUN useradd --create-home --uid 1000 weighbridge && mkdir -p /app /data && chown weighbridge /data
WORKDIR /app

FROM base AS web
COPY pyproject.toml README.md manage.py ./
COPY registry registry
COPY workers/__init__.py workers/__init__.py
COPY deploy deploy
RUN pip install '.[scaled]' && rm -rf build
RUN WEIGHBRIDGE_DATA_DIR=/tmp/build WEIGHBRIDGE_STATIC_ROOT=/app/static WEIGHBRIDGE_SECRET_KEY=build \
    WEIGHBRIDGE_WORKER_SECRET=build python manage.py collectstatic --noinput && rm -rf /tmp/build
ENV WEIGHBRIDGE_STATIC_ROOT=/app/static WEIGHBRIDGE_DATA_DIR=/data WEIGHBRIDGE_HOST=0.0.0.0
USER weighbridge
EXPOSE 8000 8001
CMD ["gunicorn", "registry.wsgi", "--config", "deploy/gunicorn.py"]

FROM base AS worker
# The build of torch that fits the machine: leave TORCH_INDEX_URL empty for the default index.
ARG TORCH_INDEX_URL=""
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch==2.13.0
COPY pyproject.toml README.md ./
COPY workers workers
COPY registry/__init__.py registry/__init__.py
COPY deploy/worker_requirements.py deploy/worker_requirements.py
RUN echo torch==2.13.0 > constraints.txt \
    && python deploy/worker_requirements.py > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt
ENV WEIGHBRIDGE_DATA_DIR=/data
USER weighbridge
CMD ["celery", "-A", "workers.celery", "worker", "--queues", "jobs-cpu", "--pool", "threads", "--concurrency", "1"]
