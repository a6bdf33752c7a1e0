"""Which license a derived model has to carry: never a default, never wider than its bases."""

from __future__ import annotations

import pytest

from registry.licensing.inheritance import outgoing_license
from registry.licensing.terms_decision import shipped_catalogue

CATALOGUE = shipped_catalogue()


def inherit(*bases: tuple[str, str | None], declared: str | None = None) -> tuple[str | None, bool, str]:
    known = [(relation, CATALOGUE[key] if key else None) for relation, key in bases]
    result = outgoing_license(known, declared)
    return result.license_id, result.must_review, result.sentence


@pytest.mark.parametrize(
    ("bases", "declared", "license_id", "must_review"),
    [
        ([("finetune", "apache-2.0"), ("dataset", "cc0-1.0")], None, "apache-2.0", False),
        ([("finetune", "cc-by-nc-4.0")], None, "cc-by-nc-4.0", False),
        ([("finetune", "cc-by-nc-4.0")], "mit", None, True),
        ([("finetune", "apache-2.0")], "mit", "mit", False),
        ([("finetune", None)], None, None, True),
        ([("finetune", "cc")], None, None, True),
        ([("finetune", "cc-by-nd-4.0")], None, None, True),
        ([("merge", "apache-2.0"), ("merge", "cc-by-nc-4.0")], None, "cc-by-nc-4.0", False),
        ([("merge", "gpl-3.0"), ("merge", "creativeml-openrail-m")], None, None, True),
        ([("distilled", "apache-2.0")], "mit", "mit", False),
        ([("distilled", "gemma")], None, "gemma", False),
        ([("dataset", "cc-by-nc-4.0")], None, None, True),
        ([("finetune", "mit"), ("dataset", None)], None, "mit", True),
    ],
)
def test_the_outgoing_license(
    bases: list[tuple[str, str | None]], declared: str | None, license_id: str | None, must_review: bool
) -> None:
    got, review, sentence = inherit(*bases, declared=declared)
    assert (got, review) == (license_id, must_review), sentence


def test_obligations_name_license_and_clause() -> None:
    owed = outgoing_license([("finetune", CATALOGUE["llama3.1"])], None).obligations
    assert "start the model name with the given text: “Llama” (llama3.1 §1.b.i)" in owed
