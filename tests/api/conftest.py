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
    """Returns `licensed(owner, "mit", card="", name="m", gated="")`: a repository whose card says so."""

    def make(owner: User, license_id: str, *, card: str = "", **facts: Any) -> Repository:
        text = "\n".join(["---", f"license: {license_id}", *([card] if card else []), "---", "# A model", ""])
        return make_repository(owner, files={"README.md": text}, **facts)

    return make
