"""Frozen encoder: features are computed once, then a linear head is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from workers.data.tokens import TokenRows
from workers.methods.learner import autocast
from workers.methods.mean_pooling import SQUASH, append_averaging_layer, final_linear

_BATCH = 32


class FrozenLearner:
    """Trains a linear head on mean-pooled features.

    Nothing below the head changes and evaluation-mode features hold no randomness, so one pass over the data serves all
    epochs. The head is trained on the features times eight, which undoes the pooler's scale and gives the optimizer
    inputs of unit size; the factor is folded into the published weights.
    """

    def __init__(
        self, model: Any, train: TokenRows, evaluation: TokenRows, device: torch.device, precision: str
    ) -> None:
        append_averaging_layer(model)
        model.to(device)
        self.model = model
        self.train_rows = len(train)
        self._linear = final_linear(model)
        self._train = self._features(train, device, precision)
        self._evaluation = self._features(evaluation, device, precision)
        self._head = torch.nn.Linear(self._linear.in_features, self._linear.out_features).to(device)
        torch.nn.init.zeros_(self._head.weight)
        torch.nn.init.zeros_(self._head.bias)

    @property
    def module(self) -> torch.nn.Module:
        """The head."""
        return self._head

    def cost(self, indices: Sequence[int]) -> list[int]:
        """Returns equal costs: features have one size."""
        return [1] * len(indices)

    def train_logits(self, indices: Sequence[int]) -> torch.Tensor:
        """Returns logits of training rows."""
        logits: torch.Tensor = self._head(self._train[torch.as_tensor(indices, device=self._train.device)])
        return logits

    @torch.inference_mode()
    def evaluate(self, batch: int) -> torch.Tensor:
        """Returns logits of all evaluation rows."""
        return torch.cat([self._head(part) for part in torch.split(self._evaluation, batch)]).float().cpu()

    @torch.no_grad()
    def publishable(self) -> Any:
        """Returns the whole model with the trained head in place."""
        self._linear.weight.copy_(self._head.weight * SQUASH)
        self._linear.bias.copy_(self._head.bias)
        return self.model

    @torch.no_grad()  # not inference mode: its tensors may not take part in training later
    def _features(self, rows: TokenRows, device: torch.device, precision: str) -> torch.Tensor:
        """Returns what the final linear layer sees, times eight; shape (rows, hidden)."""
        seen: list[torch.Tensor] = []
        hook = self._linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float() * SQUASH))
        self.model.eval()
        lengths = rows.lengths()
        order = sorted(range(len(rows)), key=lambda i: (-lengths[i], i))
        try:
            for start in range(0, len(order), _BATCH):
                with autocast(device, precision):
                    self.model(**rows.batch(order[start : start + _BATCH], device))
        finally:
            hook.remove()
        features = torch.cat(seen)
        restored = torch.empty_like(features)
        restored[torch.tensor(order, device=features.device)] = features
        return restored
