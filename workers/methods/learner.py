"""What the training loop needs of a method, and the learner that full fine-tuning and LoRA share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from workers.data.tokens import TokenRows


class Learner(Protocol):
    """A model being adapted: logits for rows of a split, its trainable weights, and the publishable result."""

    train_rows: int

    @property
    def module(self) -> torch.nn.Module:
        """The module whose train/eval mode and trainable parameters count."""
        ...

    def cost(self, indices: Sequence[int]) -> list[int]:
        """Returns the relative cost of training rows, by which a batch is sorted before it is cut in parts."""
        ...

    def train_logits(self, indices: Sequence[int]) -> torch.Tensor:
        """Returns logits of training rows, shape (rows, classes), with gradients."""
        ...

    def evaluate(self, batch: int) -> torch.Tensor:
        """Returns logits of all evaluation rows, shape (rows, classes), on the CPU, in evaluation mode."""
        ...

    def publishable(self) -> Any:
        """Returns a plain transformers model that `from_pretrained` can load anywhere."""
        ...


class TextLearner:
    """Trains through the whole network on token batches (full fine-tuning; LoRA with a wrapped model)."""

    def __init__(
        self, model: Any, train: TokenRows, evaluation: TokenRows, device: torch.device, precision: str
    ) -> None:
        self.model = model
        self.train_rows = len(train)
        self._train, self._evaluation = train, evaluation
        self._device, self._precision = device, precision
        self._lengths = train.lengths()

    @property
    def module(self) -> torch.nn.Module:
        """The network itself."""
        module: torch.nn.Module = self.model
        return module

    def cost(self, indices: Sequence[int]) -> list[int]:
        """Returns token counts: rows of like length share a part, so that little is padded."""
        return [self._lengths[i] for i in indices]

    def train_logits(self, indices: Sequence[int]) -> torch.Tensor:
        """Returns logits of training rows."""
        with autocast(self._device, self._precision):
            logits: torch.Tensor = self.model(**self._train.batch(indices, self._device)).logits
        return logits.float()

    def evaluate(self, batch: int) -> torch.Tensor:
        """Returns logits of all evaluation rows."""
        return predict(self.model, self._evaluation, batch, self._device, self._precision)

    def publishable(self) -> Any:
        """Returns the model, for LoRA with the adapters merged into the weights they adapt."""
        merge = getattr(self.model, "merge_and_unload", None)
        if merge is not None:
            self.model = merge()
        return self.model


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Returns bf16 autocast where that was chosen; the weights themselves stay fp32 so that small updates survive."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@torch.inference_mode()
def predict(model: Any, rows: TokenRows, batch: int, device: torch.device, precision: str = "fp32") -> torch.Tensor:
    """Returns logits of all rows in their order, shape (rows, classes); computed longest first to pad little."""
    model.eval()
    lengths = rows.lengths()
    order = sorted(range(len(rows)), key=lambda i: (-lengths[i], i))
    parts = []
    for start in range(0, len(order), batch):
        with autocast(device, precision):
            parts.append(model(**rows.batch(order[start : start + batch], device)).logits.float().cpu())
    logits = torch.cat(parts)
    restored = torch.empty_like(logits)
    restored[torch.tensor(order)] = logits
    return restored
