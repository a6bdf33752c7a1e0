"""What the tests of the hub API share: a client that sends raw addresses, as gunicorn hands them over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.test import Client

from registry.accounts.models import User
from registry.accounts.selectors import principal_for_user
from registry.catalogue.publishing import commit_publish, repository_publish
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile, AddLfs, Operation
from registry.repositories.services import large_object_attach
from registry.storage.services import object_store_bytes

Call = Callable[..., HttpResponse]


@pytest.fixture
def call(bearer: Callable[..., dict[str, str]]) -> Call:
    """Returns `call("GET", "/api/models/alice/m", user=alice, role="read", body={…}, …)`.

    The address is sent raw (percent-encoded) beside its decoded form, as a server does.
    """
    tokens: dict[tuple[int, str], dict[str, str]] = {}

    def send(method: str, address: str, user: User | None = None, role: str = "write", **options: Any) -> HttpResponse:
        headers = dict(options.pop("headers", {}))
        if user is not None:
            if (user.pk, role) not in tokens:
                tokens[user.pk, role] = bearer(user, role)
            headers |= tokens[user.pk, role]
        body, content_type = options.pop("body", None), options.pop("content_type", "application/json")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = address.partition("?")
        return Client(enforce_csrf_checks=True).generic(  # type: ignore[return-value]
            method,
            unquote(path),
            data,
            content_type if data else "",
            headers=headers,
            **{"QUERY_STRING": query, "RAW_URI": address} | options,
        )

    return send


@pytest.fixture
def commit(call: Call) -> Call:
    """Returns `commit(alice, "model", "alice/m", [("file", {…}), …], branch="main", parent=None)`."""

    def send(
        user: User | None,
        kind: str,
        name: str,
        operations: Iterable[tuple[str, Any]],
        *,
        branch: str = "main",
        **options: Any,
    ) -> HttpResponse:
        header = {
            "summary": options.pop("summary", "Change"),
            "description": "",
            "parentCommit": options.pop("parent", None),
        }
        lines = [("header", header), *operations]
        body = b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in lines)
        address = f"/api/{kind}s/{name}/commit/{branch}"
        return call("POST", address, user, body=body, content_type="application/x-ndjson", **options)

    return send


@pytest.fixture
def publish(db: None) -> Callable[..., Repository]:
    """Returns `publish(alice, "m", {"a.txt": b"…"}, large={"w.bin": b"…"}, type="model", private=False, gated="")`."""

    def make(
        owner: User,
        name: str,
        files: dict[str, bytes] | None = None,
        *,
        large: dict[str, bytes] | None = None,
        type: str = "model",  # noqa: A002 (the domain's word)
        private: bool = False,
        gated: str = "",
        namespace: str | None = None,
    ) -> Repository:
        principal = principal_for_user(owner)
        repository = repository_publish(principal=principal, type=type, namespace=namespace, name=name, private=private)
        operations: list[Operation] = [AddFile(path, data) for path, data in (files or {}).items()]
        for path, data in (large or {}).items():
            stored = object_store_bytes(data=data)
            large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=owner.pk)
            operations.append(AddLfs(path, stored.sha256, stored.size))
        if operations:
            commit_publish(
                principal=principal, repository=repository, branch="main", operations=operations, title="Add files"
            )
        Repository.objects.filter(pk=repository.pk).update(gated=gated)
        return Repository.objects.select_related("namespace", "profile", "counters").get(pk=repository.pk)

    return make
