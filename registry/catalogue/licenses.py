"""From a card's `license` and `license_name` to a license of the catalogue; never a default (design: licensing)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Count, Max
from license_expression import ExpressionError, Licensing, get_spdx_licensing

from registry.catalogue.models import LicenseStatus
from registry.licensing.models import License

# What Hugging Face lets a card say without naming terms.
_WITHOUT_TERMS = frozenset({"other", "unknown"})
_MAX_EXPRESSION = 500


@dataclass(frozen=True, slots=True)
class ResolvedLicense:
    """How far a declaration was understood; `license_id` is set for `stated`, and for a family of several texts."""

    declared: str
    license_id: str | None
    status: LicenseStatus


class LicenseIndex:
    """Finds licenses by any of their names; case does not matter.

    Args:
        rows: id, other names for `license:`, names for `license_name:`, SPDX id, whether it names several texts.
    """

    def __init__(self, rows: Iterable[tuple[str, Iterable[str], Iterable[str], str, bool]]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        self._by_spdx: dict[str, str] = {}
        self._families: set[str] = set()
        listed = list(rows)
        for key, aliases, names, spdx, family in listed:
            for alias in aliases:
                self._by_id.setdefault(alias.lower(), key)
            for name in names:
                self._by_name.setdefault(name.lower(), key)
            if spdx:
                self._by_spdx.setdefault(spdx.lower(), key)
            if family:
                self._families.add(key)
        # A license's own id wins over another's alias.
        self._by_id.update({key.lower(): key for key, *_ in listed})

    def by_id(self, text: str) -> str | None:
        """Returns the license that `license: text` names: by id, alias or SPDX id."""
        key = text.strip().lower()
        return self._by_id.get(key) or self.by_spdx(key)

    def by_name(self, text: str) -> str | None:
        """Returns the license that `license_name: text` names."""
        key = text.strip().lower()
        return self._by_name.get(key) or self.by_id(key)

    def by_spdx(self, text: str) -> str | None:
        """Returns the license of an SPDX id; `-or-later` permits the version that it names."""
        key = text.lower()
        return self._by_spdx.get(key) or self._by_spdx.get(key.replace("-or-later", "-only"))

    def status_of(self, license_id: str) -> LicenseStatus:
        """`stated` for one text, `ambiguous` for a family of several."""
        return LicenseStatus.AMBIGUOUS if license_id in self._families else LicenseStatus.STATED


def resolve(data: Mapping[str, Any] | None, index: LicenseIndex) -> ResolvedLicense:
    """Resolves the front matter's declaration. Pure over the index."""
    value = (data or {}).get("license")
    listed = [item.strip() for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    listed = [item for item in listed if item]
    if not listed:
        return ResolvedLicense("", None, LicenseStatus.UNSTATED)
    declared = ", ".join(listed)[:200]
    if len(set(listed)) > 1:
        return ResolvedLicense(declared, None, LicenseStatus.AMBIGUOUS)
    return _resolve_one(listed[0], (data or {}).get("license_name"), declared, index)


def _resolve_one(text: str, name: Any, declared: str, index: LicenseIndex) -> ResolvedLicense:
    if text.lower() in _WITHOUT_TERMS:
        found = index.by_name(name) if isinstance(name, str) else None
    else:
        found = index.by_id(text)
    if found is not None:
        return ResolvedLicense(declared, found, index.status_of(found))
    if text.lower() in _WITHOUT_TERMS:
        return ResolvedLicense(declared, None, LicenseStatus.UNKNOWN)
    symbols = spdx_symbols(text)
    if symbols is None:
        return ResolvedLicense(declared, None, LicenseStatus.UNKNOWN)
    if len(symbols) > 1:  # a choice or a sum of texts: which one applies is not ours to say
        return ResolvedLicense(declared, None, LicenseStatus.AMBIGUOUS)
    found = index.by_spdx(symbols[0])
    return ResolvedLicense(declared, found, LicenseStatus.STATED if found else LicenseStatus.UNKNOWN)


@lru_cache(maxsize=1)
def _spdx() -> Licensing:
    return get_spdx_licensing()


def spdx_symbols(expression: str) -> list[str] | None:
    """Returns the SPDX ids in an expression, in order and once each; None if it is not valid SPDX."""
    if len(expression) > _MAX_EXPRESSION:
        return None
    try:
        parsed = _spdx().parse(expression, validate=True, strict=False)
    # The parser raises AttributeError on an expression that ends in an operator (license-expression 30.4.4).
    except (ExpressionError, AttributeError, RecursionError):
        return None
    if parsed is None:
        return None
    return list(dict.fromkeys(str(symbol) for symbol in _spdx().license_symbols(parsed, unique=True, decompose=False)))


_cached: tuple[tuple[Any, ...], LicenseIndex] | None = None


def license_index() -> LicenseIndex:
    """Returns the index of the license table, read again when the table changed (one query to ask)."""
    global _cached  # noqa: PLW0603 (a cache of this process, keyed by the state of the table)
    state = License.objects.aggregate(count=Count("pk"), at=Max("updated_at"))
    key = (state["count"], state["at"])
    if _cached is None or _cached[0] != key:
        rows = License.objects.values_list("pk", "hf_id", "hf_license_name", "spdx", "is_family", "terms__aliases")
        _cached = (
            key,
            LicenseIndex(
                (pk, [hf_id, *(aliases or [])] if hf_id else aliases or [], [name] if name else [], spdx, family)
                for pk, hf_id, name, spdx, family, aliases in rows
            ),
        )
    return _cached[1]


def is_known(text: str) -> bool:
    """True if a card may state this: an id of the catalogue, `other`, `unknown` or a valid SPDX expression."""
    return text.lower() in _WITHOUT_TERMS or license_index().by_id(text) is not None or spdx_symbols(text) is not None
