"""Texts as token ids, and batches padded to their own longest row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TokenRows:
    """Tokenised rows: ids as the tokenizer made them (special tokens included), unpadded."""

    ids: list[list[int]]
    pad_id: int

    def __len__(self) -> int:
        return len(self.ids)

    def lengths(self) -> list[int]:
        """Returns the tokens of each row."""
        return [len(ids) for ids in self.ids]

    def batch(self, indices: Sequence[int], device: torch.device) -> dict[str, torch.Tensor]:
        """Returns `input_ids` and `attention_mask`, shape (rows, longest row), on `device`; padded on the right."""
        import torch

        rows = [self.ids[index] for index in indices]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> TokenRows:
    """Cuts every text to at most `max_length` tokens."""
    limit = min(max_length, tokenizer.model_max_length)
    encoded = tokenizer(list(texts), truncation=True, max_length=limit, padding=False, return_token_type_ids=False)
    return TokenRows([list(ids) for ids in encoded["input_ids"]], tokenizer.pad_token_id or 0)
