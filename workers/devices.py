"""Where to compute, and the values that `auto` stands for. Imported in the child only."""

from __future__ import annotations

import platform
from typing import Any

import torch

from workers.spec import TrainSpec

_CPU_MICRO_BATCH = 8
# Reference points measured on a 384-wide sentence encoder; Adam's best step shrinks about as fast as width grows.
_REFERENCE_WIDTH = 384
_REFERENCE_LR = {"full": 1e-4, "lora": 1e-3}
_HEAD_LR = 5e-3


def pick_device() -> torch.device:
    """Returns the first GPU, or the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def describe(device: torch.device) -> str:
    """Returns the hardware in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} thread(s)"


def settle(train: TrainSpec, method: str, hidden: int, device: torch.device) -> dict[str, Any]:
    """Returns a value for everything the request left to `auto`, by dotted path; what it fixed stays.

    Learning rate: a rule rather than a range test, because it costs nothing and gives the same number on every
    attempt: 1e-4 (full) and 1e-3 (LoRA) at width 384, in inverse proportion to width; 5e-3 for a linear head on
    normalised features, whatever the width.
    """
    rate = _HEAD_LR if method == "frozen" else _REFERENCE_LR[method] * _REFERENCE_WIDTH / hidden
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    # On a CPU small parts pad less and stay in the cache; on a GPU the whole batch keeps it busy.
    micro_batch = min(train.effective_batch, _CPU_MICRO_BATCH if device.type == "cpu" else train.effective_batch)
    return {
        "train.lr": train.lr if train.lr is not None else float(f"{rate:.3g}"),
        "train.micro_batch": train.micro_batch or micro_batch,
        "train.precision": train.precision or ("bf16" if bf16 else "fp32"),
    }
