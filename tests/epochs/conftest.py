"""What the tests of epochs share: warm requests, and a repository whose gate has something to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from registry.accounts.models import User
from registry.licensing.services import licenses_load
from registry.repositories.models import Repository

Ask = Callable[..., HttpResponse]


@pytest.fixture
def head() -> Ask:
    """Returns `head("alice/m", headers=…)`: the answer to a HEAD of its `config.json`."""

    def ask(name: str = "alice/m", headers: dict[str, str] | None = None) -> HttpResponse:
        return Client().head(f"/{name}/resolve/main/config.json", headers=headers or {})  # type: ignore[return-value]

    return ask


@pytest.fixture
def warm(head: Ask) -> Ask:
    """Returns `warm("alice/m", headers=…)`: asks until everything is remembered, and expects to be let in."""

    def ask(name: str = "alice/m", headers: dict[str, str] | None = None) -> HttpResponse:
        answers = [head(name, headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        return answers[-1]

    return ask


@pytest.fixture
def under(make_repository: Callable[..., Repository]) -> Callable[..., Repository]:
    """Returns `under(owner, "mit", name="m", base_model="", …)`: a repository whose card names the license."""
    licenses_load()

    def make(owner: User, license_id: str, *, base_model: str = "", **facts: Any) -> Repository:
        lines = [f"license: {license_id}", *([f"base_model: {base_model}"] if base_model else [])]
        card = "\n".join(["---", *lines, "---", "# A model", ""])
        repository = make_repository(owner, files={"README.md": card, "config.json": "{}"}, **facts)
        return Repository.objects.select_related("namespace", "profile").get(pk=repository.pk)

    return make
