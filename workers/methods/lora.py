"""LoRA (Hu et al., arXiv:2106.09685) by peft: low-rank updates beside frozen weights, plus the classifier itself."""

from __future__ import annotations

from typing import Any

import torch

from workers.failures import FailureCode, JobFailedError
from workers.spec import MethodSpec

_HEADS = frozenset({"classifier", "score", "out_proj", "classification_head"})


def linear_targets(model: Any) -> tuple[str, ...]:
    """Returns what `target: auto` means: the names of all linear layers but the head, e.g. query, key, value, dense."""
    names = {
        path.rsplit(".", 1)[-1]
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not _HEADS & set(path.split("."))
    }
    return tuple(sorted(names))


def wrap_lora(model: Any, method: MethodSpec, targets: tuple[str, ...]) -> Any:
    """Returns the model with adapters of rank `r`, scaled by alpha / r; the head is trained whole.

    Raises:
        JobFailedError: `bad_spec` when a target names no layer of this model.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=method.r,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=list(targets),
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise JobFailedError(FailureCode.BAD_SPEC, f"`method.target`: {str(error)[:200]}") from error
