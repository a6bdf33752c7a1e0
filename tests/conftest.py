"""Fixtures that all tests share: people with a role, ways to sign in, a data folder of one's own, repositories."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from registry.accounts import selectors, services
from registry.accounts.models import AccessToken, Organization, User
from registry.accounts.principal import Principal
from registry.catalogue.publishing import repository_publish
from registry.celery import app
from registry.epochs.caches import caches_clear
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile

PASSWORD = "correct horse battery staple"


def _own_data_folder() -> Path:
    """Moves this test process, one of several, to a data folder of its own, whatever folder the environment names."""
    folder = Path(tempfile.mkdtemp(prefix=f"weighbridge-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-"))
    django_settings.DATA_DIR = folder
    django_settings.UPLOAD_DIR = folder / "uploads"
    django_settings.RECEIPT_KEY_FILE = folder / "secrets" / "receipt_key.pem"
    django_settings.STATIC_ROOT = folder / "static"
    django_settings.STATIC_ROOT.mkdir()
    django_settings.OBJECT_STORE_URL = f"file://{folder / 'objects'}"
    # Each test empties the cache, so it must be this process's own; end-to-end hubs use Redis where the run has it.
    django_settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    # Processes that tests start find the same folder unless they are given another.
    os.environ["WEIGHBRIDGE_DATA_DIR"] = str(folder)
    return folder


_DATA_FOLDER = _own_data_folder()


@pytest.fixture(scope="session", autouse=True)
def _end_with_the_data_folder() -> Iterator[None]:
    yield
    shutil.rmtree(_DATA_FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keeps SQLite's test database in a file: several threads may write it, as several processes do in production.

    In memory, connections would share one cache and fail on its table locks instead of queueing.
    """
    database = connections.databases["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(_DATA_FOLDER / "test.sqlite3")
        quick = database["OPTIONS"]["init_command"].replace("synchronous=FULL", "synchronous=OFF")
        database["OPTIONS"]["init_command"] = quick  # a power cut need not spare a test database


@pytest.fixture(scope="session", autouse=True)
def _flush_past_triggers() -> None:
    """Lets transactional tests empty tables whose triggers forbid it: SQLite deletes where PostgreSQL truncates."""
    if connection.vendor != "sqlite":
        return
    flush = connection.ops.execute_sql_flush

    def flush_without_triggers(sql_list: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')
            flush(sql_list)
            for _, sql in triggers:
                cursor.execute(sql)

    connection.ops.execute_sql_flush = flush_without_triggers


@pytest.fixture(scope="session", autouse=True)
def _broker_in_memory() -> None:
    """Keeps the doorbells of committed transactions inside the process."""
    app.conf.update(broker_url="memory://", broker_transport_options={})


@pytest.fixture(autouse=True)
def _quick_and_fresh(settings: Any) -> None:
    """Cheap password hashes, static files without a build, empty caches."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    cache.clear()
    caches_clear()


# --- people -----------------------------------------------------------------------------------------------------
def _user(username: str, **facts: Any) -> User:
    return services.user_create(
        username=username,
        password=PASSWORD,
        email=f"{username}@example.org",
        full_name=username.title(),
        **facts,
    )


@pytest.fixture
def alice(db: None) -> User:
    """The owner: repositories under test are hers unless they say otherwise."""
    return _user("alice")


@pytest.fixture
def bob(db: None) -> User:
    """The stranger: has an account and nothing else."""
    return _user("bob")


@pytest.fixture
def carol(db: None) -> User:
    """The admin of `acme`."""
    return _user("carol")


@pytest.fixture
def wendy(db: None) -> User:
    """A member of `acme` who may write (once the fixture `acme` is asked for)."""
    return _user("wendy")


@pytest.fixture
def rita(db: None) -> User:
    """A member of `acme` who may only read (once the fixture `acme` is asked for)."""
    return _user("rita")


@pytest.fixture
def operator(db: None) -> User:
    """Staff: may use the admin panel."""
    return _user("olga", is_admin=True)


@pytest.fixture
def acme(carol: User, wendy: User, rita: User) -> Organization:
    """An organization: carol is its admin, wendy writes, rita reads."""
    organization = services.organization_create(name="acme", creator=carol, full_name="Acme")
    services.membership_set(organization=organization, user=wendy, role="write")
    services.membership_set(organization=organization, user=rita, role="read")
    return organization


# --- ways in ----------------------------------------------------------------------------------------------------
@pytest.fixture
def principal_of(db: None) -> Callable[..., Principal]:
    """Returns `principal_of(user, role=None, **token)`: a session's principal, or one of a fresh token."""

    def make(user: User, role: str | None = None, **token: Any) -> Principal:
        if role is None and not token:
            return selectors.principal_for_user(user)
        row, _ = services.token_create(user=user, name="test", role=role or "write", **token)
        return selectors.principal_for_token(row)

    return make


@pytest.fixture
def token_for(db: None) -> Callable[..., str]:
    """Returns `token_for(user, role="write", expired=False, revoked=False, **facts)`: a token's secret."""

    def make(user: User, role: str = "write", *, expired: bool = False, revoked: bool = False, **facts: Any) -> str:
        token, secret = services.token_create(user=user, name=facts.pop("name", "test"), role=role, **facts)
        if expired:
            AccessToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        if revoked:
            services.token_revoke(token=token)
        return secret

    return make


@pytest.fixture
def bearer(token_for: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """Returns `bearer(user, role="write", …)`: headers for Django's test client (`client.get(url, headers=…)`)."""

    def make(user: User, role: str = "write", **facts: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_for(user, role, **facts)}"}

    return make


@pytest.fixture
def client_for(db: None) -> Callable[..., Client]:
    """Returns `client_for(user)`: a Django test client with the user's session; None for an anonymous one."""

    def make(user: User | None = None, **options: Any) -> Client:
        client = Client(**options)
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


# --- repositories -----------------------------------------------------------------------------------------------
@pytest.fixture
def make_repository(db: None) -> Callable[..., Repository]:
    """Returns `make_repository(owner, name="m", type="model", files={}, private=False, gated="", namespace=None)`.

    The repository is made by the real service: it has a `main` with one commit that holds `files` (path -> bytes or
    text).
    """

    def make(
        owner: User,
        name: str = "m",
        *,
        type: str = "model",  # noqa: A002 (the domain's word)
        files: dict[str, bytes | str] | None = None,
        private: bool = False,
        gated: str = "",
        namespace: str | None = None,
    ) -> Repository:
        contents = {path: data.encode() if isinstance(data, str) else data for path, data in (files or {}).items()}
        repository = repository_publish(
            principal=selectors.principal_for_user(owner),
            type=type,
            namespace=namespace,
            name=name,
            private=private,
            files=tuple(AddFile(path, data) for path, data in contents.items()),
        )
        if gated:
            Repository.objects.filter(pk=repository.pk).update(gated=gated)
            repository.refresh_from_db()
        return repository

    return make
