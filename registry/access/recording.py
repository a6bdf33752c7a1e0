"""Stores what the gate answered: every denial and the first allow, repeats as a count.

A repeat within a minute is counted in the cache and written with the next one, so that reading a file again costs no
write. Only the recording is remembered, never the answer: each question is decided anew, on facts that stand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.licensing.codes import Code
from registry.licensing.decision import Decision
from registry.licensing.models import DecisionRecord
from registry.licensing.question import AccessQuestion
from registry.licensing.services import receipt_issue
from registry.repositories.models import Repository

REMEMBERED_SECONDS = 60
_COUNTED_SECONDS = 24 * 3600
# An allow of these hands something over, which a receipt proves.
_OBTAINING = frozenset({"download", "use", "modify", "export", "distribute"})
# Nothing was weighed for these: storing every probe of a name or every page view would only bury the rest.
_PASSING = frozenset({"view-metadata", "push"})


def decision_record(
    *, principal: Principal, repository: Repository, question: AccessQuestion, decision: Decision
) -> Decision:
    """Stores a decision and returns it with the record's id (empty for what is not stored)."""
    if decision.code is Code.NOT_FOUND or (decision.allowed and question.action in _PASSING):
        return decision
    fingerprint = _fingerprint(principal, repository, question, decision)
    key = f"gate:decision:{fingerprint}"
    known = cache.get(key)
    if known is None:
        known = _store(principal, repository, question, decision, fingerprint)
        cache.set(key, known, REMEMBERED_SECONDS)
    else:
        _count(key)
    return replace(decision, id=known)


def _fingerprint(principal: Principal, repository: Repository, question: AccessQuestion, decision: Decision) -> str:
    same = [
        principal.user_id, principal.organization_id, repository.pk, question.commit, question.action,
        decision.purpose, question.environment, decision.verdict.value, decision.code.value, decision.offer_id,
        decision.entitlement_id, decision.license_text_sha256,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(same).encode()).hexdigest()


def _count(key: str) -> None:
    try:
        cache.incr(f"{key}:repeats")
    except ValueError:  # the first repeat
        cache.set(f"{key}:repeats", 1, _COUNTED_SECONDS)


def _store(
    principal: Principal, repository: Repository, question: AccessQuestion, decision: Decision, fingerprint: str
) -> str:
    repeats = cache.get(f"gate:decision:{fingerprint}:repeats", 0)
    cache.delete(f"gate:decision:{fingerprint}:repeats")
    rows = DecisionRecord.objects.filter(fingerprint=fingerprint)
    known = rows.values_list("pk", flat=True).first()
    if known is not None:
        rows.update(count=F("count") + 1 + repeats, last_at=timezone.now())
        return known
    try:
        with transaction.atomic():
            return _create(principal, repository, question, decision, fingerprint)
    except IntegrityError:  # another process stored the same answer first
        rows.update(count=F("count") + 1, last_at=timezone.now())
        return rows.values_list("pk", flat=True).get()


def _create(
    principal: Principal, repository: Repository, question: AccessQuestion, decision: Decision, fingerprint: str
) -> str:
    record = DecisionRecord(
        fingerprint=fingerprint,
        user_id=principal.user_id,
        token_id=principal.token_id,
        organization_id=principal.organization_id,
        repository=repository,
        repository_name=f"{repository.type}:{repository.full_name}",
        commit=question.commit,
        action=question.action,
        purpose=decision.purpose,
        environment=question.environment,
        verdict=decision.verdict.value,
        code=decision.code.value,
        engine_version=decision.engine_version,
    )
    record.decision = replace(decision, id=record.pk).as_dict() | {"id": record.pk}
    record.save(force_insert=True)
    if decision.allowed and principal.user_id is not None and question.action in _OBTAINING:
        receipt_issue(principal=principal, record=record, decision=decision)
    return record.pk
