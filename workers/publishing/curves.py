"""The training curves as data (JSON lines) and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOG_FILE, PICTURE = "training_log.jsonl", "training_curves.png"


def write_log(folder: Path, history: list[dict[str, Any]]) -> None:
    """Writes every step and evaluation as a line."""
    lines = (json.dumps(entry, sort_keys=True) + "\n" for entry in history)
    (folder / LOG_FILE).write_text("".join(lines), encoding="utf-8")


def draw_curves(folder: Path, history: list[dict[str, Any]], metrics: tuple[str, ...]) -> None:
    """Draws training loss over steps, and the metrics at each evaluation."""
    from matplotlib.figure import Figure

    steps = [entry for entry in history if entry["type"] == "step"]
    evaluations = [entry for entry in history if entry["type"] == "eval"]
    figure = Figure(figsize=(9, 3.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([e["step"] for e in steps], [e["loss"] for e in steps], linewidth=1, color="#3b6ea5")
    left.set(title="Training loss", xlabel="step", ylabel="cross-entropy")
    for name in metrics:
        right.plot([e["step"] for e in evaluations], [e["metrics"][name] for e in evaluations], marker="o", label=name)
    right.set(title="On the evaluation rows", xlabel="step", ylim=(0, 1))
    right.legend()
    # No time stamp inside: the same run gives the same bytes.
    figure.savefig(folder / PICTURE, metadata={"Software": None})
