"""`weighbridge.json`: everything needed to say what this model is, and to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.capabilities import versions
from workers.checkpoints import file_digest
from workers.claim import Claim
from workers.publishing.card import MANIFEST_FILE

FORMAT = 1


def describe_files(folder: Path) -> list[dict[str, Any]]:
    """Returns path, size and SHA-256 of every file but the manifest itself, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_FILE)
    return [
        {"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": file_digest(path)}
        for path in paths
    ]


def write_manifest(
    folder: Path, claim: Claim, *, resolved: Mapping[str, Any], run: Mapping[str, Any], sections: Mapping[str, Any]
) -> None:
    """Writes the manifest beside the files it lists.

    Args:
        folder: what will be published.
        claim: the job.
        resolved: what `auto` became.
        run: steps, time, hardware.
        sections: `data`, `metrics`, `inputs` and what else the recipe has to say.
    """
    manifest = {
        "format": FORMAT,
        "job": {"id": claim.job_id, "kind": claim.kind, "task": claim.task, "attempt": claim.attempt},
        "spec": claim.spec,
        "spec_digest": claim.spec_digest,
        "resolved": dict(resolved),
        "decision_ids": list(claim.decision_ids),
        "license": {
            "front_matter": claim.license.front_matter,
            "must_review": claim.license.must_review,
            "sentence": claim.license.sentence,
        },
        "versions": versions(),
        "run": dict(run),
        **sections,
        "files": describe_files(folder),
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
