"""The profile of a repository: read anew from the files whenever the head of `main` moves, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from registry.catalogue import facts
from registry.catalogue.cards import Card, first_sentence, parse_card
from registry.catalogue.licenses import ResolvedLicense, license_index, resolve
from registry.catalogue.lineage import Edge, declared_edges, edges_set
from registry.catalogue.models import RepositoryCounters, RepositoryProfile, RepositoryTag
from registry.catalogue.object_facts import parameters_of
from registry.catalogue.tags import TagFacts, listed_tags, search_tags, texts
from registry.repositories.models import Repository
from registry.repositories.objects import blob_bytes
from registry.repositories.trees import Entry, list_recursive

_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class _Files:
    """The files at the head, and the few that are read."""

    by_path: Mapping[str, Entry]

    @property
    def paths(self) -> list[str]:
        return list(self.by_path)

    def text(self, path: str, limit: int) -> bytes | None:
        """Content of a regular file of at most `limit` bytes."""
        entry = self.by_path.get(path)
        if entry is None or entry.lfs is not None or entry.size > limit:
            return None
        return blob_bytes(entry.oid)

    def json(self, path: str) -> dict[str, Any] | None:
        data = self.text(path, facts.MAX_JSON)
        return None if data is None else facts.read_json_object(data)


def profile_refresh(repository: Repository, commit_oid: str) -> RepositoryProfile:
    """Writes profile, tags and declared lineage as the files at `commit_oid` say. Joins the caller's transaction.

    A broken card or configuration never raises: the error is kept in `card_error`, and what it would have said is
    unstated.
    """
    sources = _read(repository, commit_oid)
    tag_facts = _tag_facts(sources)
    values = _values(sources, tag_facts)
    values.update(head_oid=commit_oid, updated_at=timezone.now())
    profile, _ = RepositoryProfile.objects.update_or_create(repository=repository, defaults=values)
    RepositoryCounters.objects.get_or_create(repository=repository, defaults={"type": repository.type})
    _tags_write(repository, search_tags(tag_facts))
    edges_set(repository=repository, edges=sources.edges)
    return profile


def _read(repository: Repository, commit_oid: str) -> _Sources:
    files = _Files({entry.path: entry for entry in list_recursive(commit_oid) if entry.kind == "file"})
    card = _card(files)
    raw_config = files.json("config.json") if repository.type == "model" else None
    edges = declared_edges(
        card.data or {},
        repository.type,
        is_adapter="adapter_config.json" in files.by_path,
        is_quantized=bool(raw_config and raw_config.get("quantization_config")),
    )
    license_ = resolve(card.data, license_index())
    return _Sources(repository, files, card, facts.config_facts(raw_config), license_, edges)


def _card(files: _Files) -> Card:
    readme = files.by_path.get("README.md")
    if readme is None:
        return Card(None, "")
    data = files.text("README.md", 10 * 1024 * 1024)
    return (
        Card(None, "", "README.md is stored as a large file and cannot be read as a card")
        if data is None
        else parse_card(data)
    )


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything that a profile is made of."""

    repository: Repository
    files: _Files
    card: Card
    config: dict[str, Any] | None
    license: ResolvedLicense
    edges: list[Edge]

    @property
    def data(self) -> Mapping[str, Any]:
        """Front matter; empty if there is none."""
        return self.card.data or {}

    @property
    def is_model(self) -> bool:
        """True for models, whose configuration and weights are read."""
        return self.repository.type == "model"


def _tag_facts(sources: _Sources) -> TagFacts:
    data, config, paths = sources.data, sources.config, sources.files.paths
    library = facts.detect_library(paths, data, config) if sources.is_model else ""
    return TagFacts(
        repository_type=sources.repository.type,
        card=data,
        license_declared=sources.license.declared,
        library=library,
        pipeline=facts.detect_pipeline(data, config, library) if sources.is_model else "",
        model_type=str((config or {}).get("model_type") or ""),
        formats=facts.detect_formats(paths) if sources.is_model else facts.dataset_formats(paths),
        languages=facts.languages_of(data),
        bases=[(edge.relation, edge.base_name) for edge in sources.edges if edge.base_type == "model"],
    )


def _values(sources: _Sources, tag_facts: TagFacts) -> dict[str, Any]:
    card, data, files = sources.card, sources.data, sources.files
    parameters = _parameters(files) if sources.is_model else None
    description = first_sentence(card.body) or next(iter(texts(data.get("pretty_name"))), "")[:400]
    readme = files.by_path.get("README.md")
    return {
        "card_data": card.data,
        "card_error": card.error,
        "card_oid": readme.oid if readme is not None else "",
        "description": description,
        "license_declared": sources.license.declared,
        "license_name": _text(data.get("license_name"), 200),
        "license_link": _text(data.get("license_link"), 500),
        "license_id": sources.license.license_id,
        "license_status": sources.license.status,
        "pipeline_tag": tag_facts.pipeline,
        "library_name": tag_facts.library,
        "config": sources.config,
        "safetensors": parameters,
        "parameters": parameters["total"] if parameters is not None else None,
        "formats": list(tag_facts.formats),
        "languages": list(tag_facts.languages),
        "used_storage": sum(entry.size for entry in files.by_path.values()),
        "file_count": len(files.by_path),
        "tags": listed_tags(tag_facts),
        "search_text": f"{sources.repository.full_name} {description}".lower(),
    }


def _text(value: Any, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _parameters(files: _Files) -> dict[str, Any] | None:
    names = facts.weight_files(files.paths, files.json(_INDEX))
    return parameters_of(files.by_path[name] for name in names) if names else None


def _tags_write(repository: Repository, tags: list[str]) -> None:
    """Brings the tag rows in line, touching only those that changed."""
    there = set(RepositoryTag.objects.filter(repository=repository).values_list("tag", flat=True))
    RepositoryTag.objects.filter(repository=repository, tag__in=there.difference(tags)).delete()
    RepositoryTag.objects.bulk_create(
        [RepositoryTag(repository=repository, tag=tag) for tag in tags if tag not in there], ignore_conflicts=True
    )
