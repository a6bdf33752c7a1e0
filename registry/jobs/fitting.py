"""Whether a job fits the workers known: shapes from the repository, then `memory`, then a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.jobs import memory
from registry.jobs.workers import known_workers, largest_memory
from registry.repositories.errors import EntryNotFoundError
from registry.repositories.models import Repository
from registry.repositories.trees import Entry, blob_bytes, list_recursive

_MAX_CONFIG_BYTES = 1024 * 1024
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
# LoRA is the least that still trains the encoder; it is what a refusal suggests.
_SMALLER = {"name": "lora", "r": 16, "alpha": 32, "dropout": 0.0, "target": "auto"}


@dataclass(frozen=True, slots=True)
class Fit:
    """An estimate held against the workers.

    Attributes:
        estimate: what the job needs.
        ok: a known worker has room, or no worker is known yet.
        sentence: the same for a person, with numbers and the way out.
        numbers: needed and available bytes, for programs.
    """

    estimate: memory.Estimate
    ok: bool
    sentence: str
    numbers: dict[str, int | None]


def fit_of(spec: Mapping[str, Any], model: Repository, dataset: Repository) -> Fit:
    """Estimates a job whose revisions are resolved and looks for a worker with room."""
    shape = _shape(model, spec["base" if spec["kind"] == "finetune" else "model"]["revision"])
    data_bytes = _used_storage(dataset)
    estimate = memory.estimate(spec, shape, data_bytes)
    gpus = spec["limits"]["gpus"]
    workers = known_workers()
    largest = largest_memory(workers, kind=spec["kind"], gpus=gpus)
    numbers = {"needed_bytes": estimate.total_bytes, "minimum_bytes": estimate.minimum_bytes, "largest_bytes": largest}
    needs = f"needs about {memory.readable(estimate.total_bytes)}"
    if largest is None:
        if workers and gpus:
            return Fit(estimate, ok=False, sentence=f"{needs}, and no known worker has {gpus} GPU(s)", numbers=numbers)
        return Fit(estimate, ok=True, sentence=f"{needs}; no worker is known yet", numbers=numbers)
    ok = estimate.minimum_bytes <= largest
    sentence = f"{needs}, the largest worker has {memory.readable(largest)}"
    return Fit(estimate, ok=ok, sentence=sentence if ok else sentence + _way_out(spec, shape), numbers=numbers)


def _way_out(spec: Mapping[str, Any], shape: memory.Shape) -> str:
    if spec["kind"] != "finetune" or spec["method"]["name"] != "full":
        return "; use a smaller model, a shorter `max_length` or a smaller micro batch"
    smaller = memory.estimate({**spec, "method": _SMALLER}, shape, None)
    return f"; LoRA needs about {memory.readable(smaller.total_bytes)}"


def _shape(model: Repository, commit: str) -> memory.Shape:
    entries = {entry.path: entry for entry in list_recursive(commit)}
    config = _config(entries.get("config.json"))
    profile = getattr(model, "profile", None)
    known = profile.parameters if profile is not None and profile.head_oid == commit else None
    return memory.shape_from_config(config, known or _parameters_by_size(entries))


def _config(entry: Entry | None) -> dict[str, Any]:
    """Reads `config.json`; one that cannot be read gives no shape; the job will say what is wrong with it."""
    if entry is None or entry.lfs is not None or entry.size > _MAX_CONFIG_BYTES:
        return {}
    try:
        config = json.loads(blob_bytes(entry.oid))
    except (ValueError, RecursionError, EntryNotFoundError):
        return {}
    return config if isinstance(config, dict) else {}


def _parameters_by_size(entries: Mapping[str, Entry]) -> int:
    """Four bytes a parameter, for commits whose headers the catalogue has not read."""
    return sum(entry.size for path, entry in entries.items() if path.endswith(_WEIGHT_SUFFIXES)) // 4


def _used_storage(dataset: Repository) -> int | None:
    profile = getattr(dataset, "profile", None)
    return profile.used_storage or None if profile is not None else None
