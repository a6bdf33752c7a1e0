"""License terms as typed values: what one text permits, asks and forbids, each fact with its clause.

Pure: no Django, no network. The schema is the closed vocabulary of `data/vocabulary.yaml`; `parse_terms` refuses any
code outside it, so that every later module may rely on the words. The file `data/licenses.yaml` holds the shipped
entries; custom licenses use the same schema.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DATA_DIR = Path(__file__).resolve().parent / "data"

# The 27 member states: `EU` in a territory stands for these only, not for GB, CH, NO, IS or LI (vocabulary 1.7).
EU_MEMBERS = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 (27 quoted words read worse)
)
COPYLEFT = frozenset({"weak-copyleft", "strong-copyleft", "network-copyleft", "share-alike-data"})
_COUNTRY = re.compile(r"EU|[A-Z]{2}")


class TermsError(ValueError):
    """An entry does not follow the vocabulary; the message names the entry, the field and the value."""


def digest_of(entry: Mapping[str, Any]) -> str:
    """Returns the SHA-256 (hex) of an entry's canonical JSON; equal terms have equal digests."""
    canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Permission:
    """One action or purpose: its value (vocabulary 1.2), the conditions it hangs on, the clause, the confidence."""

    value: str
    conditions: tuple[str, ...]
    clause: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit on users, revenue or the like (vocabulary 1.6); for `competes-with-steward` the value 1 means yes."""

    metric: str
    operator: str
    value: float
    currency: str
    measured: str
    scope: str
    applies_to: tuple[str, ...]
    actions: tuple[str, ...]
    effect: str
    exempt: tuple[str, ...]
    requires: tuple[str, ...]
    clause: str
    note: str


@dataclass(frozen=True, slots=True)
class Territory:
    """Countries without a grant (vocabulary 1.7). `excluded` has `EU` already spelt out."""

    excluded: frozenset[str]
    basis: str
    component: str
    exempt: tuple[str, ...]
    clause: str


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do when one of `triggers` happens, and only if `when` holds where it is set (vocabulary 1.9)."""

    code: str
    triggers: frozenset[str]
    when: str
    text: str
    clause: str
    note: str


@dataclass(frozen=True, slots=True)
class Termination:
    """What ends the rights (vocabulary 1.11)."""

    trigger: str
    scope: str
    clause: str


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Under which licenses a derivative may go out, and what counts as one (vocabulary 1.12)."""

    mode: str
    covers: frozenset[str]
    compatible: frozenset[str]
    incompatible: frozenset[str]
    when_combined: frozenset[str]
    clause: str
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class LicenseTerms:
    """All terms of one license. Compared by identity: one object per parsed entry, so it can key a cache cheaply."""

    id: str
    name: str
    version: str
    category: str
    is_family: bool
    confidence: str
    url: str
    spdx: str
    hf_id: str
    hf_license_name: str
    aliases: tuple[str, ...]
    acceptance_mode: str
    acceptance_required: bool
    acceptance_clause: str
    actions: Mapping[str, Permission]
    purposes: Mapping[str, Permission]
    thresholds: tuple[Threshold, ...]
    territory: tuple[Territory, ...]
    duties: tuple[Duty, ...]
    restricted_topics: frozenset[str]
    restrictions_clause: str
    restrictions_complete: bool
    derivatives: Derivatives
    entitlement_available: bool
    entitlement_clause: str
    termination: tuple[Termination, ...]
    members: tuple[str, ...]
    label_shared_with: tuple[str, ...]

    @property
    def distinguishes_purposes(self) -> bool:
        """True if the answer depends on what the model is wanted for."""
        if len({(permission.value, permission.conditions) for permission in self.purposes.values()}) > 1:
            return True
        return any(set(threshold.applies_to) != {"any"} for threshold in self.thresholds)

    @property
    def limits_purpose(self) -> bool:
        """True if some purpose is outside the grant (whatever the thresholds say)."""
        return any(
            permission.value == "prohibited" or set(permission.conditions) - {"threshold"}
            for permission in self.purposes.values()
        )

    def duty(self, code: str) -> Duty | None:
        """Returns the first duty with this code."""
        return next((duty for duty in self.duties if duty.code == code), None)


class Vocabulary:
    """The closed vocabulary: group -> code -> meaning in words."""

    def __init__(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        self.groups = groups

    def check(self, where: str, group: str, codes: str | Iterable[str]) -> None:
        """Raises TermsError if a code is not in the group."""
        for code in (codes,) if isinstance(codes, str) else codes:
            if code not in self.groups[group]:
                raise TermsError(f"{where}: `{code}` is not in vocabulary group {group}")

    def words(self, group: str, code: str) -> str:
        """Returns a code's meaning in words; the code itself for one that is not in the group."""
        return self.groups[group].get(code, code)


