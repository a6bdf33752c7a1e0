"""Loading the shipped license catalogue. Idempotent; custom licenses are never touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import spdx
from django.db import transaction
from django.utils import timezone

from registry.licensing.models import License, LicenseText
from registry.licensing.normalise import text_digest
from registry.licensing.terms import LicenseTerms, digest_of, load_catalogue, load_entries

_FIELDS = (
    "name", "category", "spdx", "hf_id", "hf_license_name", "version", "steward", "url", "summary", "confidence",
    "is_family", "terms", "terms_sha256", "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadResult:
    """How many licenses and texts a load added or changed, and how many stand as they were."""

    created: int
    updated: int
    unchanged: int
    texts: int


@transaction.atomic
def licenses_load() -> LoadResult:
    """Brings the shipped licenses and the texts at hand into the database; a second run changes nothing.

    A license is rewritten when the digest of its terms differs. Texts come from the `spdx` package (CC0-1.0 data) by
    SPDX id; where there is none, the license shows its link until somebody gives the text.

    Raises:
        TermsError: the shipped data do not follow the vocabulary.
    """
    catalogue = load_catalogue()
    entries = {entry["id"]: entry for entry in load_entries()}
    stored = dict(License.objects.values_list("pk", "terms_sha256"))
    custom = set(License.objects.filter(is_custom=True).values_list("pk", flat=True))
    rows = [_row(catalogue[key], entry) for key, entry in entries.items() if key not in custom]
    new = [row for row in rows if row.pk not in stored]
    changed = [row for row in rows if row.pk in stored and stored[row.pk] != row.terms_sha256]
    License.objects.bulk_create(new)
    License.objects.bulk_update(changed, _FIELDS)
    return LoadResult(len(new), len(changed), len(rows) - len(new) - len(changed), _load_texts(rows))


def _row(terms: LicenseTerms, entry: Mapping[str, Any]) -> License:
    plain = _json_safe(entry)
    return License(
        pk=terms.id,
        name=terms.name,
        category=terms.category,
        spdx=terms.spdx,
        hf_id=terms.hf_id,
        hf_license_name=terms.hf_license_name,
        version=terms.version,
        steward=entry.get("steward") or "",
        url=terms.url,
        summary=entry.get("summary") or "",
        confidence=terms.confidence,
        is_family=terms.is_family,
        is_custom=False,
        terms=plain,
        terms_sha256=digest_of(plain),
        updated_at=timezone.now(),
    )


def _json_safe(value: Any) -> Any:
    """YAML reads some values as dates; JSON has them as text."""
    if isinstance(value, Mapping):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_safe(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _load_texts(rows: list[License]) -> int:
    """Adds the texts at hand for licenses that have none yet; a text that is there is never touched."""
    held = set(LicenseText.objects.values_list("license_id", flat=True))
    missing = {row.pk: row.spdx for row in rows if row.spdx and not row.is_family and row.pk not in held}
    if not missing:
        return 0
    # A record's `template` names a file; `License.template` reads it.
    at_hand = {record["id"]: spdx.License(record) for record in spdx.licenses()}
    texts = []
    for license_id, name in missing.items():
        # The package predates the suffixes of SPDX 3: `GPL-3.0` there is the text of `GPL-3.0-only`.
        found = at_hand.get(name) or at_hand.get(name.removesuffix("-only"))
        if found is not None:
            texts.append(_text(license_id, found.template))
    LicenseText.objects.bulk_create(texts)
    return len(texts)


def _text(license_id: str, text: str) -> LicenseText:
    source = f"spdx {spdx.__version__} (CC0-1.0)"
    return LicenseText(license_id=license_id, sha256=text_digest(text), text=text, source=source)
