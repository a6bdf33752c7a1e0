"""Every error that can leave the hub has a code of its own, a status, and a paragraph in the documentation."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

import registry
from registry.errors import DomainError
from registry.http_errors import STATUS, problem_body, status_of

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "registry" / "web" / "docs" / "errors.md"
SECTION = re.compile(
    r"^### `(?P<code>[a-z_]+)`\n\nHTTP (?P<status>\d{3})\. (?P<when>.+)\n\n\*\*What to do:\*\* (?P<do>.+)$",
    re.MULTILINE,
)
# Programs that start something when they are imported, and history.
_SKIPPED = re.compile(r"\.(__main__|wsgi|migrations)\b")


def _error_classes() -> list[type[DomainError]]:
    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not _SKIPPED.search(module.name):
            importlib.import_module(module.name)
    found, waiting = [], [DomainError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += [item for item in kind.__subclasses__() if item.__module__.startswith("registry.")]
    return sorted(set(found), key=lambda kind: (kind.__module__, kind.__name__))


@pytest.fixture(scope="module")
def classes() -> list[type[DomainError]]:
    return _error_classes()


@pytest.fixture(scope="module")
def sections() -> dict[str, re.Match[str]]:
    return {found["code"]: found for found in SECTION.finditer(DOCUMENT.read_text())}


def _status(kind: type[DomainError]) -> int:
    return status_of(kind.__new__(kind))


def test_every_class_has_a_code_of_its_own(classes: list[type[DomainError]]) -> None:
    assert len(classes) > 60
    assert [kind for kind in classes if "code" not in vars(kind)] == []
    assert [code for code, count in Counter(kind.code for kind in classes).items() if count > 1] == []


def test_every_class_belongs_to_a_family_with_a_status(classes: list[type[DomainError]]) -> None:
    families = tuple(family for family, _ in STATUS)
    assert [kind for kind in classes if not issubclass(kind, families)] == [DomainError]


def test_every_code_is_documented_with_its_status_and_no_other(
    classes: list[type[DomainError]], sections: dict[str, re.Match[str]]
) -> None:
    assert {code: int(found["status"]) for code, found in sections.items()} == {
        kind.code: _status(kind) for kind in classes
    }


def test_every_heading_of_the_document_is_such_a_section(sections: dict[str, re.Match[str]]) -> None:
    assert re.findall(r"^### (.+)$", DOCUMENT.read_text(), re.MULTILINE) == [f"`{code}`" for code in sections]


def test_the_type_of_problem_details_points_at_the_section(classes: list[type[DomainError]]) -> None:
    for kind in classes:
        error = kind.__new__(kind)
        Exception.__init__(error)
        error.message, error.details = "x", {}
        assert problem_body(error)["type"] == f"/docs/errors#{kind.code}"


def test_the_folder_of_documents_leads_to_the_packaged_ones() -> None:
    for name in ("errors.md", "decision-codes.md"):
        assert (ROOT / "docs" / name).resolve() == DOCUMENT.parent / name
