"""License terms in plain words: every shipped license reads, and nothing prohibited is called permitted."""

from __future__ import annotations

import pytest

from registry.licensing.terms import LicenseTerms, load_catalogue
from registry.web.wording import CATEGORIES, category_label, sheet_of

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("terms", CATALOGUE.values(), ids=CATALOGUE)
def test_every_shipped_license_has_a_sheet_that_agrees_with_its_terms(terms: LicenseTerms) -> None:
    sheet = sheet_of(terms)
    values = [permission.value for permission in terms.actions.values()]
    assert len(sheet.may) == sum(value in {"allowed", "conditional"} for value in values)
    assert len(sheet.unclear) == sum(value in {"unstated", "unknown"} for value in values)
    assert len(sheet.may_not) >= values.count("prohibited")
    assert all(line.text for part in (sheet.may, sheet.must, sheet.may_not, sheet.unclear) for line in part)
    assert terms.category in CATEGORIES


def test_a_clause_stands_with_what_it_says() -> None:
    sheet = sheet_of(CATALOGUE["agpl-3.0"])
    assert ("Offer it to others over a network", "13") in [(line.text, line.clause) for line in sheet.may]
    assert "Sublicense it in your own name" in [line.text for line in sheet.may_not]


def test_a_threshold_is_a_duty_to_ask() -> None:
    lines = [line.text for line in sheet_of(CATALOGUE["llama3.1"]).must]
    assert "Ask for another license above 700,000,000" in lines


def test_an_unknown_category_still_reads() -> None:
    assert category_label("brand-new") == "Brand new"
