"""Finds and reads the files of one split of a data set repository: CSV, TSV, JSON lines, Parquet.

The rules are those of `datasets`: a card's `configs` name the files of each split; without them the split's name is
looked for in the file names. The library itself is not used: it would also run builders that unpickle, and importing
it costs more time than reading the files. Only plain columns are read, by pyarrow.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from workers.failures import FailureCode, JobFailedError

READABLE = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PATTERNS = ["README.md", *(f"*{suffix}" for suffix in READABLE)]
# Names a split goes by in files (datasets.data_files.SPLIT_KEYWORDS).
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}

Row = dict[str, Any]


def split_files(names: Iterable[str], card_data: dict[str, Any], split: str, config: str | None) -> list[str]:
    """Returns the files of `split`, sorted.

    Args:
        names: all file names of the repository.
        card_data: the card's front matter.
        split: e.g. `train`.
        config: the configuration asked for; `None` means the default one.

    Raises:
        JobFailedError: `input_missing` naming the splits there are.
    """
    readable = sorted(name for name in names if PurePosixPath(name).suffix in READABLE)
    by_split = _declared(readable, card_data, config) or _by_convention(readable)
    if not by_split.get(split):
        known = ", ".join(f"`{name}`" for name in sorted(by_split)) or "none in CSV, JSON lines or Parquet"
        raise JobFailedError(FailureCode.INPUT_MISSING, f"the data set has no split `{split}`; it has {known}")
    return by_split[split]


def _declared(names: list[str], card_data: dict[str, Any], config: str | None) -> dict[str, list[str]]:
    """Reads `configs: [{config_name, data_files: glob | [globs] | [{split, path}], default}]` of the card."""
    configs = [entry for entry in card_data.get("configs") or [] if isinstance(entry, dict)]
    if config is None:
        chosen = next((entry for entry in configs if entry.get("default")), configs[0] if configs else None)
    else:
        chosen = next((entry for entry in configs if entry.get("config_name") == config), None)
        if chosen is None and configs:
            raise JobFailedError(FailureCode.INPUT_MISSING, f"the data set has no configuration `{config}`")
    data_files = chosen.get("data_files") if chosen else None
    if not data_files:
        return {}
    entries = data_files if isinstance(data_files, list) else [data_files]
    found: dict[str, list[str]] = {}
    for entry in entries:
        split, paths = (entry.get("split", "train"), entry.get("path")) if isinstance(entry, dict) else ("train", entry)
        globs = paths if isinstance(paths, list) else [paths]
        matched = {name for name in names for glob in globs if fnmatch.fnmatchcase(name, str(glob))}
        found.setdefault(str(split), []).extend(sorted(matched))
    return found


def _by_convention(names: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        words = set(re.split(r"[^a-z]+", name.lower()))
        split = next((split for split, keys in _KEYWORDS.items() if words & set(keys)), None)
        if split:
            found.setdefault(split, []).append(name)
    # A repository of one nameless file is a training split, as `datasets` has it.
    return found or ({"train": names} if names else {})


def read_files(folder: Path, names: Iterable[str], columns: tuple[str, str]) -> list[Row]:
    """Reads rows of two columns from files, in order.

    Raises:
        JobFailedError: `data_invalid` when a file cannot be parsed or lacks a column.
    """
    rows: list[Row] = []
    for name in names:
        table = _read_table(folder / name)
        missing = [column for column in columns if column not in table.column_names]
        if missing:
            raise JobFailedError(
                FailureCode.DATA_INVALID,
                f"`{name}` has no column `{missing[0]}`; it has {', '.join(f'`{c}`' for c in table.column_names)}",
            )
        rows.extend(table.select(list(dict.fromkeys(columns))).to_pylist())
    return rows


def _read_table(path: Path) -> Any:
    import pyarrow as pa

    readers: dict[str, Callable[[Path], Any]] = {
        ".csv": lambda p: _read_csv(p, ","),
        ".tsv": lambda p: _read_csv(p, "\t"),
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
        ".parquet": _read_parquet,
    }
    try:
        return readers[path.suffix](path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise JobFailedError(FailureCode.DATA_INVALID, f"`{path.name}` cannot be read: {reason}") from error


def _read_csv(path: Path, delimiter: str) -> Any:
    from pyarrow import csv

    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(strings_can_be_null=False),
    )


def _read_json_lines(path: Path) -> Any:
    from pyarrow import json

    # A block must hold a whole row; the default of 1 MiB refuses long documents.
    return json.read_json(path, read_options=json.ReadOptions(block_size=64 * 1024 * 1024))


def _read_parquet(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)
