"""What a card's front matter may say (hub-api 2.5). Pure but for the question whether a license id is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry.catalogue.licenses import is_known

_TEXT_LISTS = ("language", "tags", "datasets", "base_model", "metrics", "task_categories", "size_categories")
_TEXTS = ("pipeline_tag", "library_name", "license_name", "license_link", "base_model_relation", "pretty_name")
RELATIONS = ("finetune", "adapter", "merge", "quantized", "distilled")
SPACE_SDKS = ("gradio", "streamlit", "docker", "static")
_RESULT_PARTS = ("task", "dataset", "metrics")


def problems(data: Mapping[str, Any], repository_type: str) -> list[str]:
    """Returns what is wrong, each in a sentence that names the key."""
    found = [*_types(data), *_license(data.get("license"))]
    if repository_type == "model":
        found += [*_model_index(data.get("model-index")), *_relation(data.get("base_model_relation"))]
    if repository_type == "space" and data.get("sdk") not in {None, *SPACE_SDKS}:
        found.append(f'"sdk" must be one of {", ".join(SPACE_SDKS)}')
    return found


def _types(data: Mapping[str, Any]) -> Iterator[str]:
    for key in _TEXT_LISTS:
        value = data.get(key)
        listed = value if isinstance(value, list) else [value]
        # YAML 1.1 reads the language code `no` as false.
        if value is not None and not all(
            isinstance(item, str) or (key == "language" and item is False) for item in listed
        ):
            yield f'"{key}" must be a string or a list of strings'
    for key in _TEXTS:
        if data.get(key) is not None and not isinstance(data[key], str):
            yield f'"{key}" must be a string'


def _license(value: Any) -> Iterator[str]:
    if value is None:
        return
    listed = value if isinstance(value, list) else [value]
    for item in listed:
        if not isinstance(item, str):
            yield '"license" must be a string: an id of the license catalogue, an SPDX expression, or `other`'
        elif not is_known(item):
            yield (
                f'"license" `{item[:100]}` is not known: use an id of the license catalogue, an SPDX expression, or '
                "`other` with `license_name` and `license_link`"
            )


def _relation(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value not in RELATIONS:
        yield f'"base_model_relation" must be one of {", ".join(RELATIONS)}'


def _model_index(value: Any) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list):
        yield '"model-index" must be a list'
        return
    for position, model in enumerate(value):
        if not isinstance(model, Mapping) or not isinstance(model.get("name"), str):
            yield f'"model-index[{position}].name" is required'
            continue
        yield from _results(model.get("results"), f"model-index[{position}].results")


def _results(value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f'"{place}" must be a list'
        return
    for position, result in enumerate(value):
        here = f"{place}[{position}]"
        missing = [part for part in _RESULT_PARTS if not isinstance(result, Mapping) or part not in result]
        for part in missing:
            yield f'"{here}.{part}" is required'
        if not missing:
            yield from _result(result, here)


def _result(result: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(result["task"], Mapping) or not isinstance(result["task"].get("type"), str):
        yield f'"{place}.task.type" is required'
    dataset = result["dataset"]
    for key in ("type", "name"):
        if not isinstance(dataset, Mapping) or not isinstance(dataset.get(key), str):
            yield f'"{place}.dataset.{key}" is required'
    metrics = result["metrics"]
    if not isinstance(metrics, list):
        yield f'"{place}.metrics" must be a list'
        return
    for position, metric in enumerate(metrics):
        for key in ("type", "value"):
            if not isinstance(metric, Mapping) or metric.get(key) is None:
                yield f'"{place}.metrics[{position}].{key}" is required'
