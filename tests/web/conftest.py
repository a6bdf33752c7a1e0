"""What the page tests share: the shipped licenses, and a repository of each kind of interest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.accounts.models import User
from registry.licensing.services import licenses_load
from registry.repositories.models import Repository

CARD = """---
license: {license}
pipeline_tag: text-classification
library_name: transformers
language: en
---
# A model

It does things. See [the configuration](config.json).
"""


@pytest.fixture
def catalogue(db: None) -> None:
    """The shipped licenses."""
    licenses_load()


@pytest.fixture
def open_model(catalogue: None, alice: User, make_repository: Callable[..., Repository]) -> Repository:
    """`alice/open`, Apache-2.0."""
    return make_repository(alice, "open", files={"README.md": CARD.format(license="apache-2.0"), "config.json": "{}"})


@pytest.fixture
def research_model(catalogue: None, alice: User, make_repository: Callable[..., Repository]) -> Repository:
    """`alice/research`, CC-BY-NC-4.0: not for commercial products."""
    return make_repository(alice, "research", files={"README.md": CARD.format(license="cc-by-nc-4.0"), "w.txt": "w"})


@pytest.fixture
def gated_model(catalogue: None, alice: User, make_repository: Callable[..., Repository]) -> Repository:
    """`alice/gated`: the owner asks who wants it."""
    card = CARD.format(license="mit").replace(
        "language: en\n",
        "language: en\nextra_gated_prompt: Tell us.\nextra_gated_fields:\n  Company: text\n  I agree: checkbox\n",
    )
    return make_repository(alice, "gated", gated="manual", files={"README.md": card, "secret.txt": "s3cret"})


@pytest.fixture
def private_model(catalogue: None, carol: User, acme: object, make_repository: Callable[..., Repository]) -> Repository:
    """`acme/private`: for members of acme alone."""
    files = {"README.md": CARD.format(license="mit"), "w.txt": "w"}
    return make_repository(carol, "private", namespace="acme", private=True, files=files)
