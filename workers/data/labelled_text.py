"""Labelled text ready for training: rows checked, labels numbered, splits cut, every choice reported and digested."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.data.files import Row
from workers.failures import FailureCode, JobFailedError
from workers.metrics.classification import Labels

Warn = Callable[[str, str], None]


@dataclass(frozen=True)
class Rows:
    """Rows of one split: texts, labels as given, and the id of each row in its file order (`train:17`)."""

    texts: list[str]
    labels: list[str]
    ids: list[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Rows:
        """Returns the rows at `indices`, in that order."""
        return Rows(*([column[i] for i in indices] for column in (self.texts, self.labels, self.ids)))

    def digest(self) -> str:
        """Returns the SHA-256 over ids, texts and labels: equal digests mean the same rows in the same order."""
        return _digest(zip(self.ids, self.texts, self.labels, strict=True))

    def id_digest(self) -> str:
        """Returns the SHA-256 over the row ids alone."""
        return _digest((row_id,) for row_id in self.ids)


def _digest(rows: Any) -> str:
    sha = hashlib.sha256()
    for row in rows:
        sha.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return sha.hexdigest()


def clean_rows(rows: Sequence[Row], split: str, columns: dict[str, str], warn: Warn) -> Rows:
    """Takes text and label from raw rows; rows without either are left out and counted in a warning.

    Raises:
        JobFailedError: `data_invalid` when the text is no text or nothing is left.
    """
    texts, labels, ids = [], [], []
    for number, row in enumerate(rows):
        text, label = row[columns["text"]], row[columns["label"]]
        if text is not None and not isinstance(text, str):
            raise JobFailedError(
                FailureCode.DATA_INVALID,
                f"column `{columns['text']}` of split `{split}` holds {type(text).__name__}, not text (row {number})",
            )
        if not text or not text.strip() or label is None or not str(label).strip():
            continue
        texts.append(text)
        labels.append(str(label))
        ids.append(f"{split}:{number}")
    if not texts:
        raise JobFailedError(FailureCode.DATA_INVALID, f"split `{split}` has no row with both a text and a label")
    if len(texts) < len(rows):
        warn("empty_rows", f"{len(rows) - len(texts)} of {len(rows)} rows of `{split}` have no text or no label")
    return Rows(texts, labels, ids)


def label_names(train: Rows) -> list[str]:
    """Returns the sorted label set of the training rows (numbers in numeric order).

    Raises:
        JobFailedError: `data_invalid` for fewer than two labels.
    """
    names = sorted(set(train.labels), key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    if len(names) < 2:  # noqa: PLR2004 (one class leaves nothing to tell apart)
        raise JobFailedError(
            FailureCode.DATA_INVALID, f"all training rows carry the label `{names[0]}`: there is nothing to learn"
        )
    return names


def label_numbers(rows: Rows, names: Sequence[str], split: str) -> Labels:
    """Returns labels as numbers, shape (rows,).

    Raises:
        JobFailedError: `data_invalid` for a label that `names` does not have.
    """
    numbers = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(rows.labels) - set(numbers))
    if unknown:
        listed = ", ".join(f"`{name}`" for name in unknown[:5])
        raise JobFailedError(FailureCode.DATA_INVALID, f"split `{split}` has labels the training rows lack: {listed}")
    return np.array([numbers[label] for label in rows.labels], dtype=np.int64)


def hold_out(rows: Rows, fraction: float, seed: int, *, stratify: bool) -> tuple[Rows, Rows]:
    """Splits rows into (kept, held out) by a seeded draw; rows with the same text always land on the same side.

    Raises:
        JobFailedError: `data_invalid` when one side would be empty.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(rows.texts):
        groups[normalised(text)].append(index)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        strata[rows.labels[members[0]] if stratify else ""].append(members)
    generator = np.random.default_rng(seed)
    held: set[int] = set()
    for _, stratum in sorted(strata.items()):
        wanted, taken = fraction * sum(map(len, stratum)), 0
        for position in generator.permutation(len(stratum)):
            # Half a group past the mark is nearer to the fraction than stopping short.
            if taken + len(stratum[position]) / 2 > wanted:
                break
            held.update(stratum[position])
            taken += len(stratum[position])
    kept = [index for index in range(len(rows)) if index not in held]
    if not held or not kept:
        raise JobFailedError(
            FailureCode.DATA_INVALID, f"holding out {fraction:.0%} of {len(rows)} rows leaves one side empty"
        )
    return rows.take(kept), rows.take(sorted(held))


def normalised(text: str) -> str:
    """Returns the text as compared for copies: lower case, single spaces."""
    return re.sub(r"\s+", " ", text).strip().lower()


def check_overlap(train: Rows, held_out: Rows, warn: Warn) -> int:
    """Counts evaluation texts that also occur in training, and warns: they measure memory, not skill."""
    known = {normalised(text) for text in train.texts}
    copies = sum(normalised(text) in known for text in held_out.texts)
    if copies:
        warn("overlap", f"{copies} of {len(held_out)} evaluation texts also occur in the training rows")
    return copies


def report(train: Rows, held_out: Rows, overlap: int) -> dict[str, Any]:
    """Returns what the manifest and the card say about the data."""
    return {
        "train_rows": len(train),
        "evaluation_rows": len(held_out),
        "train_labels": dict(sorted(Counter(train.labels).items())),
        "evaluation_labels": dict(sorted(Counter(held_out.labels).items())),
        "overlap": overlap,
        "train_row_ids_sha256": train.id_digest(),
        "evaluation_row_ids_sha256": held_out.id_digest(),
        "evaluation_set_sha256": held_out.digest(),
    }
