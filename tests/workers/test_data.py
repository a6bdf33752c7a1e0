"""Finding, reading, checking and splitting labelled text."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from workers.data.files import read_files, split_files
from workers.data.labelled_text import Rows, check_overlap, clean_rows, hold_out, label_names, label_numbers, report
from workers.failures import FailureCode, JobFailedError

COLUMNS = {"text": "text", "label": "label"}


def ignore(_code: str, _message: str) -> None:
    """A warning nobody asked about."""


def rows_of(*pairs: tuple[str, str]) -> Rows:
    return Rows([t for t, _ in pairs], [label for _, label in pairs], [f"train:{i}" for i in range(len(pairs))])


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["data/train.jsonl", "data/test.jsonl"], "test", ["data/test.jsonl"]),
        (["data/train-00001-of-00002.parquet", "data/train-00000-of-00002.parquet"], "train", ["data/train-0000"]),
        (["my_validation_rows.csv"], "validation", ["my_validation_rows.csv"]),
        (["rows.csv"], "train", ["rows.csv"]),
    ],
)
def test_files_are_found_by_their_names(names: list[str], split: str, expected: list[str]) -> None:
    found = split_files(names, {}, split, None)
    assert all(name.startswith(expected[0]) for name in found)
    assert found == sorted(found)


def test_the_card_decides_which_files_make_a_split() -> None:
    card = {
        "configs": [
            {"config_name": "small", "data_files": [{"split": "train", "path": ["a/*.jsonl", "extra.jsonl"]}]},
            {"config_name": "large", "default": True, "data_files": [{"split": "train", "path": "b/*.jsonl"}]},
        ]
    }
    names = ["a/1.jsonl", "a/2.jsonl", "b/1.jsonl", "extra.jsonl"]
    assert split_files(names, card, "train", "small") == ["a/1.jsonl", "a/2.jsonl", "extra.jsonl"]
    assert split_files(names, card, "train", None) == ["b/1.jsonl"]
    with pytest.raises(JobFailedError, match="no configuration `medium`"):
        split_files(names, card, "train", "medium")


def test_a_missing_split_names_those_that_exist() -> None:
    with pytest.raises(JobFailedError, match="no split `dev`; it has `test`, `train`") as caught:
        split_files(["train.csv", "test.csv"], {}, "dev", None)
    assert caught.value.code is FailureCode.INPUT_MISSING


@pytest.mark.parametrize("card", [{"configs": "nonsense"}, {"configs": [3]}, {"configs": [{"data_files": 3}]}, {}])
def test_a_broken_card_falls_back_to_file_names_or_says_what_is_missing(card: dict[str, object]) -> None:
    try:
        assert split_files(["train.csv"], card, "train", None) == ["train.csv"]
    except JobFailedError as error:
        assert error.code is FailureCode.INPUT_MISSING  # noqa: PT017 (either outcome is right, no other is)


def test_every_format_reads_the_same_rows(tmp_path: Path) -> None:
    rows = [{"text": "a, b", "label": "x"}, {"text": "two\nlines", "label": "y"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.csv").write_text('text,label\n"a, b",x\n"two\nlines",y\n')
    (tmp_path / "a.tsv").write_text('text\tlabel\na, b\tx\n"two\nlines"\ty\n')
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for suffix in ("jsonl", "csv", "tsv", "parquet"):
        assert read_files(tmp_path, [f"a.{suffix}"], ("text", "label")) == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a", "kind": "x"}\n', "no column `label`; it has `text`, `kind`"),
        ("a.jsonl", '{"text": ', "cannot be read"),
        ("a.parquet", "no parquet at all", "cannot be read"),
        ("a.csv", "text,label\n1,2,3\n", "cannot be read"),
    ],
)
def test_unusable_files_are_data_invalid(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(JobFailedError, match=message) as caught:
        read_files(tmp_path, [name], ("text", "label"))
    assert caught.value.code is FailureCode.DATA_INVALID


def test_rows_without_text_or_label_are_left_out_and_counted() -> None:
    warnings: list[tuple[str, str]] = []
    raw = [
        {"text": "a", "label": 0},
        {"text": " ", "label": 1},
        {"text": None, "label": 1},
        {"text": "b", "label": None},
    ]
    rows = clean_rows(raw, "train", COLUMNS, lambda code, message: warnings.append((code, message)))
    assert (rows.texts, rows.labels, rows.ids) == (["a"], ["0"], ["train:0"])
    assert warnings == [("empty_rows", "3 of 4 rows of `train` have no text or no label")]


@pytest.mark.parametrize("raw", [[{"text": "", "label": 1}], [{"text": 5, "label": 1}], []])
def test_a_split_without_usable_rows_is_data_invalid(raw: list[dict[str, object]]) -> None:
    with pytest.raises(JobFailedError) as caught:
        clean_rows(raw, "train", COLUMNS, ignore)
    assert caught.value.code is FailureCode.DATA_INVALID


def test_one_class_leaves_nothing_to_learn() -> None:
    with pytest.raises(JobFailedError, match="all training rows carry the label `x`"):
        label_names(rows_of(("a", "x"), ("b", "x")))


def test_numeric_labels_sort_as_numbers() -> None:
    assert label_names(rows_of(("a", "10"), ("b", "9"), ("c", "other"))) == ["9", "10", "other"]


def test_a_label_the_training_rows_lack_is_data_invalid() -> None:
    with pytest.raises(JobFailedError, match="labels the training rows lack: `z`"):
        label_numbers(rows_of(("a", "z")), ["x", "y"], "test")


def many_rows(count: int = 100) -> Rows:
    return rows_of(*((f"text {number // 2}", "x" if number // 2 % 4 else "y") for number in range(count)))


def test_holding_out_is_seeded_stratified_and_keeps_copies_together() -> None:
    rows = many_rows()
    kept, held = hold_out(rows, 0.2, seed=0, stratify=True)
    assert sorted(kept.ids + held.ids) == sorted(rows.ids)
    assert not set(kept.texts) & set(held.texts)
    assert len(held) == pytest.approx(20, abs=2)
    shares = Counter(held.labels)
    assert shares["y"] / len(held) == pytest.approx(rows.labels.count("y") / len(rows), abs=0.1)
    assert hold_out(rows, 0.2, seed=0, stratify=True)[1].ids == held.ids
    assert hold_out(rows, 0.2, seed=1, stratify=True)[1].ids != held.ids


def test_holding_out_everything_or_nothing_is_data_invalid() -> None:
    with pytest.raises(JobFailedError, match="leaves one side empty"):
        hold_out(rows_of(("a", "x"), ("b", "y")), 0.01, seed=0, stratify=False)


def test_overlap_is_counted_by_normalised_text_and_reported() -> None:
    warnings: list[str] = []
    train, held = rows_of(("A  cat", "x"), ("a dog", "y")), rows_of(("a cat", "x"), ("a bird", "y"))
    assert check_overlap(train, held, lambda code, _: warnings.append(code)) == 1
    assert warnings == ["overlap"]
    assert report(train, held, 1)["overlap"] == 1


def test_digests_tell_rows_and_order_apart() -> None:
    rows = rows_of(("a", "x"), ("b", "y"))
    assert rows.digest() == rows_of(("a", "x"), ("b", "y")).digest()
    assert rows.digest() != rows_of(("a", "x"), ("b", "x")).digest()
    assert rows.id_digest() != rows.take([1, 0]).id_digest()