@functools.cache
def load_vocabulary() -> Vocabulary:
    """Reads `data/vocabulary.yaml` once."""
    return Vocabulary(_read_yaml(DATA_DIR / "vocabulary.yaml"))


@functools.lru_cache(maxsize=2)
def load_entries(path: Path = DATA_DIR / "licenses.yaml") -> tuple[Mapping[str, Any], ...]:
    """Reads the raw entries of a license file, once a process; they are for reading only."""
    return tuple(_read_yaml(path)["licenses"])


def load_catalogue(path: Path = DATA_DIR / "licenses.yaml") -> dict[str, LicenseTerms]:
    """Parses a whole license file and checks what only the whole shows: unique names, references that resolve.

    Raises:
        TermsError: a code outside the vocabulary, a name used twice, a reference to nothing.
    """
    entries = load_entries(path)
    catalogue: dict[str, LicenseTerms] = {}
    names: dict[str, str] = {}
    for entry in entries:
        terms = parse_terms(entry)
        for name in dict.fromkeys((terms.id, *terms.aliases)):
            if name in names:
                raise TermsError(f"{terms.id}: `{name}` also names {names[name]}")
            names[name] = terms.id
        catalogue[terms.id] = terms
    for terms in catalogue.values():
        _check_references(terms, catalogue)
    return catalogue


def _check_references(terms: LicenseTerms, known: Mapping[str, LicenseTerms]) -> None:
    derivatives = terms.derivatives
    for name in {
        *derivatives.compatible,
        *derivatives.incompatible,
        *derivatives.when_combined,
        *terms.label_shared_with,
    }:
        if name not in known:
            raise TermsError(f"{terms.id}: refers to the unknown license `{name}`")


def parse_terms(entry: Mapping[str, Any], vocabulary: Vocabulary | None = None) -> LicenseTerms:
    """Builds the typed terms of one entry in the schema of `data/licenses.yaml`.

    Raises:
        TermsError: a field is missing, or a code is outside the closed vocabulary.
    """
    try:
        return _parse(entry, vocabulary or load_vocabulary())
    except (KeyError, TypeError, AttributeError) as error:
        raise TermsError(f"{entry.get('id', '?')}: missing or misshapen field: {error}") from error


def _parse(entry: Mapping[str, Any], vocabulary: Vocabulary) -> LicenseTerms:
    where = str(entry["id"])
    vocabulary.check(where, "category", entry["category"])
    vocabulary.check(where, "license_confidence", entry["confidence"])
    acceptance, restrictions = entry["acceptance"], entry["use_restrictions"]
    vocabulary.check(where, "acceptance_mode", acceptance["mode"])
    vocabulary.check(where, "use_restriction", restrictions["codes"])
    return LicenseTerms(
        id=where,
        name=entry["name"],
        version=str(entry["version"]),
        category=entry["category"],
        is_family=bool(entry["family"]),
        confidence=entry["confidence"],
        url=entry.get("url") or "",
        spdx=entry.get("spdx") or "",
        hf_id=entry.get("hf_id") or "",
        hf_license_name=entry.get("hf_license_name") or "",
        aliases=tuple(entry.get("aliases") or ()),
        acceptance_mode=acceptance["mode"],
        acceptance_required=bool(acceptance["required"]),
        acceptance_clause=acceptance.get("clause") or "",
        actions=_permissions(f"{where}.actions", "action", entry["actions"], vocabulary),
        purposes=_permissions(f"{where}.purposes", "purpose", entry["purposes"], vocabulary),
        thresholds=tuple(_threshold(where, item, vocabulary) for item in entry["thresholds"]),
        territory=tuple(_territory(where, item, vocabulary) for item in entry["territory"]),
        duties=tuple(_duty(where, item, vocabulary) for item in entry["duties"]),
        restricted_topics=frozenset(restrictions["codes"]),
        restrictions_clause=restrictions.get("clause") or "",
        restrictions_complete=bool(restrictions.get("complete", True)),
        derivatives=_derivatives(where, entry["derivatives"], vocabulary),
        entitlement_available=bool(entry["entitlement"]["available"]),
        entitlement_clause=entry["entitlement"].get("clause") or "",
        termination=tuple(_termination(where, item, vocabulary) for item in entry["termination"]),
        members=tuple(entry.get("members") or ()),
        label_shared_with=tuple(entry.get("label_shared_with") or ()),
    )


