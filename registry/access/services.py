"""The one door: gathers the facts, asks the gate, records the answer. No view decides by itself.

Fail-closed: whatever goes wrong while facts are gathered is a refusal, never an allow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from registry.access.errors import GateDeniedError, GateUnavailableError
from registry.access.facts import asker_of, gather
from registry.access.recording import decision_record
from registry.accounts.principal import Principal
from registry.epochs.snapshots import Snapshot
from registry.errors import DomainError, InvalidError
from registry.licensing.codes import Code
from registry.licensing.decision import Decision
from registry.licensing.gate import decide
from registry.licensing.question import ACTIONS, PURPOSES, AccessQuestion, Facts
from registry.repositories.errors import RepositoryDisabledError, RepositoryNotFoundError
from registry.repositories.models import Repository

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5


def authorize(
    *,
    principal: Principal,
    action: str,
    repository: Repository,
    commit: str,
    paths: Sequence[str] = (),
    purpose: str = "",
    environment: str = "",
    snapshot: Snapshot | None = None,
) -> Decision:
    """Decides and records.

    Args:
        principal: who asks.
        action: one of `question.ACTIONS`.
        repository: the row, with `profile` selected.
        commit: id of the commit that is asked for; empty before one is known.
        paths: files asked for, if only some.
        purpose: what it is for; the token's own purpose comes first, then this, then the profile's default.
        environment: where it will run; the token's own comes first.
        snapshot: epochs of a `repositories.reading.Reading`; facts remembered under them need not be read again.

    Raises:
        InvalidError: the action or purpose is none that the gate knows.
        GateUnavailableError: the facts cannot be read now.
    """
    question = _question(principal, action, repository, purpose, commit=commit, paths=paths, environment=environment)
    decision = _decide(principal, question, repository, snapshot)
    try:
        return decision_record(principal=principal, repository=repository, question=question, decision=decision)
    except Exception as error:  # an answer that leaves no trace is not given
        raise _unavailable(error) from error


def authorize_preview(
    *, principal: Principal, action: str, repository: Repository, purpose: str = "", environment: str = ""
) -> Decision:
    """Decides without recording: what would be answered, for a page or a check before the act.

    Raises:
        InvalidError: the action or purpose is none that the gate knows.
        GateUnavailableError: the facts cannot be read now.
    """
    question = _question(principal, action, repository, purpose, environment=environment)
    return _decide(principal, question, repository)


def preview(
    principal: Principal, repositories: Iterable[Repository], purpose: str = "", action: str = "download"
) -> dict[int, Decision]:
    """Decides for a whole list at once without recording, in the same two queries.

    Returns:
        Decisions by the repositories' primary keys.

    Raises:
        InvalidError: the action or purpose is none that the gate knows.
        GateUnavailableError: the facts cannot be read now.
    """
    rows = list(repositories)
    questions = {row.pk: _question(principal, action, row, purpose) for row in rows}
    facts = _gather(principal, rows, action)
    now = timezone.now()
    return {pk: decide(question, facts[pk], now) for pk, question in questions.items()}


def require(
    *,
    principal: Principal,
    action: str,
    repository: Repository,
    commit: str,
    paths: Sequence[str] = (),
    purpose: str = "",
    environment: str = "",
    snapshot: Snapshot | None = None,
) -> Decision:
    """Decides, records, and raises unless the answer is to go ahead. Arguments as of `authorize`.

    Raises:
        RepositoryNotFoundError: the caller may not know of the repository.
        RepositoryDisabledError: an operator disabled it.
        GateDeniedError: anything else that is refused, with the decision in its details.
        GateUnavailableError: the facts cannot be read now.
    """
    decision = authorize(
        principal=principal,
        action=action,
        repository=repository,
        commit=commit,
        paths=paths,
        purpose=purpose,
        environment=environment,
        snapshot=snapshot,
    )
    if not decision.allowed:
        raise refusal_of(decision, repository)
    return decision


def refusal_of(decision: Decision, repository: Repository) -> DomainError:
    """Returns the error that says a refusal to every kind of client (hub-api 0.4)."""
    if decision.code is Code.NOT_FOUND:
        return RepositoryNotFoundError(f"there is no {repository.type} `{repository.full_name}`")
    if decision.code is Code.REPOSITORY_DISABLED:
        return RepositoryDisabledError()
    url = _license_url(repository)
    # Clients match the first two sentences; the third is the reason.
    message = (
        f"Access to {repository.type} {repository.full_name} is restricted and you are not in the authorized list. "
        f"Visit {url} to ask for access. {decision.sentence[:1].upper()}{decision.sentence[1:]}."
    )
    plain = decision.as_dict()
    return GateDeniedError(
        message,
        url=url,
        decision=plain,
        decision_code=decision.code.value,
        reasons=plain["reasons"],
        remedies=plain["remedies"],
        headers={**headers_of(decision), "Link": f'<{url}>; rel="license"'},
    )


def headers_of(decision: Decision) -> dict[str, str]:
    """Returns the headers that every answer of a door carries."""
    headers = {"X-Decision-Code": decision.code.value}
    if decision.id:
        headers["X-Decision-Id"] = decision.id
    if decision.inputs is not None:
        headers["Link"] = f'<{settings.PUBLIC_URL}{decision.inputs[1].page}/license>; rel="license"'
    return headers


def _license_url(repository: Repository) -> str:
    prefix = "" if repository.type == "model" else f"{repository.type}s/"
    return f"{settings.PUBLIC_URL}/{prefix}{repository.full_name}/license"


def _question(principal: Principal, action: str, repository: Repository, purpose: str, **more: Any) -> AccessQuestion:
    if action not in ACTIONS:
        raise InvalidError(f"`{action}` is no action: use {', '.join(ACTIONS)}", field="action")
    if purpose and purpose not in PURPOSES:
        raise InvalidError(f"`{purpose}` is no purpose: use {', '.join(PURPOSES)}", field="purpose")
    environment = principal.environment or more.pop("environment", "")
    more.pop("environment", None)
    more["paths"] = tuple(more.get("paths", ()))
    return AccessQuestion(
        asker=asker_of(principal),
        action=action,
        repository=f"{repository.type} {repository.full_name}",
        purpose=purpose,
        environment=environment,
        **more,
    )


def _decide(
    principal: Principal, question: AccessQuestion, repository: Repository, snapshot: Snapshot | None = None
) -> Decision:
    facts = _gather(principal, [repository], question.action, snapshot)[repository.pk]
    return decide(question, facts, timezone.now())


def _gather(
    principal: Principal, repositories: Sequence[Repository], action: str, snapshot: Snapshot | None = None
) -> Mapping[int, Facts]:
    try:
        return gather(principal, repositories, action, snapshot)
    except Exception as error:  # fail closed: what cannot be looked up is refused
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> GateUnavailableError:
    logger.error("the gate could not weigh a question: %s", type(error).__name__, exc_info=error)
    return GateUnavailableError(
        "the license gate cannot weigh this now, so nothing is handed out; try again shortly",
        retry_after=RETRY_SECONDS,
    )
