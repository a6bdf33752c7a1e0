"""The codes of the gate are documented in their order of precedence, and none is promised that is never given."""

from __future__ import annotations

import re
from pathlib import Path

from registry.licensing.codes import GROUP_OF, Code, Verdict

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "registry" / "web" / "docs" / "decision-codes.md").read_text()
SECTION = re.compile(
    r"^### `(?P<code>[A-Z_]+)`\n\n(?P<reserved>\*Reserved\.\* )?(?P<meaning>[^\n]+)\n\n\*\*Remedy:\*\* (?P<do>[^\n]+)$",
    re.MULTILINE,
)
SECTIONS = {found["code"]: found for found in SECTION.finditer(TEXT)}


def _gate_sources() -> str:
    folder = ROOT / "registry" / "licensing"
    return "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "codes.py")


def test_every_code_is_documented_in_the_order_of_precedence() -> None:
    assert list(SECTIONS) == [code.value for code in Code]
    assert re.findall(r"^### (.+)$", TEXT, re.MULTILINE) == [f"`{code}`" for code in Code]


def test_every_code_stands_under_its_group() -> None:
    parts = re.split(r"^## (?:\d|[AW]) .+$", TEXT, flags=re.MULTILINE)[1:]
    by_heading = [re.findall(r"^### `([A-Z_]+)`$", part, re.MULTILINE) for part in parts]
    groups = sorted(set(GROUP_OF.values()))
    assert by_heading == [[code.value for code in Code if GROUP_OF[code] is group] for group in groups]


def test_exactly_those_codes_are_marked_reserved_that_the_gate_never_gives() -> None:
    given = set(re.findall(r"\bCode\.([A-Z_]+)\b", _gate_sources()))
    assert {code for code, found in SECTIONS.items() if found["reserved"]} == {code.name for code in Code} - given


def test_every_verdict_is_explained() -> None:
    assert [verdict for verdict in Verdict if f"`{verdict}`" not in TEXT] == []
