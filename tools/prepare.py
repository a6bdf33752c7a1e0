"""Brings a data folder up to date: migrations, static files, licenses, and the demo's people.

Run by `tools/run.py` before the processes start. Prints one JSON object: the demo's sign-ins and tokens, which are made
once, kept readable by the owner alone, and never logged.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 (settings need django.setup)
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402

from registry.accounts import services as accounts  # noqa: E402
from registry.accounts.models import Organization, User  # noqa: E402
from registry.licensing import services as licensing  # noqa: E402

PEOPLE = (
    # name, full name, may use the admin panel
    ("operator", "Operator of this hub", True),
    ("alice", "Alice Arnold, publishes models", False),
    ("carol", "Carol Chen, works at Acme", False),
)


def main() -> None:
    """Prepares everything and prints the sign-ins."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    licensing.licenses_load()
    print(json.dumps(demo_people()))


def demo_people() -> dict[str, Any]:
    """Creates the demo's users, organization and tokens once; returns them each time."""
    path: Path = settings.DATA_DIR / "secrets" / "demo.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    with transaction.atomic():
        people = make_people()
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(people, file)
    return people


def make_people() -> dict[str, Any]:
    """Makes users with random passwords, the organization Acme, and one token for each purpose the tour shows."""
    people: dict[str, Any] = {"passwords": {}, "tokens": {}}
    users: dict[str, User] = {}
    for name, full_name, is_admin in PEOPLE:
        password = secrets.token_urlsafe(12)
        users[name] = accounts.user_create(
            username=name, password=password, full_name=full_name, is_admin=is_admin, enforce_rules=False
        )
        people["passwords"][name] = password
    acme = accounts.organization_create(name="acme", creator=users["carol"], full_name="Acme", kind="company")
    people["tokens"] = make_tokens(users, acme)
    return people


def make_tokens(users: dict[str, User], acme: Organization) -> dict[str, str]:
    """Makes the tokens: to publish, to do research, and to run Acme's hosted service."""
    wanted = {
        "publish": {"user": users["alice"], "role": "write", "name": "publish"},
        "research": {"user": users["carol"], "role": "write", "name": "research", "purpose": "research"},
        "production": {
            "user": users["carol"],
            "role": "read",
            "name": "production",
            "organization": acme,
            "purpose": "hosted-service",
            "environment": "production",
        },
    }
    return {key: accounts.token_create(**arguments)[1] for key, arguments in wanted.items()}  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
