"""Fixtures for the catalogue: a few licenses, and short ways to publish."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache

from registry.accounts.models import User
from registry.accounts.selectors import principal_for_user
from registry.catalogue.publishing import commit_publish, repository_publish
from registry.licensing.models import License
from registry.repositories import history, objects, trees
from registry.repositories.commits import AddFile, AddLfs, DeleteFile, Operation
from registry.repositories.models import Repository
from registry.repositories.services import large_object_attach
from registry.storage.services import object_store_bytes


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    objects.caches_clear()
    trees.listing_clear()
    history.touched_clear()
    cache.clear()


def add_license(key: str, **facts: Any) -> License:
    values = {
        "name": key, "category": "permissive", "hf_id": key, "confidence": "verified", "terms_sha256": "0" * 64,
        "terms": {"aliases": facts.pop("aliases", [])}, **facts,
    }  # fmt: skip
    return License.objects.create(id=key, **values)


@pytest.fixture
def licenses(db: None) -> None:
    """Licenses of each kind that declarations meet."""
    add_license("mit", spdx="MIT", aliases=["expat"])
    add_license("apache-2.0", spdx="Apache-2.0")
    add_license("gpl-3.0", spdx="GPL-3.0-only", category="strong-copyleft")
    add_license("cc-by-nc-4.0", spdx="CC-BY-NC-4.0", category="non-commercial")
    add_license("cc", is_family=True, category="permissive")
    add_license(
        "falcon-llm-license", hf_id="", hf_license_name="falcon-llm-license", category="open-weights-conditional"
    )


def safetensors_bytes(**tensors: tuple[str, list[int]]) -> bytes:
    """Returns a well-formed safetensors file of zeros: name -> (dtype, shape)."""
    widths = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I8": 1}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        size = widths[dtype]
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(offset)


@pytest.fixture
def publish(db: None) -> Callable[..., Repository]:
    """Returns `publish(owner, name="m", files={…}, large={…}, type="model", private=False)`.

    `files` go into a commit after the initial one; `large` are uploaded and committed as LFS objects; None deletes.
    """

    def make(
        owner: User,
        name: str = "m",
        files: dict[str, bytes | str | None] | None = None,
        large: dict[str, bytes] | None = None,
        **options: Any,
    ) -> Repository:
        principal = principal_for_user(owner)
        kind = options.pop("type", "model")
        repository = Repository.objects.filter(full_name=f"{owner.username}/{name}", type=kind).first()
        if repository is None:
            arguments = {"namespace": None, "private": False, **options}
            repository = repository_publish(principal=principal, type=kind, name=name, **arguments)
        operations: list[Operation] = []
        for path, data in (files or {}).items():
            text = data.encode() if isinstance(data, str) else data
            operations.append(DeleteFile(path) if text is None else AddFile(path, io.BytesIO(text)))
        for path, data in (large or {}).items():
            stored = object_store_bytes(data=data)
            large_object_attach(repository_id=repository.pk, sha256=stored.sha256, user_id=owner.pk)
            operations.append(AddLfs(path, stored.sha256))
        if operations:
            commit_publish(
                principal=principal, repository=repository, branch="main", operations=operations, title="Add"
            )
        return Repository.objects.select_related("profile", "counters").get(pk=repository.pk)

    return make
