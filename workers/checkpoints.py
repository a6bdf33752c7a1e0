"""Checkpoints on disk: written whole or not at all, listed with sizes and hashes, verified before they are trusted.

A checkpoint is a folder `step-N` with `manifest.json` (format, job, files with size and SHA-256). It is written to a
temporary folder, every file and the folder are fsynced, then it is renamed; the newest two are kept. Tensors are
safetensors and everything else is JSON, so that loading one never unpickles.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
KEPT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    step: int
    path: Path
    files: tuple[dict[str, Any], ...]


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checkpoint(folder: Path, step: int, spec_digest: str, write: Callable[[Path], None]) -> Checkpoint:
    """Writes `folder/step-N` by calling `write(temporary folder)`; returns it once it is durable under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    partial, final = folder / f"partial-{step}", folder / f"step-{step}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    write(partial)
    files = [_described(path, partial) for path in sorted(partial.rglob("*")) if path.is_file()]
    manifest = {"format": FORMAT, "step": step, "spec_digest": spec_digest, "files": files}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in (*sorted(partial.rglob("*")), partial):
        _fsync(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _fsync(folder)
    for old in _by_step(folder)[KEPT:]:
        shutil.rmtree(old[1], ignore_errors=True)
    return Checkpoint(step, final, tuple(files))


def whole_checkpoints(folder: Path, spec_digest: str, reject: Callable[[str], None]) -> list[Checkpoint]:
    """Returns the checkpoints in `folder` that are complete and of this job, newest first; says why others are not."""
    found = []
    for step, path in _by_step(folder):
        problem = _problem(path, spec_digest)
        if problem:
            reject(f"checkpoint of step {step} is not used: {problem}")
        else:
            found.append(Checkpoint(step, path, tuple(_manifest(path)["files"])))
    return found


def mirrored_files(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Returns path, sha256 and size of every file to mirror, the manifest included."""
    return [*checkpoint.files, _described(checkpoint.path / MANIFEST, checkpoint.path)]


def safe_relative(path: str) -> bool:
    """Whether a file name that came over the network stays inside the folder it is put in."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path


def _by_step(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    named = [(re.fullmatch(r"step-(\d+)", path.name), path) for path in folder.iterdir()]
    return sorted(((int(match.group(1)), path) for match, path in named if match), reverse=True)


def _manifest(path: Path) -> dict[str, Any]:
    content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError("the manifest is no object")
    return content


def _problem(path: Path, spec_digest: str) -> str:
    """Returns why a checkpoint must not be used, or an empty string."""
    try:
        manifest = _manifest(path)
        if manifest["format"] != FORMAT:
            return f"format {manifest['format']} is not {FORMAT}"
        if manifest["spec_digest"] != spec_digest:
            return "it belongs to another request"
        problems = (_file_problem(path, file) for file in manifest["files"])
        return next((problem for problem in problems if problem), "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read ({type(error).__name__})"


def _file_problem(folder: Path, file: dict[str, Any]) -> str:
    """Compares one file with its entry in the manifest; sizes first, since they are cheap."""
    target = folder / file["path"]
    if not safe_relative(file["path"]) or not target.is_file():
        return f"`{file['path']}` is missing"
    if target.stat().st_size != file["size"]:
        return f"`{file['path']}` has {target.stat().st_size} bytes instead of {file['size']}"
    return "" if file_digest(target) == file["sha256"] else f"`{file['path']}` has changed"


def _described(path: Path, folder: Path) -> dict[str, Any]:
    return {"path": path.relative_to(folder).as_posix(), "sha256": file_digest(path), "size": path.stat().st_size}


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
