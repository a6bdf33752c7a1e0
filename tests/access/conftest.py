"""A loaded license catalogue, and repositories under given terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.models import User
from registry.licensing.services import licenses_load
from registry.repositories.models import Repository


@pytest.fixture
def licenses(db: None) -> None:
    """The shipped license catalogue."""
    licenses_load()


@pytest.fixture
def licensed(licenses: None, make_repository: Callable[..., Repository]) -> Callable[..., Repository]:
    """Returns `licensed(owner, "mit", name="m", gated="", base_model=…, card=…)`: a repository whose card says so."""

    def make(owner: User, license_id: str | None, *, card: str = "", base_model: str = "", **facts: Any) -> Repository:
        lines = [f"license: {license_id}"] if license_id else []
        lines += [f"base_model: {base_model}"] if base_model else []
        text = "\n".join(["---", *lines, *([card] if card else []), "---", "# A model", ""])
        repository = make_repository(owner, files={"README.md": text, "config.json": "{}"}, **facts)
        return Repository.objects.select_related("namespace", "profile").get(pk=repository.pk)

    return make
