"""What the files of a repository say about it: configuration, parameters, formats, library, task. Pure over readers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.catalogue.safetensors import HeaderError, parameter_counts, safetensors_header

__all__ = [
    "HeaderError",
    "config_facts",
    "dataset_formats",
    "detect_formats",
    "detect_library",
    "detect_pipeline",
    "languages_of",
    "parameter_counts",
    "read_json_object",
    "safetensors_header",
    "shard_names",
    "weight_files",
]

MAX_JSON = 8 * 1024 * 1024
_CONFIG_KEYS = (
    "architectures", "model_type", "auto_map", "problem_type", "num_labels", "hidden_size", "num_hidden_layers",
    "vocab_size", "max_position_embeddings", "torch_dtype", "dtype", "quantization_config", "num_attention_heads",
    "num_key_value_heads", "intermediate_size", "num_local_experts",
)  # fmt: skip
_FORMATS = {
    ".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx", ".tflite": "tflite", ".mlmodel": "coreml",
    ".mlpackage": "coreml", ".msgpack": "jax", ".pt": "pytorch", ".pth": "pytorch", ".ckpt": "pytorch",
    ".keras": "keras", ".h5": "tf", ".pb": "tf", ".nemo": "nemo", ".joblib": "joblib",
}  # fmt: skip
_DATA_FORMATS = {
    ".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow",
    ".txt": "text", ".tar": "webdataset", ".zip": "zip",
}  # fmt: skip
# A file that only one library writes, in order of preference.
_LIBRARY_FILES = (
    ("adapter_config.json", "peft"),
    ("modules.json", "sentence-transformers"),
    ("config_sentence_transformers.json", "sentence-transformers"),
    ("model_index.json", "diffusers"),
    ("open_clip_config.json", "open_clip"),
    ("saved_model.pb", "tf-keras"),
    ("hubconf.py", "torch-hub"),
)
_TASK_OF_ENDING = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForInstanceSegmentation": "image-segmentation",
    "ForDepthEstimation": "depth-estimation",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForCTC": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
    "ForVideoClassification": "video-classification",
}
_SPEECH = frozenset({"whisper", "speech_to_text", "moonshine"})
_INDEX = "model.safetensors.index.json"
_MAX_SHARDS = 2000


def read_json_object(data: bytes) -> dict[str, Any] | None:
    """Returns a JSON object, or None for anything else; NaN and infinities become null."""
    if len(data) > MAX_JSON:
        return None
    try:
        value = json.loads(data, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None  # `1e999`


def config_facts(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the part of `config.json` that lists show and jobs plan with; None without a configuration."""
    if config is None:
        return None
    kept = {key: config[key] for key in _CONFIG_KEYS if key in config and len(json.dumps(config[key])) <= 4000}  # noqa: PLR2004 (a sane value)
    labels = config.get("id2label")
    if isinstance(labels, dict) and "num_labels" not in kept:
        kept["num_labels"] = len(labels)
    architectures = kept.get("architectures")
    if "architectures" in kept and not (
        isinstance(architectures, list) and all(isinstance(item, str) for item in architectures)
    ):
        del kept["architectures"]
    if not isinstance(kept.get("model_type", ""), str):
        del kept["model_type"]
    text = json.dumps(kept).replace("\\u0000", "")  # PostgreSQL's JSON holds no NUL
    cleaned: dict[str, Any] = json.loads(re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", r"\\ufffd", text))
    return cleaned


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :].lower() if "." in name else ""


def detect_formats(paths: Iterable[str]) -> list[str]:
    """Returns the weight formats that the file names show, in name order."""
    found = {_FORMATS[suffix] for path in paths if (suffix := _suffix(path)) in _FORMATS}
    if any(
        path.rpartition("/")[2].startswith(("pytorch_model", "adapter_model")) and _suffix(path) == ".bin"
        for path in paths
    ):
        found.add("pytorch")
    return sorted(found)


def dataset_formats(paths: Iterable[str]) -> list[str]:
    """Returns the data formats that the file names show, in name order."""
    skipped = {"dataset_infos.json", "README.md", "requirements.txt", "LICENSE.txt"}
    return sorted(
        {
            _DATA_FORMATS[suffix]
            for path in paths
            if (suffix := _suffix(path)) in _DATA_FORMATS and path not in skipped and not path.startswith(".")
        }
    )


def detect_library(paths: Iterable[str], card: Mapping[str, Any], config: Mapping[str, Any] | None) -> str:
    """Returns the library that loads the model: what the card says, else what the files show, else empty."""
    stated = card.get("library_name")
    if isinstance(stated, str) and stated:
        return stated[:64]
    names = set(paths)
    for file, library in _LIBRARY_FILES:
        if file in names:
            return library
    if config is not None and (config.get("model_type") or config.get("architectures")):
        return "transformers"
    return "gguf" if any(_suffix(name) == ".gguf" for name in names) else ""


def detect_pipeline(card: Mapping[str, Any], config: Mapping[str, Any] | None, library: str) -> str:
    """Returns the task: what the card says, else what the architecture is built for, else empty."""
    stated = card.get("pipeline_tag")
    if isinstance(stated, str) and stated:
        return stated[:64]
    if library == "sentence-transformers":
        return "sentence-similarity"
    architectures = (config or {}).get("architectures") or []
    for architecture in architectures:
        for ending, task in _TASK_OF_ENDING.items():
            if architecture.endswith(ending):
                speech = (config or {}).get("model_type") in _SPEECH
                return "automatic-speech-recognition" if speech else task
    return "feature-extraction" if architectures and library == "transformers" else ""


def languages_of(card: Mapping[str, Any]) -> list[str]:
    """Returns the languages that the card states; YAML 1.1 reads Norwegian's code as false."""
    value = card.get("language") if card.get("language") is not None else card.get("languages")
    listed = value if isinstance(value, list) else [value]
    names = ["no" if item is False else item for item in listed]
    return list(dict.fromkeys(name[:64].lower() for name in names if isinstance(name, str) and name))[:500]


def shard_names(index: Mapping[str, Any] | None) -> list[str]:
    """Returns the files that a sharded checkpoint's index names, in name order."""
    weights = (index or {}).get("weight_map")
    if not isinstance(weights, dict):
        return []
    return sorted({name for name in weights.values() if isinstance(name, str)})[:_MAX_SHARDS]


def weight_files(paths: Sequence[str], index: Mapping[str, Any] | None) -> list[str]:
    """Returns the safetensors files that together are the model: the index's shards, else the main file."""
    present = set(paths)
    shards = [name for name in shard_names(index) if name in present]
    if shards:
        return shards
    for name in ("model.safetensors", "adapter_model.safetensors"):
        if name in present:
            return [name]
    alone = [path for path in paths if _suffix(path) == ".safetensors" and "/" not in path]
    return alone if len(alone) == 1 else []
