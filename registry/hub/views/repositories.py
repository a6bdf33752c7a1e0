"""Repository info: what a repository is at a revision (hub-api 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from registry.catalogue.cards import parse_card
from registry.catalogue.models import LineageEdge
from registry.http import PrincipalRequest
from registry.hub.payloads import Subject, info_properties, repository_payload, sibling_payload
from registry.hub.queries import query_bool, query_list
from registry.hub.responses import json_response
from registry.hub.revisions import commit_and_rest_read
from registry.hub.routing import RepositoryRoute
from registry.repositories import trees
from registry.repositories.errors import EntryNotFoundError, RevisionNotFoundError
from registry.repositories.models import Repository
from registry.repositories.reading import repository_read


def info(request: PrincipalRequest, route: RepositoryRoute) -> HttpResponse:
    """Answers `GET /api/{T}/{id}` and `GET /api/{T}/{id}/revision/{rev}`."""
    wanted = info_properties(route.type, query_list(request, "expand"))
    reading = repository_read(request.principal, route.type, route.full_name)
    commit, rest = commit_and_rest_read(reading, route.rest)
    if rest:
        raise RevisionNotFoundError(f"Invalid rev id: {'/'.join(route.rest)}")
    subject = subject_of(reading.repository, commit, blobs=bool(query_bool(request, "blobs")))
    payload = repository_payload(subject, wanted)
    if query_bool(request, "securityStatus") and route.type == "model":
        payload["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return json_response(payload)


def subject_of(repository: Repository, commit: str, *, blobs: bool = False) -> Subject:
    """Returns what the payload needs; files and lineage are read only if a property wants them."""

    def siblings() -> list[dict[str, Any]]:
        files = (entry for entry in trees.list_recursive(commit) if entry.kind == "file")
        return [sibling_payload(entry, blobs=blobs) for entry in files]

    return Subject(
        repository=repository,
        sha=commit,
        card=_card(repository, commit),
        siblings=siblings,
        lineage=lambda name: lineage_value(repository, name),
    )


def _card(repository: Repository, commit: str) -> Mapping[str, Any] | None:
    """Returns the front matter at a commit: the profile has that of `main`'s head, others are read from the file."""
    profile = repository.profile
    if commit == profile.head_oid:
        data: Mapping[str, Any] | None = profile.card_data
        return data
    try:
        entry = trees.entry_get(commit, "README.md")
    except EntryNotFoundError:
        return None
    if entry.kind != "file" or entry.lfs is not None:
        return None
    return parse_card(trees.blob_bytes(entry.oid).decode("utf-8", "replace")).data


def lineage_value(repository: Repository, name: str) -> Any:
    """Returns `baseModels` (relation and ids) or `childrenModelCount`; None where there is nothing to say."""
    edges = LineageEdge.objects.exclude(relation=LineageEdge.Relation.DATASET)
    if name == "childrenModelCount":
        return edges.filter(base=repository, repository__visibility="public").count()
    bases = list(edges.filter(repository=repository).values_list("relation", "base_name"))
    if not bases:
        return None
    return {"relation": bases[0][0], "models": [{"id": base} for _, base in bases]}
