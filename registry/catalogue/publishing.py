"""Publishing: create a repository or commit to it, with profile and audit entry in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.catalogue.card_rules import SPACE_SDKS
from registry.catalogue.cards import MAX_CARD, validate
from registry.catalogue.lineage import edges_resolve
from registry.catalogue.object_facts import stored_parameters
from registry.catalogue.profiles import profile_refresh
from registry.errors import InvalidError
from registry.repositories.commits import (
    AddFile,
    CommitResult,
    MayCopy,
    Operation,
    PreparedOperations,
    commit_create,
    operations_prepare,
)
from registry.repositories.models import Repository
from registry.repositories.revisions import DEFAULT_BRANCH, branch_ref, revision_resolve
from registry.repositories.services import repository_create


def repository_publish(  # noqa: PLR0913 (one keyword for each part of the request)
    *,
    principal: Principal,
    type: str,  # noqa: A002 (the domain's word)
    namespace: str | None,
    name: str,
    private: bool | None = None,
    space_sdk: str = "",
    files: tuple[AddFile, ...] = (),
) -> Repository:
    """Creates a repository with its profile (hub-api 2.1).

    All but `space_sdk` is as for `repositories.services.repository_create`; a space's README and, for a static one, its
    first page come with the initial commit.

    Raises:
        InvalidError: type, name or sdk is not acceptable.
        AuthenticationError, DeniedError: the caller may not create there.
        RepositoryExistsError: it exists; details carry its `url`.
    """
    if space_sdk and space_sdk not in SPACE_SDKS:
        raise InvalidError(f"`{space_sdk[:100]}` is no sdk: use one of {', '.join(SPACE_SDKS)}", field="sdk")
    with transaction.atomic():
        repository = repository_create(
            principal=principal,
            type=type,
            namespace=namespace,
            name=name,
            private=private,
            files=(*(_space_files(name, space_sdk) if type == "space" and space_sdk else ()), *files),
        )
        head = revision_resolve(repository, DEFAULT_BRANCH)
        profile_refresh(repository, head)
        edges_resolve(repository)
        facts = {"type": repository.type, "name": repository.full_name, "private": repository.is_private, "head": head}
        audit_record(action="repository.create", target=_target(repository), principal=principal, details=facts)
    return repository


def _space_files(name: str, sdk: str) -> tuple[AddFile, ...]:
    files = [AddFile("README.md", f"---\ntitle: {name}\nsdk: {sdk}\n---\n".encode())]
    if sdk == "static":
        page = f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        page += f'<link rel="stylesheet" href="style.css">\n</head>\n<body>\n<h1>{name}</h1>\n</body>\n</html>\n'
        files.append(AddFile("index.html", page.encode()))
        files.append(AddFile("style.css", b"body {\n  font-family: sans-serif;\n  margin: 2rem;\n}\n"))
    return tuple(files)


def _target(repository: Repository) -> str:
    return f"{repository.type}:{repository.full_name}"


def commit_publish(  # noqa: PLR0913 (one keyword for each part of a commit)
    *,
    principal: Principal,
    repository: Repository,
    branch: str,
    operations: Iterable[Operation],
    title: str,
    message: str = "",
    expected_parent: str | None = None,
    validate_card: bool = False,
    may_copy: MayCopy | None = None,
) -> CommitResult:
    """Commits, and in the same transaction refreshes the profile (for `main`) and audits.

    Slow work comes before the transaction: bytes are stored, and new weights' headers read.

    All but `validate_card` is as for `commit_create`. With it, a README whose front matter is not acceptable is refused
    (hub-api 2.7); without, it is kept and the profile says what is wrong.

    Raises:
        InvalidError: a README was refused, or as for `commit_create`, with all its other errors.
    """
    listed = list(operations)
    if validate_card:
        _check_cards(listed, repository.type)
    prepared: PreparedOperations = operations_prepare(listed)
    stored_parameters(sha256 for sha256, path in prepared.claims.items() if path.endswith(".safetensors"))
    with transaction.atomic():
        result = commit_create(
            principal=principal,
            repository=repository,
            branch=branch,
            operations=prepared,
            title=title,
            message=message,
            expected_parent=expected_parent,
            may_copy=may_copy,
        )
        if not result.changed:
            return result
        ref = branch_ref(branch)
        if ref == branch_ref(DEFAULT_BRANCH):
            profile_refresh(repository, result.oid)
        facts = {
            "type": repository.type,
            "name": repository.full_name,
            "ref": ref,
            "old": result.parent,
            "new": result.oid,
        }
        audit_record(action="repository.commit", target=_target(repository), principal=principal, details=facts)
    return result


def _check_cards(operations: list[Operation], repository_type: str) -> None:
    for item in operations:
        if not isinstance(item, AddFile) or item.path != "README.md":
            continue
        data = item.data
        if not isinstance(data, bytes):
            stream, data = data, data.read(MAX_CARD)
            stream.seek(0)
        errors, _ = validate(data.decode("utf-8", "replace"), repository_type)
        if errors:
            raise InvalidError(
                f"Invalid metadata in README.md: {'; '.join(errors)}", errors=[{"message": text} for text in errors]
            )
