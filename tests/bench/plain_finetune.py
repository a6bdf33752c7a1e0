"""The script a person would write for the same fine-tune: plain transformers Trainer, nothing of ours.

    python tests/bench/plain_finetune.py MODEL_FOLDER DATA_FOLDER OUTPUT_FOLDER OPTIONS_JSON

It does what the job is asked for and no more: train, evaluate, save. No baselines, intervals, card or publication.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def read(path: Path, labels: list[str]) -> Dataset:
    """Reads JSON lines with text and label."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return Dataset.from_list([{"text": row["text"], "labels": labels.index(row["label"])} for row in rows])


def scores(prediction: Any) -> dict[str, float]:
    """Accuracy and macro F1."""
    predicted = np.argmax(prediction.predictions, axis=-1)
    return {
        "accuracy": float(accuracy_score(prediction.label_ids, predicted)),
        "f1_macro": float(f1_score(prediction.label_ids, predicted, average="macro")),
    }


def main(model_folder: Path, data_folder: Path, output: Path, options: dict[str, Any]) -> None:
    """Trains, evaluates and saves; prints the scores and the wall seconds as JSON."""
    started = time.monotonic()
    torch.set_num_threads(1)
    labels = options["labels"]
    train, test = (read(data_folder / f"{split}.jsonl", labels) for split in ("train", "test"))
    tokenizer = AutoTokenizer.from_pretrained(model_folder)

    def encode(batch: dict[str, Any]) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=options["max_length"])

    train, test = (rows.map(encode, batched=True, remove_columns=["text"]) for rows in (train, test))
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=len(labels))
    arguments = TrainingArguments(
        output_dir=str(output),
        num_train_epochs=options["epochs"],
        per_device_train_batch_size=options["batch"],
        per_device_eval_batch_size=32,
        learning_rate=options["lr"],
        lr_scheduler_type="linear",
        seed=0,
        use_cpu=True,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=test,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=scores,
    )
    trainer.train()
    result = trainer.evaluate()
    trainer.save_model(str(output))
    figures = {name.removeprefix("eval_"): float(value) for name, value in result.items() if "_" in name}
    print(json.dumps({"seconds": time.monotonic() - started, "cpu_seconds": time.process_time(), **figures}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
