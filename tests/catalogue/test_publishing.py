"""Publishing: one transaction for the commit, the profile, the audit entry and the outbox message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.catalogue import publishing, selectors
from registry.repositories.commits import AddFile

pytestmark = pytest.mark.django_db


def test_smoke(alice: User, principal_of: Callable[..., Principal]) -> None:
    p = principal_of(alice)
    r = publishing.repository_publish(principal=p, type="model", namespace=None, name="x")
    publishing.commit_publish(principal=p, repository=r, branch="main", title="t", operations=[AddFile("README.md", b"---\nlicense: mit\nlanguage: en\nbase_model: alice/y\n---\n# X\n\nHello world. More.\n"), AddFile("config.json", b'{"architectures":["BertForMaskedLM"],"model_type":"bert"}')])
    page = selectors.repository_search(p, type="model", search="hello")
    assert [i.full_name for i in page.items] == ["alice/x"]
    print(page.items[0].profile.tags, page.items[0].profile.license_status)
    print(selectors.facets(p, "model"), selectors.tags_by_type("model"))
