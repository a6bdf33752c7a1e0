"""Documentation is tested: what the code reads must be described, and what is described must exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
VARIABLE = re.compile(r"\bWEIGHBRIDGE_[A-Z0-9_]+\b")


def sources() -> str:
    folders = ("registry", "workers", "deploy", "tools")
    return "\n".join(path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_every_environment_variable_that_the_code_reads_is_documented() -> None:
    read = set(VARIABLE.findall(sources())) | set(VARIABLE.findall((ROOT / "Procfile").read_text()))
    assert read - set(VARIABLE.findall(CONFIGURATION)) - {"WEIGHBRIDGE_REQUIRE_ALL_TESTS"} == set()


def test_every_documented_environment_variable_is_read_somewhere() -> None:
    assert set(VARIABLE.findall(CONFIGURATION)) - set(VARIABLE.findall(sources())) == set()


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for path in documents for name in re.findall(r"`make ([a-z-]+)", path.read_text())}
    assert named <= targets


def test_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_decision_that_code_or_documents_cite_is_recorded() -> None:
    recorded = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")}
    documents = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert set(re.findall(r"docs/decisions/(\d{4})", sources() + documents)) <= recorded
