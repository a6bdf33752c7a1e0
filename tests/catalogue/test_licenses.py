"""From a declaration to a license: stated, unstated, unknown or ambiguous; never a default."""

from __future__ import annotations

from typing import Any

import pytest

from registry.catalogue.licenses import is_known, license_index, resolve, spdx_symbols
from tests.catalogue.conftest import add_license  # type: ignore[import-not-found]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("data", "license_id", "status"),
    [
        (None, None, "unstated"),
        ({}, None, "unstated"),
        ({"license": None}, None, "unstated"),
        ({"license": 3}, None, "unstated"),
        ({"license": "  "}, None, "unstated"),
        ({"license": []}, None, "unstated"),
        ({"license": "mit"}, "mit", "stated"),
        ({"license": "MIT"}, "mit", "stated"),
        ({"license": "Expat"}, "mit", "stated"),
        ({"license": ["mit"]}, "mit", "stated"),
        ({"license": "GPL-3.0-only"}, "gpl-3.0", "stated"),
        ({"license": "GPL-3.0-or-later"}, "gpl-3.0", "stated"),
        ({"license": "cc"}, "cc", "ambiguous"),
        ({"license": ["mit", "apache-2.0"]}, None, "ambiguous"),
        ({"license": "MIT OR Apache-2.0"}, None, "ambiguous"),
        ({"license": "MIT AND GPL-3.0-only"}, None, "ambiguous"),
        ({"license": "Zlib"}, None, "unknown"),
        ({"license": "made-up"}, None, "unknown"),
        ({"license": "MIT OR"}, None, "unknown"),
        ({"license": "("}, None, "unknown"),
        ({"license": "unknown"}, None, "unknown"),
        ({"license": "other"}, None, "unknown"),
        ({"license": "other", "license_name": "falcon-llm-license"}, "falcon-llm-license", "stated"),
        ({"license": "Other", "license_name": "Falcon-LLM-License"}, "falcon-llm-license", "stated"),
        ({"license": "other", "license_name": "my-own"}, None, "unknown"),
        ({"license": "other", "license_name": ["x"]}, None, "unknown"),
    ],
)
def test_a_declaration_is_understood_or_said_not_to_be(
    licenses: None, data: dict[str, Any] | None, license_id: str | None, status: str
) -> None:
    resolved = resolve(data, license_index())
    assert (resolved.license_id, resolved.status) == (license_id, status)


def test_a_license_that_is_added_is_found_at_once(licenses: None) -> None:
    assert resolve({"license": "house-terms"}, license_index()).status == "unknown"
    add_license("house-terms")
    assert resolve({"license": "house-terms"}, license_index()).license_id == "house-terms"
    assert is_known("house-terms")


def test_expressions_are_read_by_spdx_rules() -> None:
    assert spdx_symbols("mit or (apache-2.0 and mit)") == ["MIT", "Apache-2.0"]
    assert spdx_symbols("MIT OR nonsense-1.0") is None
    assert spdx_symbols("(" * 10_000) is None
    assert is_known("GPL-2.0-only WITH Classpath-exception-2.0")
    assert not is_known("nonsense-1.0")
