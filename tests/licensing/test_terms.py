"""License terms as data: the shipped catalogue parses, and what leaves the vocabulary is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.licensing.normalise import normalise, text_digest
from registry.licensing.terms import TermsError, digest_of, load_catalogue, load_entries, load_vocabulary, parse_terms
from registry.licensing.terms_case import CaseError, case_from_mapping


def entry(license_id: str) -> dict[str, Any]:
    return copy.deepcopy(next(dict(item) for item in load_entries() if item["id"] == license_id))


def test_the_shipped_catalogue_follows_its_vocabulary() -> None:
    assert len(load_catalogue()) == 147


def test_eu_stands_for_the_member_states_only() -> None:
    [territory] = load_catalogue()["llama4"].territory
    assert "FR" in territory.excluded
    assert not {"EU", "NO", "GB", "CH"} & territory.excluded


def test_the_digest_of_terms_ignores_the_order_of_keys() -> None:
    item = entry("mit")
    assert digest_of(item) == digest_of(dict(reversed(item.items())))
    assert digest_of(item) != digest_of(item | {"name": "other"})


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda item: item.update(category="nice"), "category"),
        (lambda item: item["actions"].pop("modify"), "actions"),
        (lambda item: item["actions"]["modify"].update(value="maybe"), "maybe"),
        (lambda item: item["actions"]["modify"].update(conditions=["purpose"]), "belong together"),
        (lambda item: item["purposes"].update(fun={}), "purposes"),
        (lambda item: item.pop("derivatives"), "derivatives"),
        (lambda item: item.update(duties=[{"code": "dance", "trigger": "use"}]), "dance"),
        (lambda item: item.update(duties=[{"code": "name-prefix", "trigger": "use"}]), "without its text"),
        (
            lambda item: item.update(
                territory=[{"excluded": ["Mars"], "basis": "place-of-use", "component": "all", "exempt": []}]
            ),
            "Mars",
        ),
        (lambda item: item.update(termination=[{"trigger": "mood", "scope": "all-rights"}]), "mood"),
    ],
)
def test_an_entry_outside_the_vocabulary_is_refused_by_name(change: Change, named: str) -> None:
    item = entry("mit")
    change(item)
    with pytest.raises(TermsError, match=named) as refusal:
        parse_terms(item)
    assert "mit" in str(refusal.value)


def _file(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "licenses.yaml"
    path.write_text(yaml.safe_dump({"licenses": list(entries)}), encoding="utf-8")
    return path


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TermsError, match="also names"):
        load_catalogue(_file(tmp_path, entry("mit"), entry("mit") | {"id": "x", "aliases": ["mit"]}))


def test_a_reference_to_nothing_is_refused(tmp_path: Path) -> None:
    item = entry("mit")
    item["derivatives"]["compatible_licenses"] = ["nowhere"]
    with pytest.raises(TermsError, match="nowhere"):
        load_catalogue(_file(tmp_path, item))


def test_an_unknown_code_is_its_own_meaning() -> None:
    assert load_vocabulary().words("duty", "dance") == "dance"


@pytest.mark.parametrize(
    "case",
    [
        {"action": "steal"},
        {},
        {"action": "download", "subject": {"mood": "good"}},
        {"action": "download", "subject": {"purpose": "fun"}},
        {"action": "download", "subject": {"use_topics": ["fun"]}},
        {"action": "download", "model": {"size": 1}},
        {"action": "download", "target": {"size": 1}},
        {"action": "download", "facts": ["sunshine"]},
    ],
)
def test_a_case_outside_the_vocabulary_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(CaseError):
        case_from_mapping(case)


def test_wrapping_and_encoding_do_not_change_a_texts_digest() -> None:
    assert text_digest("\ufeffA  license\r\ntext\n") == text_digest("A license text")
    assert text_digest("A license text") != text_digest("a license text")
    assert normalise(normalise(" x\n\ny ")) == "x y"
