"""Checkpoints are whole or not there, and verified before they are trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.checkpoints import MANIFEST, mirrored_files, safe_relative, whole_checkpoints, write_checkpoint


def writer(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(content)
        (folder / "state.json").write_text("{}")

    return write


def steps(folder: Path, spec: str = "spec") -> tuple[list[int], list[str]]:
    rejected: list[str] = []
    return [found.step for found in whole_checkpoints(folder, spec, rejected.append)], rejected


def test_the_newest_two_are_kept_newest_first(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        write_checkpoint(tmp_path, step, "spec", writer(b"x"))
    assert steps(tmp_path) == ([100, 10], [])


def test_a_failed_write_leaves_nothing_that_could_be_resumed_from(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, "spec", writer(b"x"))

    def fail(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, 2, "spec", fail)
    assert steps(tmp_path) == ([1], [])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / "weights.bin").write_bytes(b"tru"), "bytes instead of"),
        (lambda path: (path / "weights.bin").write_bytes(b"TRAINED"), "has changed"),
        (lambda path: (path / "weights.bin").unlink(), "is missing"),
        (lambda path: (path / MANIFEST).write_text("{"), "manifest cannot be read"),
        (lambda path: (path / MANIFEST).unlink(), "manifest cannot be read"),
    ],
)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    write_checkpoint(tmp_path, 1, "spec", writer(b"trained"))
    newest = write_checkpoint(tmp_path, 2, "spec", writer(b"trained"))
    damage(newest.path)
    found, rejected = steps(tmp_path)
    assert found == [1]
    assert len(rejected) == 1
    assert reason in rejected[0]


def test_a_checkpoint_of_another_request_is_not_used(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, "other", writer(b"x"))
    found, rejected = steps(tmp_path)
    assert (found, "another request" in rejected[0]) == ([], True)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoints", 1, "spec", writer(b"x"))
    manifest = json.loads((checkpoint.path / MANIFEST).read_text())
    manifest["files"][0]["path"] = "../../secret"
    (checkpoint.path / MANIFEST).write_text(json.dumps(manifest))
    assert steps(tmp_path / "checkpoints")[0] == []


def test_the_manifest_is_mirrored_with_the_files(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path, 1, "spec", writer(b"x"))
    assert {file["path"] for file in mirrored_files(checkpoint)} == {"weights.bin", "state.json", MANIFEST}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_unsafe_names_are_told(path: str) -> None:
    assert not safe_relative(path)


def test_the_same_step_again_replaces(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, "spec", writer(b"old"))
    assert (write_checkpoint(tmp_path, 1, "spec", writer(b"new")).path / "weights.bin").read_bytes() == b"new"
