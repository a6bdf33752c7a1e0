"""Git LFS: where to send large files and where to fetch them (hub-api 3.2). Bytes go to the data plane, never here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from registry.access import services as access
from registry.errors import DeniedError, InvalidError, NotFoundError
from registry.http import PrincipalRequest
from registry.hub import lfs_batch
from registry.hub.bodies import json_object
from registry.hub.dispatch import RepositoryHandler, lfs_errors
from registry.hub.lfs_batch import BatchObject, BatchRequest
from registry.hub.responses import LFS_TYPE, json_response, repository_url
from registry.hub.routing import RepositoryRoute
from registry.repositories import selectors
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.models import Repository, RepositoryObject
from registry.repositories.reading import Reading, repository_read
from registry.storage import links

_VERIFY_SALT = "lfs-verify"


def batch(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST /{prefix}{id}.git/info/lfs/objects/batch`."""
    wanted = lfs_batch.parse_batch(json_object(request))
    if wanted.operation == "upload":
        repository = selectors.repository_get(request.principal, route.type, route.full_name, need="write")
        transfer, objects = _upload(request, repository, wanted)
    else:
        reading = repository_read(request.principal, route.type, route.full_name)
        transfer, objects = "basic", _download(request, reading, wanted)
    return _lfs_response({"transfer": transfer, "objects": objects, "hash_algo": "sha256"})


def _upload(
    request: PrincipalRequest, repository: Repository, wanted: BatchRequest
) -> tuple[str, list[dict[str, Any]]]:
    """Answers where to send each object that the repository does not hold yet.

    A batch with one object over the threshold goes in parts as a whole, since `transfer` is one for all of it.
    """
    held = _held(repository, wanted.objects)
    largest = max(item.size for item in wanted.objects)
    multipart = "multipart" in wanted.transfers and largest > settings.MULTIPART_THRESHOLD
    answers = []
    for item in wanted.objects:
        if item.oid in held:
            answers.append(_already_there(item, held[item.oid][0]))
        elif item.size > settings.MAX_OBJECT_SIZE:
            message = f"the object has {item.size} bytes; at most {settings.MAX_OBJECT_SIZE} are allowed"
            answers.append(lfs_batch.refusal(item, HTTPStatus.UNPROCESSABLE_ENTITY, message))
        else:
            upload = _upload_action(request, repository, item, multipart=multipart and item.size > 0)
            verify = {"href": _verify_link(request, repository, item)}
            answers.append(lfs_batch.answer(item, {"upload": upload, "verify": verify}))
    return ("multipart" if multipart else "basic"), answers


def _already_there(item: BatchObject, size: int) -> dict[str, Any]:
    if size != item.size:
        message = f"the object with this hash has {size} bytes, not {item.size}"
        return lfs_batch.refusal(item, HTTPStatus.UNPROCESSABLE_ENTITY, message)
    return lfs_batch.answer(item)


def _upload_action(
    request: PrincipalRequest, repository: Repository, item: BatchObject, *, multipart: bool
) -> dict[str, Any]:
    user_id = request.principal.user_id
    if user_id is None:  # repository_get has refused anonymous writers
        raise DeniedError("only a signed-in user may upload")
    lifetime = links.UPLOAD_LIFETIME_SECONDS
    if not multipart:
        href = links.upload_link(sha256=item.oid, size=item.size, repository_id=repository.pk, user_id=user_id)
        return lfs_batch.upload_action(href, lifetime)
    chunk = lfs_batch.chunk_size(item.size, settings.MULTIPART_CHUNK_SIZE)
    href, parts = links.multipart_links(
        sha256=item.oid, size=item.size, repository_id=repository.pk, user_id=user_id, chunk_size=chunk
    )
    return lfs_batch.upload_action(href, lifetime, parts, chunk)


def _verify_link(request: PrincipalRequest, repository: Repository, item: BatchObject) -> str:
    # Signed, because git-lfs sends no credentials to actions of an answer that says `authenticated`.
    token = links.sign_claims(
        {"repository": repository.pk, "sha256": item.oid}, salt=_VERIFY_SALT, expires_in=links.UPLOAD_LIFETIME_SECONDS
    )
    return f"{repository_url(request, repository)}.git/info/lfs/objects/verify?token={token}"


def _download(request: PrincipalRequest, reading: Reading, wanted: BatchRequest) -> list[dict[str, Any]]:
    """Answers where to fetch each object, once the gate has said yes."""
    repository = reading.repository
    try:
        commit = selectors.revision_resolve(repository, wanted.ref or None)
    except RevisionNotFoundError:
        commit = ""  # the ref is a hint of the client's; the objects decide what is there
    access.require(
        principal=request.principal,
        action="download",
        repository=repository,
        commit=commit,
        snapshot=reading.snapshot,
    )
    held = _held(repository, wanted.objects)
    may_write = selectors.may(request.principal, repository, "write")
    return [_download_answer(item, held.get(item.oid), may_write=may_write) for item in wanted.objects]


def _download_answer(item: BatchObject, held: tuple[int, bool] | None, *, may_write: bool) -> dict[str, Any]:
    # What no commit names yet is visible to those alone who could have uploaded it (hub-api 3.2).
    if held is None or not (held[1] or may_write):
        return lfs_batch.refusal(item, HTTPStatus.NOT_FOUND, "this repository has no such object")
    href = links.object_link(sha256=item.oid, filename=item.oid)
    action = {"href": href, "expires_in": settings.LINK_LIFETIME_SECONDS}
    return lfs_batch.answer(BatchObject(item.oid, held[0]), {"download": action})


def _held(repository: Repository, objects: tuple[BatchObject, ...]) -> dict[str, tuple[int, bool]]:
    """Returns sha256 -> (size, whether a commit names it) of those objects that the repository holds."""
    rows = RepositoryObject.objects.filter(
        repository=repository, large_object_id__in={item.oid for item in objects}
    ).values_list("large_object_id", "large_object__size", "referenced_at")
    return {sha256: (size, referenced_at is not None) for sha256, size, referenced_at in rows}


def verify(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST …/objects/verify`: 200 if the object has arrived with this size."""
    del route  # the signed token says which repository
    claims = links.read_claims(request.GET.get("token", ""), salt=_VERIFY_SALT)
    item = lfs_batch.parse_object(json_object(request))
    if item.oid != claims["sha256"]:
        raise InvalidError("this address verifies another object", field="oid")
    size = (
        RepositoryObject.objects.filter(repository_id=claims["repository"], large_object_id=item.oid)
        .values_list("large_object__size", flat=True)
        .first()
    )
    if size is None:
        raise NotFoundError("the object has not arrived: upload it again")
    if size != item.size:
        raise InvalidError(f"the object has {size} bytes, not {item.size}", field="size")
    return _lfs_response({})


def locks(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET …/locks`: nobody holds a lock here."""
    selectors.repository_get(request.principal, route.type, route.full_name, need="read")
    return _lfs_response({"locks": []})


def locks_verify(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `POST …/locks/verify`, which git-lfs asks before each push."""
    selectors.repository_get(request.principal, route.type, route.full_name, need="write")
    return _lfs_response({"ours": [], "theirs": []})


def _lfs_response(payload: dict[str, Any]) -> HttpResponse:
    response = json_response(payload)
    response["Content-Type"] = LFS_TYPE
    return response


ACTIONS: dict[str, dict[str, RepositoryHandler]] = {
    "objects/batch": {"POST": lfs_errors(batch)},
    "objects/verify": {"POST": lfs_errors(verify)},
    "locks": {"GET": lfs_errors(locks)},
    "locks/verify": {"POST": lfs_errors(locks_verify)},
}
