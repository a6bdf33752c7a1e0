"""Downloads: `resolve` (the most important route of all) and `raw` (hub-api 1.1).

Order of checks: token, visibility of the repository, gate, revision, entry (hub-api 0.4). Small files are answered
here; everything else is a redirect to a signed link, since slow readers must not hold the API's threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.http import HttpResponse

from registry.access import services as access
from registry.catalogue import counters
from registry.errors import RangeError
from registry.http import PrincipalRequest
from registry.hub.content_types import content_type_of
from registry.hub.queries import query_bool
from registry.hub.ranges import etag_matches, parse_range, range_applies
from registry.hub.revisions import commit_and_rest_read
from registry.hub.routing import RepositoryRoute
from registry.repositories import trees
from registry.repositories.errors import EntryNotFoundError, RevisionNotFoundError
from registry.repositories.models import Repository
from registry.repositories.pointers import LfsPointer
from registry.repositories.reading import repository_read
from registry.storage import links
from registry.storage.content_disposition import content_disposition

# What libraries fetch once per load: clients before 2.0 do not mark downloads, so these stand for one (hub-api 1.1).
QUERY_FILES = frozenset(
    {
        "config.json",
        "adapter_config.json",
        "model_index.json",
        "config_sentence_transformers.json",
        "hubconf.py",
        "saved_model.pb",
        "README.md",
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a download address means, after every check.

    Attributes:
        headers: of every answer: `X-Repo-Commit` and the decision.
    """

    repository: Repository
    commit: str
    path: str
    entry: trees.Entry
    headers: dict[str, str]


def resolve(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET|HEAD /{prefix}{id}/resolve/{rev}/{path}`."""
    target = _target(request, route)
    _count(request, target)
    if target.entry.lfs is None:
        return _git_blob(request, target, content_type_of(target.path))
    return _large_object(request, target, target.entry.lfs)


def raw(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET|HEAD /{prefix}{id}/raw/{rev}/{path}`: the git blob, for an LFS file its pointer."""
    return _git_blob(request, _target(request, route), "text/plain; charset=utf-8")


def _target(request: PrincipalRequest, route: RepositoryRoute) -> Target:
    principal = request.principal
    reading = repository_read(principal, route.type, route.full_name)
    repository, snapshot = reading.repository, reading.snapshot
    try:
        commit, rest = commit_and_rest_read(reading, route.rest)
    except RevisionNotFoundError:
        # The gate comes first: who may not read is not told which revisions exist.
        access.require(principal=principal, action="download", repository=repository, commit="", snapshot=snapshot)
        raise
    path = "/".join(rest)
    decision = access.require(
        principal=principal, action="download", repository=repository, commit=commit, paths=(path,), snapshot=snapshot
    )
    headers = {"X-Repo-Commit": commit, **access.headers_of(decision)}
    try:
        entry = trees.entry_get(commit, path)
    except EntryNotFoundError as error:
        # The client remembers under this commit that the file does not exist (hub-api 1.1).
        error.details.setdefault("headers", {}).update(headers)
        raise
    if entry.kind != "file":
        raise EntryNotFoundError(f"`{path}` is a folder at this revision", headers=headers)
    return Target(repository, commit, path, entry, headers)


def _count(request: PrincipalRequest, target: Target) -> None:
    if request.headers.get("X-HF-Download-Counter") or target.path.rpartition("/")[2] in QUERY_FILES:
        counters.download_record(repository=target.repository, principal=request.principal)


def _git_blob(request: PrincipalRequest, target: Target, content_type: str) -> HttpResponse:
    """Answers with the blob itself, or with a redirect if it lies in the object store."""
    entry = target.entry
    size = entry.lfs.pointer_size if entry.lfs is not None else entry.size
    headers = {
        **target.headers,
        "ETag": f'"{entry.oid}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(request, target.path),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if etag_matches(request.headers.get("If-None-Match"), entry.oid):
        return HttpResponse(status=304, headers=headers)
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers={**headers, "Content-Length": str(size)})
    if entry.stored_sha256 is not None and entry.lfs is None:
        link = _link(request, target.path, entry.stored_sha256, content_type)
        return HttpResponse(status=302, headers={**headers, "Location": link, "Cache-Control": "no-store"})
    return _bytes(request, trees.blob_bytes(entry.oid), entry.oid, content_type, headers)


def _bytes(
    request: PrincipalRequest, data: bytes, etag: str, content_type: str, headers: dict[str, str]
) -> HttpResponse:
    wanted = request.headers.get("Range")
    if not range_applies(request.headers.get("If-Range"), etag):
        wanted = None
    try:
        span = parse_range(wanted, len(data))
    except RangeError as error:
        error.details["headers"].update(headers)
        raise
    if span is None:
        return HttpResponse(data, content_type=content_type, headers={**headers, "Content-Length": str(len(data))})
    start, stop = span
    headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Content-Length": str(stop - start)}
    return HttpResponse(data[start:stop], status=206, content_type=content_type, headers=headers)


def _large_object(request: PrincipalRequest, target: Target, lfs: LfsPointer) -> HttpResponse:
    """Answers for an LFS file: HEAD with everything a client needs, GET with a redirect to the bytes."""
    headers = {
        **target.headers,
        "ETag": f'"{lfs.sha256}"',
        "X-Linked-Etag": f'"{lfs.sha256}"',
        "X-Linked-Size": str(lfs.size),
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(request, target.path),
    }
    if etag_matches(request.headers.get("If-None-Match"), lfs.sha256):
        return HttpResponse(status=304, headers=headers)
    content_type = content_type_of(target.path)
    if request.method == "HEAD":  # 200, not a redirect: right for every line of clients (hub-api 1.1)
        return HttpResponse(content_type=content_type, headers={**headers, "Content-Length": str(lfs.size)})
    link = _link(request, target.path, lfs.sha256, content_type)
    return HttpResponse(status=302, headers={**headers, "Location": link, "Cache-Control": "no-store"})


def _disposition(request: PrincipalRequest, path: str) -> str:
    # The closing semicolon is what huggingface_hub's pattern looks for (constants.py, HEADER_FILENAME_PATTERN).
    return content_disposition(_kind(request), path.rpartition("/")[2]) + ";"


def _kind(request: PrincipalRequest) -> Literal["inline", "attachment"]:
    return "attachment" if query_bool(request, "download") else "inline"


def _link(request: PrincipalRequest, path: str, sha256: str, content_type: str) -> str:
    return links.object_link(
        sha256=sha256,
        filename=path.rpartition("/")[2],
        content_type=content_type,
        disposition=_kind(request),
    )