def _permissions(
    where: str, group: str, items: Mapping[str, Mapping[str, Any]], vocabulary: Vocabulary
) -> dict[str, Permission]:
    if set(items) != set(vocabulary.groups[group]):
        raise TermsError(f"{where}: must name exactly {', '.join(vocabulary.groups[group])}")
    result = {}
    for name, item in items.items():
        place = f"{where}.{name}"
        conditions = _many(item.get("conditions"))
        vocabulary.check(place, "value", item["value"])
        vocabulary.check(place, "condition", conditions)
        vocabulary.check(place, "confidence", item["confidence"])
        if (item["value"] == "conditional") != bool(conditions):
            raise TermsError(f"{place}: `conditional` and a list of conditions belong together")
        result[name] = Permission(item["value"], conditions, item.get("clause") or "", item["confidence"])
    return result


def _threshold(where: str, item: Mapping[str, Any], vocabulary: Vocabulary) -> Threshold:
    place = f"{where}.thresholds"
    for field in ("metric", "operator", "measured", "scope", "effect"):
        vocabulary.check(place, f"threshold_{field}", item[field])
    applies_to, exempt, requires = _many(item["applies_to"]), _many(item.get("exempt")), _many(item.get("requires"))
    vocabulary.check(place, "threshold_applies_to", applies_to)
    vocabulary.check(place, "threshold_exempt", exempt)
    vocabulary.check(place, "threshold_requires", requires)
    actions = _many(item.get("actions"))
    vocabulary.check(place, "action", actions)
    return Threshold(
        metric=item["metric"],
        operator=item["operator"],
        value=float(item["value"]),
        currency=item.get("currency") or "",
        measured=item["measured"],
        scope=item["scope"],
        applies_to=applies_to,
        actions=actions,
        effect=item["effect"],
        exempt=exempt,
        requires=requires,
        clause=item.get("clause") or "",
        note=item.get("note") or "",
    )


def _territory(where: str, item: Mapping[str, Any], vocabulary: Vocabulary) -> Territory:
    vocabulary.check(f"{where}.territory", "territory_basis", item["basis"])
    vocabulary.check(f"{where}.territory", "component", item["component"])
    excluded: set[str] = set()
    for code in item["excluded"]:
        if not _COUNTRY.fullmatch(code):
            raise TermsError(f"{where}.territory: `{code}` is no ISO 3166-1 alpha-2 code")
        excluded |= EU_MEMBERS if code == "EU" else {code}
    return Territory(
        frozenset(excluded), item["basis"], item["component"], _many(item.get("exempt")), item.get("clause") or ""
    )


def _duty(where: str, item: Mapping[str, Any], vocabulary: Vocabulary) -> Duty:
    place = f"{where}.duties"
    triggers = _many(item["trigger"])
    vocabulary.check(place, "duty", item["code"])
    vocabulary.check(place, "trigger", triggers)
    vocabulary.check(place, "duty_when", _many(item.get("when")))
    if item["code"] in {"display-phrase", "name-prefix"} and not item.get("text"):
        raise TermsError(f"{place}: {item['code']} without its text")
    return Duty(
        code=item["code"],
        triggers=frozenset(triggers),
        when=item.get("when") or "",
        text=item.get("text") or "",
        clause=item.get("clause") or "",
        note=item.get("note") or "",
    )


def _termination(where: str, item: Mapping[str, Any], vocabulary: Vocabulary) -> Termination:
    vocabulary.check(f"{where}.termination", "termination_trigger", item["trigger"])
    vocabulary.check(f"{where}.termination", "termination_scope", item["scope"])
    return Termination(item["trigger"], item["scope"], item.get("clause") or "")


def _derivatives(where: str, item: Mapping[str, Any], vocabulary: Vocabulary) -> Derivatives:
    place = f"{where}.derivatives"
    vocabulary.check(place, "derivative_mode", item["mode"])
    vocabulary.check(place, "derivative_kind", item["covers"])
    return Derivatives(
        mode=item["mode"],
        covers=frozenset(item["covers"]),
        compatible=frozenset(item["compatible_licenses"]),
        incompatible=frozenset(item["incompatible_licenses"]),
        when_combined=frozenset(item.get("when_combined") or ()),
        clause=item.get("clause") or "",
        note=item.get("note") or "",
    )


def _many(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Reads a field that may be absent, one word or a list of words."""
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _read_yaml(path: Path) -> Any:
    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # the C parser is ten times as fast, where libyaml is built in
    with path.open(encoding="utf-8") as stream:
        return yaml.load(stream, Loader=loader)  # noqa: S506 (both are safe loaders)
