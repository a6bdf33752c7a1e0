"""The worked decisions of the license vocabulary, each with exact outcome, reasons, duties and clauses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.licensing.terms_case import TermsOutcome, case_from_mapping
from registry.licensing.terms_decision import Parent, decide_lineage, decide_terms, shipped_catalogue

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "decisions.yaml").read_text(encoding="utf-8")
)["cases"]


def _decide(case: dict[str, Any]) -> TermsOutcome:
    catalogue = shipped_catalogue()
    question = case_from_mapping(case)
    if "license" in case:
        return decide_terms(catalogue[case["license"]], question)
    parents = [Parent(item["relation"], catalogue[item["license"]]) for item in case["lineage"]]
    return decide_lineage(parents, question)


def _parts(clauses: list[str] | tuple[str, ...]) -> set[tuple[str, str]]:
    """`a §1;2` cites two clauses of one text: compared clause by clause."""
    return {
        (license_id, part)
        for clause in clauses
        for license_id, _, rest in [clause.partition(" §")]
        for part in rest.split(";")
    }


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_worked_decision_comes_out_as_its_clauses_say(case: dict[str, Any]) -> None:
    result = _decide(case)
    assert result.outcome == case["expected"], result
    assert result.codes == set(case["reasons"]), result
    assert result.duty_codes == set(case["duties"]), result
    assert set(result.clauses) == set(case["clauses"]), result
