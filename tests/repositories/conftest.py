"""Fixtures for repositories: caches that forget, and short ways to commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.principal import Principal
from registry.repositories import history, objects, trees
from registry.repositories.commits import AddFile, CommitResult, commit_create
from registry.repositories.models import Repository


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    """Caches are keyed by content and never go stale, but tests that count queries want them empty."""
    objects.caches_clear()
    trees.listing_clear()
    history.touched_clear()


@pytest.fixture
def put() -> Callable[..., CommitResult]:
    """Returns `put(principal, repository, {path: data}, title="Add", branch="main", **options)`."""

    def make(
        principal: Principal,
        repository: Repository,
        files: dict[str, bytes | str],
        title: str = "Add",
        branch: str = "main",
        **options: Any,
    ) -> CommitResult:
        operations = [AddFile(path, data.encode() if isinstance(data, str) else data) for path, data in files.items()]
        return commit_create(
            principal=principal, repository=repository, branch=branch, operations=operations, title=title, **options
        )

    return make
