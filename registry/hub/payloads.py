"""What repositories look like to Hugging Face clients (hub-api 1.2, 1.3, 1.8): rows in, JSON values out.

A property that is not set is left out rather than null, because the clients read through some of them (hub-api 0.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.catalogue.models import RepositoryProfile
from registry.errors import InvalidError
from registry.http import iso_z
from registry.repositories.history import CommitInfo
from registry.repositories.models import Repository
from registry.repositories.trees import Entry


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON = (
    "author cardData createdAt disabled lastModified likes private resourceGroup sha siblings tags trendingScore "
    "usedStorage"
)
EXPANDABLE: dict[str, frozenset[str]] = {
    "model": _words(
        f"{_COMMON} baseModels childrenModelCount config downloads downloadsAllTime evalResults gated gguf inference "
        "inferenceProviderMapping library_name mask_token model-index pipeline_tag safetensors spaces transformersInfo "
        "widgetData"
    ),
    "dataset": _words(f"{_COMMON} citation description downloads downloadsAllTime gated mainSize paperswithcode_id"),
    "space": frozenset(f"{_COMMON} datasets models region runtime sdk subdomain".split()),
}
_INFO: dict[str, frozenset[str]] = {
    "model": _words(
        "author sha lastModified createdAt private disabled gated downloads likes tags library_name pipeline_tag "
        "config cardData siblings safetensors transformersInfo model-index widgetData mask_token usedStorage"
    ),
    "dataset": _words(
        "author sha lastModified createdAt private disabled gated downloads likes tags description cardData siblings "
        "citation paperswithcode_id usedStorage"
    ),
    "space": _words(
        "author sha lastModified createdAt private disabled likes tags sdk cardData siblings models datasets "
        "usedStorage"
    ),
}
_LISTED = _words(
    "author likes downloads trendingScore private createdAt lastModified tags pipeline_tag library_name sdk"
)
# Endings of `architectures` for which transformers has an auto class of the same name.
_AUTO_CLASS = re.compile(
    r"For(?:SequenceClassification|TokenClassification|MaskedLM|CausalLM|QuestionAnswering|MultipleChoice|"
    r"ImageClassification|AudioClassification|SpeechSeq2Seq|CTC|ObjectDetection|SemanticSegmentation|PreTraining)$"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One repository with what its row does not hold.

    Attributes:
        repository: with namespace, profile and counters selected.
        sha: commit of the requested revision.
        card: front matter at that revision; None if there is none.
        siblings: returns the `siblings` value; called only if it is wanted.
        lineage: returns `baseModels` or `childrenModelCount`; called only if it is wanted.
    """

    repository: Repository
    sha: str
    card: Mapping[str, Any] | None
    siblings: Callable[[], list[dict[str, Any]]]
    lineage: Callable[[str], Any]

    @property
    def profile(self) -> RepositoryProfile:
        """Card and derived facts of the head of `main`."""
        profile: RepositoryProfile = self.repository.profile
        return profile


def _card_value(key: str) -> Callable[[Subject], Any]:
    return lambda subject: (subject.card or {}).get(key)


def _counter(name: str) -> Callable[[Subject], Any]:
    return lambda subject: getattr(subject.repository.counters, name)


def transformers_info(profile: RepositoryProfile) -> dict[str, str] | None:
    """Returns how transformers loads the model; strictly these keys, for the client builds a class of them."""
    architectures = (profile.config or {}).get("architectures")
    if profile.library_name != "transformers" or not isinstance(architectures, list) or not architectures:
        return None
    ending = _AUTO_CLASS.search(str(architectures[0]))
    info = {"auto_model": f"AutoModel{ending.group(0) if ending else ''}"}
    if profile.pipeline_tag:
        info["pipeline_tag"] = profile.pipeline_tag
    return info


