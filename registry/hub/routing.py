"""Addresses of the hub API taken apart: from the raw request line, because names may hold encoded slashes.

Pure. WSGI's PATH_INFO is already decoded, so `/tree/refs%2Fpr%2F1/a%2Fb` could not be told from `/tree/refs/pr/1/a/b`
(hub-api 0.1 and 9.1). gunicorn keeps the raw path in `RAW_URI`, uWSGI and mod_wsgi in `REQUEST_URI`; without either,
callers resolve the revision greedily (`registry.hub.revisions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from registry.errors import BadRequestError

TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass(frozen=True, slots=True)
class RepositoryRoute:
    """What an address says: which repository, what to do with it, and what follows.

    Attributes:
        type: `model`, `dataset` or `space`.
        full_name: `namespace/name`, or a single name as old clients send it; not yet checked.
        action: first word after the id (`tree`, `resolve`, …); empty for the repository itself.
        rest: the decoded segments after the action; one may contain `/`.
    """

    type: str
    full_name: str
    action: str
    rest: tuple[str, ...]


def raw_segments(environ: Mapping[str, Any], path_info: str) -> tuple[str, ...]:
    """Returns the decoded segments of the request's path, split at the slashes that were really sent.

    Raises:
        BadRequestError: a segment is not percent-encoded UTF-8.
    """
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not raw:
        return tuple(path_info.lstrip("/").split("/"))
    path = urlsplit(raw).path if "://" in raw[:8] else raw.partition("?")[0]
    path = path.removeprefix(environ.get("SCRIPT_NAME", ""))
    try:
        return tuple(
            unquote(segment, errors="strict") if "%" in segment else segment for segment in path.lstrip("/").split("/")
        )
    except UnicodeDecodeError:
        raise BadRequestError("the address is not percent-encoded UTF-8") from None


def split_api(segments: tuple[str, ...], actions: frozenset[str]) -> RepositoryRoute | None:
    """Reads `api/{T}/{id}[/{action}[/…]]`; None if it has no such form.

    An id is `namespace/name` or, for old clients, one name (hub-api 0.1). Two segments are always an id, so that a
    repository may be called like an action.
    """
    if len(segments) < 3 or segments[1] not in TYPES:  # noqa: PLR2004 (`api`, type, id)
        return None
    kind, rest = TYPES[segments[1]], segments[2:]
    if rest[-1] == "" and len(rest) > 1:  # a trailing slash
        rest = rest[:-1]
    if len(rest) <= 2:  # noqa: PLR2004 (namespace, name)
        return RepositoryRoute(kind, "/".join(rest), "", ())
    if rest[2] in actions:
        return RepositoryRoute(kind, f"{rest[0]}/{rest[1]}", rest[2], rest[3:])
    if rest[1] in actions:
        return RepositoryRoute(kind, rest[0], rest[1], rest[2:])
    return None


def split_web(segments: tuple[str, ...], actions: frozenset[str]) -> RepositoryRoute | None:
    """Reads `[datasets/|spaces/]{id}/{action}/…`, where files are downloaded and access is asked for."""
    kind = "model"
    if segments and segments[0] in TYPES:
        kind, segments = TYPES[segments[0]], segments[1:]
    for length in (2, 1):
        if len(segments) > length and segments[length] in actions:
            return RepositoryRoute(kind, "/".join(segments[:length]), segments[length], segments[length + 1 :])
    return None


def split_lfs(segments: tuple[str, ...]) -> RepositoryRoute | None:
    """Reads `[datasets/|spaces/]{id}[.git]/info/lfs/{objects|locks}/…`; the action follows `lfs` (3.2)."""
    route = split_web(segments, frozenset({"info"}))
    if route is None or len(route.rest) < 2 or route.rest[0] != "lfs":  # noqa: PLR2004 (`lfs` and a word)
        return None
    return RepositoryRoute(route.type, route.full_name.removesuffix(".git"), "/".join(route.rest[1:]), ())
