"""The reference of the native API, rendered from its OpenAPI document without a third party's script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

_METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or body member."""

    name: str
    kind: str
    required: bool
    note: str


@dataclass(frozen=True, slots=True)
class OperationView:
    """One operation as the page shows it."""

    id: str
    group: str
    method: str
    path: str
    summary: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """Lists every operation with its parameters and body."""
    groups = [(name, list(rows)) for name, rows in groupby(_operations(), key=lambda operation: operation.group)]
    return render(request, "web/api_reference.html", {"groups": groups})


@lru_cache(maxsize=1)
def _operations() -> tuple[OperationView, ...]:
    generator: Any = SchemaGenerator  # the library's signatures carry no types
    schema = generator().get_schema(request=None, public=True)
    components = schema.get("components", {}).get("schemas", {})
    found = [
        _operation(path, method, item[method], components)
        for path, item in schema["paths"].items()
        for method in _METHODS
        if method in item
    ]
    return tuple(sorted(found, key=lambda operation: (operation.group, operation.path, operation.method)))


def _operation(path: str, method: str, spec: Mapping[str, Any], components: Mapping[str, Any]) -> OperationView:
    words = " ".join((spec.get("summary") or spec.get("description") or "").split())
    body = spec.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return OperationView(
        id=spec["operationId"],
        group=(spec.get("tags") or ["other"])[0],
        method=method.upper(),
        path=path,
        summary=words.replace("`", ""),
        parameters=tuple(_parameter(item) for item in spec.get("parameters", ())),
        body=tuple(_members(_resolve(body, components), components)),
    )


def _parameter(item: Mapping[str, Any]) -> Field:
    return Field(item["name"], _kind(item.get("schema", {})), bool(item.get("required")), item.get("description", ""))


def _members(schema: Mapping[str, Any], components: Mapping[str, Any]) -> list[Field]:
    required = set(schema.get("required", ()))
    return [
        Field(name, _kind(_resolve(member, components)), name in required, member.get("description", ""))
        for name, member in schema.get("properties", {}).items()
    ]


def _resolve(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows one reference, also where it stands alone in an `allOf` or beside a blank choice in a `oneOf`."""
    for several in ("allOf", "oneOf"):
        if schema.get(several):
            return _resolve(schema[several][0], components)
    reference = schema.get("$ref", "")
    return dict(components.get(reference.rpartition("/")[2], {})) if reference else schema


def _kind(schema: Mapping[str, Any]) -> str:
    choices = [str(choice) for choice in schema.get("enum", ()) if choice not in {"", None}]
    if choices:
        return " | ".join(choices)
    kind = str(schema.get("type", "object"))
    return f"{kind} of {schema['items'].get('type', 'object')}" if kind == "array" and "items" in schema else kind