_PROPERTIES: dict[str, Callable[[Subject], Any]] = {
    "author": lambda s: s.repository.full_name.partition("/")[0],
    "baseModels": lambda s: s.lineage("baseModels"),
    "cardData": lambda s: s.card,
    "childrenModelCount": lambda s: s.lineage("childrenModelCount"),
    "citation": _card_value("citation"),
    "config": lambda s: s.profile.config,
    "createdAt": lambda s: iso_z(s.repository.created_at),
    "datasets": _card_value("datasets"),
    "description": lambda s: s.profile.description or None,
    "disabled": lambda s: s.repository.disabled,
    "downloads": _counter("downloads"),
    "downloadsAllTime": _counter("downloads_all_time"),
    "gated": lambda s: s.repository.gated or False,
    "lastModified": lambda s: iso_z(s.repository.updated_at),
    "library_name": lambda s: s.profile.library_name or None,
    "likes": _counter("likes"),
    "mask_token": lambda s: (s.profile.config or {}).get("mask_token"),
    "model-index": _card_value("model-index"),
    "models": _card_value("models"),
    "paperswithcode_id": _card_value("paperswithcode_id"),
    "pipeline_tag": lambda s: s.profile.pipeline_tag or None,
    "private": lambda s: s.repository.is_private,
    "safetensors": lambda s: s.profile.safetensors,
    "sdk": _card_value("sdk"),
    "sha": lambda s: s.sha or None,
    "siblings": lambda s: s.siblings(),
    "tags": lambda s: s.profile.tags,
    "transformersInfo": lambda s: transformers_info(s.profile),
    "trendingScore": lambda s: int(s.repository.counters.trending),
    "usedStorage": lambda s: s.profile.used_storage,
    "widgetData": _card_value("widget"),
}


def repository_payload(subject: Subject, wanted: Iterable[str]) -> dict[str, Any]:
    """Returns `_id`, `id` (and `modelId`) and those of the wanted properties that are set."""
    repository = subject.repository
    payload: dict[str, Any] = {"_id": f"{repository.pk:024x}", "id": repository.full_name}
    if repository.type == "model":
        payload["modelId"] = repository.full_name
    for name in wanted:
        value = _PROPERTIES[name](subject) if name in _PROPERTIES else None
        if value is not None:
            payload[name] = value
    return payload


def info_properties(repository_type: str, expand: list[str]) -> frozenset[str]:
    """Returns the properties of a repository's info: those asked for, else all that are usual.

    Raises:
        InvalidError: a property that this type does not have.
    """
    return _checked(repository_type, expand) if expand else _INFO[repository_type]


def listed_properties(repository_type: str, expand: list[str], flags: Mapping[str, bool]) -> frozenset[str]:
    """Returns the properties of a list's items.

    Args:
        repository_type: `model`, `dataset` or `space`.
        expand: properties asked for; excludes the flags.
        flags: `full`, `cardData`, `config`.

    Raises:
        InvalidError: a property that this type does not have.
    """
    if expand:
        return _checked(repository_type, expand)
    wanted = set(_LISTED)
    if flags.get("full"):
        wanted |= {"sha", "gated", "disabled", *(["siblings"] if repository_type == "model" else ["cardData"])}
    if flags.get("cardData"):
        wanted.add("cardData")
    if flags.get("config"):
        wanted.add("config")
    return frozenset(wanted)


def _checked(repository_type: str, expand: list[str]) -> frozenset[str]:
    allowed = EXPANDABLE[repository_type]
    for name in expand:
        if name not in allowed:
            raise InvalidError(
                f"`expand` does not know `{name}`; it must be one of: {', '.join(sorted(allowed))}", field="expand"
            )
    return frozenset(expand)


def sibling_payload(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    """Returns one file as `siblings` lists it; with `blobs` also size, blob id and the LFS object."""
    if not blobs:
        return {"rfilename": entry.path}
    payload: dict[str, Any] = {"rfilename": entry.path, "blobId": entry.oid, "size": entry.size}
    if entry.lfs is not None:
        payload["lfs"] = {"sha256": entry.lfs.sha256, "size": entry.lfs.size, "pointerSize": entry.lfs.pointer_size}
    return payload


def entry_payload(entry: Entry, last_commit: CommitInfo | None = None) -> dict[str, Any]:
    """Returns one tree entry (hub-api 1.3); `size` and `lfs` describe the object, `oid` the blob or tree."""
    payload: dict[str, Any] = {"type": entry.kind, "oid": entry.oid, "size": entry.size, "path": entry.path}
    if entry.lfs is not None:
        payload["lfs"] = {"oid": entry.lfs.sha256, "size": entry.lfs.size, "pointerSize": entry.lfs.pointer_size}
    if last_commit is not None:
        payload["lastCommit"] = {"id": last_commit.oid, "title": last_commit.title, "date": iso_z(last_commit.at)}
    return payload
