"""What a job request may say: the published JSON schemas, their defaults, and one message a field.

Pure: no database, no clock. Rights, revisions and memory are looked at elsewhere (`submission`, `memory`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from registry.jobs.errors import JobSpecError

KINDS = ("finetune", "evaluate")
SCHEMA_VERSION = 1

_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _type_words(limit: Any) -> str:
    return "must be " + " or ".join(_WORDS[kind] for kind in (limit if isinstance(limit, list) else [limit]))


_PLAIN_RULES: Mapping[str, Callable[[Any], str]] = {
    "type": _type_words,
    "enum": lambda limit: f"must be one of {_listed(limit)}",
    "const": lambda limit: f"must be {json.dumps(limit)}",
    "minimum": lambda limit: f"must be at least {limit}",
    "maximum": lambda limit: f"must be at most {limit}",
    "exclusiveMinimum": lambda limit: f"must be above {limit}",
    "exclusiveMaximum": lambda limit: f"must be below {limit}",
    "minLength": lambda limit: f"must have at least {limit} character(s)",
    "maxLength": lambda limit: f"must have at most {limit} characters",
    "minItems": lambda limit: f"must have at least {limit} item(s)",
    "maxItems": lambda limit: f"must have at most {limit} items",
    "uniqueItems": lambda _: "must not repeat an item",
}


@cache
def schema(kind: str) -> dict[str, Any]:
    """Returns the published JSON schema (draft 2020-12) of a kind.

    Raises:
        KeyError: if there is no such kind.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    text = files("registry.jobs").joinpath(f"schemas/{kind}-{SCHEMA_VERSION}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def spec_parse(raw: Any) -> dict[str, Any]:
    """Checks a request and returns it with every default written out.

    Args:
        raw: decoded JSON as it arrived.

    Raises:
        JobSpecError: one message for each field that is unknown, missing or not acceptable.
    """
    if not isinstance(raw, Mapping):
        raise _refused([{"field": "", "message": "must be an object"}])
    kind = raw.get("kind")
    if kind not in KINDS:
        raise _refused([{"field": "kind", "message": f"must be one of {_listed(KINDS)}"}])
    if unprintable := _unprintable_fields(raw):
        raise _refused([{"field": path, "message": "has characters that are not allowed"} for path in unprintable])
    rules = schema(kind)
    spec: dict[str, Any] = _whole_numbers(raw)
    _expand(rules, spec, rules)
    messages = _schema_messages(rules, spec)
    if not messages:
        _stratify_by_label(spec)
        messages = _cross_field_messages(spec)
    if messages:
        raise _refused(messages)
    return spec


def spec_digest(spec: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a spec's canonical JSON (sorted keys, no blanks)."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def automatic_paths(spec: Mapping[str, Any]) -> list[str]:
    """Returns the dotted paths whose value the worker is to settle."""
    return [path for path, value in _leaves(spec) if value == "auto"]


def _refused(messages: list[dict[str, str]]) -> JobSpecError:
    first = messages[0]
    where = f"`{first['field']}` " if first["field"] else "the request "
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return JobSpecError(f"{where}{first['message']}{more}", errors=messages)


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, value


def _unprintable_fields(value: Any) -> list[str]:
    """Names the fields whose key or text holds control characters or lone surrogates, which no database stores."""
    return [ascii(path)[1:-1] for path, text in _texts(value) if not (path + text).isprintable()]


def _texts(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, prefix)
    else:
        yield prefix, value if isinstance(value, str) else ""


def _whole_numbers(value: Any) -> Any:
    """Copies JSON, with `2.0` written `2`: JSON does not tell them apart, libraries that take a seed do."""
    if isinstance(value, Mapping):
        return {key: _whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- defaults --------------------------------------------------------------------------------------------------
def _expand(rules: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> None:
    """Writes the defaults of `rules` into `value`, following the branch of each condition that holds."""
    if "$ref" in rules:
        rules = root["$defs"][rules["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        for name, inner in rules.get("properties", {}).items():
            if name not in value and "default" in inner:
                value[name] = deepcopy(inner["default"])
            if name in value:
                _expand(inner, value[name], root)
    for branch in (rules, *rules.get("allOf", [])):
        if "if" in branch:
            chosen = "then" if Draft202012Validator(branch["if"]).is_valid(value) else "else"
            _expand(branch.get(chosen, {}), value, root)


def _stratify_by_label(spec: dict[str, Any]) -> None:
    """A default that a schema cannot say: parts keep the shares of whatever column holds the label."""
    held_out = spec["data"]["split"]["eval"] if spec["kind"] == "finetune" else None
    if isinstance(held_out, dict):
        held_out.setdefault("stratify", spec["data"]["columns"]["label"])


# --- messages --------------------------------------------------------------------------------------------------
def _schema_messages(rules: Mapping[str, Any], spec: Mapping[str, Any]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for error in Draft202012Validator(dict(rules)).iter_errors(spec):
        for field, message in _explain(error):
            found.setdefault(field, message)
    return [{"field": field, "message": message} for field, message in sorted(found.items())]


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    path = ".".join(str(part) for part in error.absolute_path)
    here = f"{path}." if path else ""
    rule, limit, rules = str(error.validator), cast("Any", error.validator_value), cast("dict[str, Any]", error.schema)
    present = cast("Any", error.instance)
    if rule == "additionalProperties":
        known = list(rules["properties"])
        for key in sorted(set(present) - set(known)):
            yield f"{here}{key}", _unknown_key(key, known)
    elif rule == "required":
        for key in limit:
            if key not in present:
                yield f"{here}{key}", "is required"
    else:
        yield path, _sentence(rule, limit, rules)


def _unknown_key(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return (
        f"is not known here; did you mean `{near[0]}`" if near else f"is not known here; known keys: {_listed(known)}"
    )


def _sentence(rule: str, limit: Any, rules: Mapping[str, Any]) -> str:
    """Says in a person's words what one rule of the schema asks for."""
    if rule in _PLAIN_RULES:
        return _PLAIN_RULES[rule](limit)
    described = rules.get("description")
    return f"must be {described}" if described else "has characters that are not allowed"


# --- rules that span fields ------------------------------------------------------------------------------------
def _cross_field_messages(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    rules = _finetune_messages(spec) if spec["kind"] == "finetune" else ()
    return [{"field": field, "message": message} for field, message in (*_column_messages(spec), *rules)]


def _column_messages(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    columns = spec["data"]["columns"]
    if columns["text"] == columns["label"]:
        yield "data.columns.label", "must be another column than `data.columns.text`"


def _finetune_messages(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    train, split = spec["train"], spec["data"]["split"]
    if spec["eval"]["select"] not in spec["eval"]["metrics"]:
        yield "eval.select", "must be one of the metrics in `eval.metrics`"
    micro = train["micro_batch"]
    if micro != "auto" and train["effective_batch"] % micro:
        yield "train.effective_batch", f"must be a multiple of `train.micro_batch` ({micro})"
    if split["eval"] == split["train"]:
        yield "data.split.eval", "must be another split than `data.split.train`, or a fraction taken from it"
