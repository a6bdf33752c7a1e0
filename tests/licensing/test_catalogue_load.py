"""Loading the shipped licenses: once, again, after a change, beside custom ones."""

from __future__ import annotations

import pytest

from registry.licensing.models import License, LicenseText
from registry.licensing.normalise import text_digest
from registry.licensing.services import licenses_load

pytestmark = pytest.mark.django_db


def test_a_second_load_changes_nothing() -> None:
    first = licenses_load()
    assert (first.created, first.updated) == (147, 0)
    assert first.texts == LicenseText.objects.count() > 40
    again = licenses_load()
    assert (again.created, again.updated, again.unchanged, again.texts) == (0, 0, 147, 0)


def test_texts_are_whole_and_named_by_their_digest() -> None:
    licenses_load()
    text = LicenseText.objects.get(license_id="gpl-3.0")
    assert text.text.lstrip().startswith("GNU GENERAL PUBLIC LICENSE")
    assert text.sha256 == text_digest(text.text)
    assert text.is_current


def test_a_changed_entry_is_mended_and_a_custom_license_left_alone() -> None:
    licenses_load()
    License.objects.filter(pk="mit").update(name="spoilt", terms_sha256="0" * 64)
    License.objects.filter(pk="0bsd").update(is_custom=True, terms_sha256="0" * 64, name="ours")
    result = licenses_load()
    assert (result.created, result.updated, result.unchanged) == (0, 1, 145)
    assert License.objects.get(pk="mit").name == "MIT License"
    assert License.objects.get(pk="0bsd").name == "ours"
