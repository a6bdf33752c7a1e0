"""A process of its own that writes to one repository: `writer.py prepare | commit LABEL COUNT | loop LABEL | verify`.

Tests start it with an environment that names the database and the data folder, and some kill it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
django.setup()

from registry.accounts.models import User  # noqa: E402 (Django must be set up first)
from registry.accounts.principal import Principal  # noqa: E402
from registry.accounts.selectors import principal_for_user  # noqa: E402
from registry.accounts.services import user_create  # noqa: E402
from registry.catalogue.publishing import commit_publish, repository_publish  # noqa: E402
from registry.celery import app  # noqa: E402
from registry.repositories import trees  # noqa: E402
from registry.repositories.commits import AddFile, AddLfs  # noqa: E402
from registry.repositories.gitobjects import object_oid  # noqa: E402
from registry.repositories.models import GitObject, Ref, Repository, RepositoryCommit  # noqa: E402
from registry.repositories.selectors import commits, revision_resolve  # noqa: E402
from registry.repositories.services import large_object_attach  # noqa: E402
from registry.storage.digests import parse_sha256  # noqa: E402
from registry.storage.models import LargeObject  # noqa: E402
from registry.storage.services import object_store_bytes  # noqa: E402
from registry.storage.stores import get_store  # noqa: E402

app.conf.update(broker_url="memory://", broker_transport_options={})


def prepare() -> None:
    repository_publish(
        principal=principal_for_user(user_create(username="alice")), type="model", namespace=None, name="m"
    )


def _open() -> tuple[Principal, Repository]:
    return principal_for_user(User.objects.get(username="alice")), Repository.objects.get(full_name="alice/m")


def _commit_one(label: str, number: int) -> str:
    """Commits a small file, one whose bytes lie in the object store, an LFS object and a card that must match it."""
    principal, repository = _open()
    content = f"{label} {number}".encode()
    stored = object_store_bytes(data=content * 1000)
    large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=principal.user_id)
    operations = [
        AddFile(f"{label}/{number}.txt", content),
        AddFile(f"{label}/big.dat", content * 40_000),
        AddLfs(f"{label}/{number}.bin", stored.sha256),
        AddFile("README.md", b"---\nlicense: mit\n---\n" + content),
    ]
    return commit_publish(
        principal=principal, repository=repository, branch="main", operations=operations, title=f"{label} {number}"
    ).oid


def loop(label: str) -> None:
    for number in itertools.count():
        print(_commit_one(label, number), flush=True)  # noqa: T201 (the test reads it)


def commit(label: str, count: str) -> None:
    for number in range(int(count)):
        _commit_one(label, number)


def verify() -> None:
    """Prints what is there, after checking that every row has its bytes and the profile is the head's."""
    _, repository = _open()
    head = revision_resolve(repository)
    assert repository.profile.head_oid == head
    history = commits(repository, head, limit=10_000).items
    assert RepositoryCommit.objects.filter(repository=repository).count() == len(history)
    for row in GitObject.objects.all():
        data = trees.blob_bytes(row.oid) if row.kind == "blob" else bytes(row.data or b"")
        assert object_oid(row.kind, data) == row.oid
    for stored in LargeObject.objects.all():
        with get_store().open(parse_sha256(stored.sha256)) as stream:
            assert hashlib.sha256(stream.read()).hexdigest() == stored.sha256
    listed = [entry.path for entry in trees.list_recursive(head) if entry.kind == "file"]
    card = trees.blob_bytes(trees.entry_get(head, "README.md").oid).decode() if "README.md" in listed else ""
    facts = {
        "head": head,
        "history": [(item.oid, item.parents, item.title) for item in history],
        "files": listed,
        "refs": Ref.objects.filter(repository=repository).count(),
        "card": card.rpartition("\n")[2],
    }
    print(json.dumps(facts))  # noqa: T201 (the test reads it)


{"prepare": prepare, "commit": commit, "loop": loop, "verify": verify}[sys.argv[1]](*sys.argv[2:])
