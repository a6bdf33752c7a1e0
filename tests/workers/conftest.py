"""A simulated hub, a tiny synthetic BERT with a word-piece vocabulary of its own, and a synthetic data set."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.hub_simulator import COMMIT, WORKER_SECRET, HubSimulator
from workers.settings import WorkerSettings

WORDS = {
    "good": ["bright", "lovely", "clear", "warm", "fine"],
    "bad": ["dull", "grim", "cold", "broken", "bleak"],
}
FILLER = ["the", "day", "was", "and", "a", "river", "under", "stone", "very", "house"]
BASE, DATASET, OUTPUT = "alice/synthetic-bert", "alice/synthetic-moods", "alice/synthetic-moods-model"


def synthetic_rows(count: int, start: int = 0) -> list[dict[str, str]]:
    """Rows whose label is decided by one word, different texts for different numbers."""
    rows = []
    for number in range(start, start + count):
        label = "good" if number % 2 else "bad"
        words = [FILLER[(number * k + k) % len(FILLER)] for k in range(1, 5 + number % 4)]
        words.insert(number % 4, WORDS[label][(number // 2) % 5])
        rows.append({"text": " ".join([*words, f"n{number}"]), "label": label})
    return rows


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two 32-wide layers with random weights, seed 0."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    words = sorted({*FILLER, *(word for group in WORDS.values() for word in group)})
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join([*pieces, *words]) + "\n")
    transformers.BertTokenizerFast(vocab=str(vocabulary), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(pieces) + len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def hub(tiny_bert: Path) -> Iterator[HubSimulator]:
    """A hub with the tiny model and the synthetic data set."""
    card = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train.jsonl\n"
    card += b"  - split: test\n    path: data/test.jsonl\n---\nSynthetic.\n"
    with HubSimulator() as simulator:
        simulator.repositories = {
            ("model", BASE): {path.name: path.read_bytes() for path in tiny_bert.iterdir()},
            ("dataset", DATASET): {
                "README.md": card,
                "data/train.jsonl": json_lines(synthetic_rows(48)),
                "data/test.jsonl": json_lines(synthetic_rows(20, start=100)),
            },
            ("model", OUTPUT): {".gitattributes": b"", "README.md": b"old", "old.safetensors": b"old"},
        }
        yield simulator


@pytest.fixture
def worker_settings(hub: HubSimulator, tmp_path: Path) -> WorkerSettings:
    """A worker of that hub."""
    return WorkerSettings(
        hub_url=hub.url,
        worker_secret=WORKER_SECRET,
        name="test/cpu",
        queues=("jobs-cpu",),
        scratch=tmp_path / "worker",
        broker_url="memory://",
        broker_folder=tmp_path / "broker",
        threads=1,
        memory_bytes=16 * 1024**3,
        grace_seconds=60,
    )


@pytest.fixture
def shutdown() -> threading.Event:
    """Set when the worker has to go."""
    return threading.Event()


def finetune_spec(**changes: Any) -> dict[str, Any]:
    """A small fine-tune request, expanded as the hub does; `train={…}` and others are merged in."""
    spec: dict[str, Any] = {
        "version": 1,
        "kind": "finetune",
        "task": "text-classification",
        "base": {"repo": BASE, "revision": COMMIT},
        "data": {
            "repo": DATASET,
            "revision": COMMIT,
            "config": None,
            "split": {"train": "train", "eval": "test"},
            "columns": {"text": "text", "label": "label"},
        },
        "method": {"name": "full"},
        "train": {
            "epochs": 2,
            "max_steps": None,
            "micro_batch": "auto",
            "effective_batch": 8,
            "lr": 0.005,
            "schedule": "linear",
            "warmup_steps": 0,
            "weight_decay": 0.0,
            "max_length": 32,
            "seed": 0,
            "precision": "auto",
            "deterministic": True,
            "gradient_checkpointing": False,
            "checkpoint_steps": "auto",
        },
        "eval": {"metrics": ["accuracy", "f1_macro"], "every": "epoch", "select": "f1_macro"},
        "limits": {"wall_seconds": 600, "gpus": 0, "attempts": 2},
        "output": {"repo": OUTPUT, "visibility": "private", "branch": "main"},
        "purpose": "internal",
    }
    for key, value in changes.items():
        spec[key] = {**spec[key], **value} if key in {"train", "data", "eval"} else value
    return spec
