"""Headers of a sharded checkpoint in one answer (hub-api 1.9)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from registry.access import services as access
from registry.catalogue.facts import read_json_object, shard_names
from registry.catalogue.safetensors import HeaderError, safetensors_header
from registry.errors import InvalidError
from registry.http import PrincipalRequest
from registry.hub.responses import json_response
from registry.hub.revisions import commit_and_rest_read
from registry.hub.routing import RepositoryRoute
from registry.repositories import trees
from registry.repositories.errors import EntryNotFoundError
from registry.repositories.reading import repository_read
from registry.storage.digests import parse_sha256
from registry.storage.stores import get_store

MAX_SHARDS = 500


def metadata(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/models/{id}/safetensors-metadata/{path}`: of the index at the head of `main`."""
    path = "/".join(route.rest)
    reading = repository_read(request.principal, route.type, route.full_name)
    commit, _ = commit_and_rest_read(reading, ())
    decision = access.require(
        principal=request.principal,
        action="download",
        repository=reading.repository,
        commit=commit,
        paths=(path,),
        snapshot=reading.snapshot,
    )
    entry = trees.entry_get(commit, path)
    index = read_json_object(trees.blob_bytes(entry.oid)) if entry.kind == "file" and entry.lfs is None else None
    shards = shard_names(index)
    if not shards or len(shards) > MAX_SHARDS:
        raise InvalidError(f"`{path}` is no index of 1 to {MAX_SHARDS} safetensors files", field="path")
    folder = path.rpartition("/")[0]
    entries = trees.entries_get(commit, [f"{folder}/{name}" if folder else name for name in shards])
    if len(entries) != len(shards):
        raise EntryNotFoundError(f"a file that `{path}` names is missing")
    headers = {name: _header(entry) for name, entry in zip(shards, entries, strict=True)}
    payload = {"index": {"metadata": (index or {}).get("metadata")}, "headers": headers}
    return json_response(payload, headers=access.headers_of(decision))


def _header(entry: trees.Entry) -> dict[str, Any]:
    if entry.lfs is None:
        data = trees.blob_bytes(entry.oid)

        def read_range(start: int, length: int) -> bytes:
            return data[start : start + length]
    else:
        sha256 = parse_sha256(entry.lfs.sha256)

        def read_range(start: int, length: int) -> bytes:
            with get_store().open(sha256, start) as stream:
                return stream.read(length)

    try:
        return safetensors_header(read_range, entry.size)
    except HeaderError as error:
        raise InvalidError(f"`{entry.path}`: {error}", field="path") from error
