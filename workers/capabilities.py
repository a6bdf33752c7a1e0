"""What this worker can do, as facts for the hub's routing: devices, memory, methods, versions. Imports no torch."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "peft", "huggingface-hub", "numpy", "scikit-learn", "pyarrow",
)  # fmt: skip
_FIRST_WITH_BF16 = 8.0  # compute capability of the Ampere generation


def describe(memory_bytes: int, threads: int) -> dict[str, Any]:
    """Returns the `capabilities` of a registration."""
    return {
        "memory_bytes": memory_bytes,
        "cpus": threads,
        "gpus": [dict(gpu) for gpu in gpus()],
        "kinds": ["finetune", "evaluate"],
        "tasks": ["text-classification"],
        "methods": ["full", "frozen", "lora"],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide results; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def gpus() -> tuple[dict[str, Any], ...]:
    """Returns the NVIDIA GPUs this process may use, from `nvidia-smi`; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return ()
    query = ["--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run([program, *query], capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603 (found on PATH, fixed arguments)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpu(line) for line in output.splitlines() if line.count(",") == 2)  # noqa: PLR2004 (three columns asked for)


def _gpu(line: str) -> dict[str, Any]:
    name, memory, capability = (part.strip() for part in line.split(","))
    return {
        "name": name,
        "memory_bytes": int(memory) * 1024**2,
        "bf16": float(capability) >= _FIRST_WITH_BF16,
    }
