"""Writing content: `preupload` and `commit` (hub-api 2.6, 2.7)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from registry.access import services as access
from registry.catalogue import publishing
from registry.errors import InvalidError
from registry.http import PrincipalRequest
from registry.hub.bodies import BodyStream, json_object, text_field
from registry.hub.commit_body import CommitBody
from registry.hub.queries import query_bool
from registry.hub.responses import json_response, repository_url
from registry.hub.routing import RepositoryRoute
from registry.repositories import preupload as uploads
from registry.repositories import selectors, trees
from registry.repositories.models import Repository
from registry.repositories.paths import parse_path
from registry.repositories.preupload import UploadQuestion

MAX_FILES = 5000
_MAX_SAMPLE = 2000


def preupload(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /api/{T}/{id}/preupload/{rev}`: how to send each file, and what is there already."""
    _refuse_pull_requests(request)
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    commit = selectors.revision_resolve(repository, "/".join(route.rest))
    body = json_object(request)
    files = _questions(body)
    ignore = body.get("gitIgnore")
    if ignore is not None:
        ignore = text_field(body, "gitIgnore", limit=1024 * 1024)
    answers = uploads.plan(
        files,
        gitattributes=_text_of(commit, ".gitattributes"),
        gitignore=_text_of(commit, ".gitignore") if ignore is None else ignore.encode(),
        present={entry.path: entry.etag for entry in _present(commit, files)},
        max_regular_size=settings.MAX_REGULAR_FILE_SIZE,
    )
    return json_response({"files": [answer.as_dict() for answer in answers], "commitOid": commit})


def _questions(body: dict[str, Any]) -> list[UploadQuestion]:
    files = body.get("files")
    if not isinstance(files, list):
        raise InvalidError("`files` must be a list of files with `path`, `size` and `sample`", field="files")
    if len(files) > MAX_FILES:
        raise InvalidError(f"`files` has {len(files)} items; at most {MAX_FILES} are allowed", field="files")
    return [_question(item) for item in files]


def _question(item: Any) -> UploadQuestion:
    if not isinstance(item, dict):
        raise InvalidError("each of `files` must be an object", field="files")
    path, size = text_field(item, "path", limit=5000), item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidError(f"the size of `{path}` must be a number of bytes", field="size")
    try:
        sample = base64.b64decode(text_field(item, "sample", "", limit=_MAX_SAMPLE), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError(f"the sample of `{path}` is not base64", field="sample") from None
    return UploadQuestion(path=parse_path(path), size=size, sample=sample)


def _present(commit: str, files: list[UploadQuestion]) -> list[trees.Entry]:
    return [entry for entry in trees.entries_get(commit, [file.path for file in files]) if entry.kind == "file"]


def _text_of(commit: str, path: str) -> bytes:
    """Returns a small file's bytes; empty if it is not there."""
    for entry in trees.entries_get(commit, [path]):
        if entry.kind == "file" and entry.lfs is None:
            return trees.blob_bytes(entry.oid)
    return b""


def commit(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /api/{T}/{id}/commit/{rev}`: all operations in one commit, or nothing."""
    _refuse_pull_requests(request)
    repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    stream = BodyStream(request, settings.MAX_COMMIT_SIZE)
    copied: list[Repository] = []

    def may_copy(holder: Repository) -> bool:
        """Naming an object by its digest obtains it, so it passes the gate like a download."""
        decision = access.authorize_preview(principal=request.principal, action="download", repository=holder)
        if decision.allowed:
            copied.append(holder)
        return decision.allowed

    with CommitBody() as body:
        wanted = body.read(stream.read, max_file_size=settings.MAX_REGULAR_FILE_SIZE)
        result = publishing.commit_publish(
            principal=request.principal,
            repository=repository,
            branch="/".join(route.rest),
            operations=wanted.operations,
            title=wanted.header.summary,
            message=wanted.header.description,
            expected_parent=wanted.header.parent,
            validate_card=True,
            may_copy=may_copy,
        )
    for holder in copied:  # recorded once it has happened: a commit that fails takes nothing away
        head = holder.profile.head_oid
        access.authorize(principal=request.principal, action="download", repository=holder, commit=head)
    return json_response(
        {
            "success": True,
            "commitOid": result.oid,
            "commitUrl": f"{repository_url(request, repository)}/commit/{result.oid}",
            "hookOutput": "",
        }
    )


def _refuse_pull_requests(request: PrincipalRequest) -> None:
    if query_bool(request, "create_pr"):
        raise InvalidError(
            "pull requests are not offered by this hub yet: commit to a branch, without `create_pr`", field="create_pr"
        )
