"""Tags as the hub lists them, and the rows that search and facets read (hub-api 1.2, 1.8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_TAG = 200
_MAX_TAGS = 500
# Card keys of datasets that become `key:value` tags.
_DATASET_KEYS = (
    "task_categories", "task_ids", "size_categories", "annotations_creators", "language_creators", "multilinguality",
    "source_datasets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TagFacts:
    """What tags are made of: the card and what was derived."""

    repository_type: str
    card: Mapping[str, Any]
    license_declared: str
    library: str = ""
    pipeline: str = ""
    model_type: str = ""
    formats: Sequence[str] = ()
    languages: Sequence[str] = ()
    bases: Sequence[tuple[str, str]] = field(default_factory=tuple)


def texts(value: Any) -> list[str]:
    """Returns the strings of a value that may be one string or a list."""
    listed = value if isinstance(value, list) else [value]
    return [item.strip() for item in listed if isinstance(item, str) and item.strip()]


def _clean(tags: Iterable[str]) -> list[str]:
    return [tag for tag in dict.fromkeys(tags) if 0 < len(tag) <= MAX_TAG][:_MAX_TAGS]


def listed_tags(facts: TagFacts) -> list[str]:
    """Returns the tags in the order in which the API shows them."""
    license_tag = [f"license:{facts.license_declared.lower()}"] if facts.license_declared else []
    if facts.repository_type == "model":
        return _clean(
            [
                *([facts.library] if facts.library else []),
                *facts.formats,
                *([facts.model_type] if facts.model_type else []),
                *([facts.pipeline] if facts.pipeline else []),
                *texts(facts.card.get("tags")),
                *facts.languages,
                *(f"dataset:{name}" for name in texts(facts.card.get("datasets"))),
                *(
                    tag
                    for relation, name in facts.bases
                    for tag in (f"base_model:{name}", f"base_model:{relation}:{name}")
                ),
                *license_tag,
            ]
        )
    keyed = [f"{key}:{value}" for key in _DATASET_KEYS for value in texts(facts.card.get(key))]
    return _clean(
        [
            *keyed,
            *(f"language:{name}" for name in facts.languages),
            *license_tag,
            *(f"format:{name}" for name in facts.formats),
            *texts(facts.card.get("tags")),
        ]
    )


def _linked(card: Mapping[str, Any]) -> list[str]:
    """Returns the tags by which spaces are found: each repository that the card names, and that it names any."""
    named = [f"{kind}:{name}" for kind in ("models", "datasets") for name in texts(card.get(kind))]
    return [*named, "linked:any"] if named else []


def search_tags(facts: TagFacts) -> list[str]:
    """Returns the tags that filters find: those listed, and prefixed forms that name their kind for facets."""
    return _clean(
        [
            *listed_tags(facts),
            *(f"language:{name}" for name in facts.languages),
            *(f"format:{name}" for name in facts.formats),
            *([f"library:{facts.library}"] if facts.library else []),
            *([f"pipeline_tag:{facts.pipeline}"] if facts.pipeline else []),
            *(f"pipeline_tag:{name}" for name in texts(facts.card.get("task_categories"))),
            *(_linked(facts.card) if facts.repository_type == "space" else ()),
        ]
    )
