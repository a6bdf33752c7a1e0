"""Receipts: signed proof of what somebody obtained, under which text, with which duties."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.licensing import signing
from registry.licensing.decision import Decision
from registry.licensing.models import DecisionRecord, Receipt, new_receipt_id


def receipt_issue(*, principal: Principal, record: DecisionRecord, decision: Decision) -> Receipt:
    """Signs and stores the receipt of a first allow, inside the caller's transaction.

    Claims: `iss`, `sub` (holder), `jti`, `iat`, `repository`, `commit`, `action`, `purpose`, `license`,
    `text_sha256`, `acceptance`, `offer`, `entitlement`, `duties`, `decision`.
    """
    receipt_id = new_receipt_id()
    now = timezone.now()
    claims: dict[str, Any] = {
        "iss": settings.PUBLIC_URL,
        "sub": principal.username,
        "jti": receipt_id,
        "iat": int(now.timestamp()),
        "repository": record.repository_name,
        "commit": record.commit,
        "action": record.action,
        "purpose": record.purpose,
        "license": decision.license,
        "text_sha256": decision.license_text_sha256,
        "acceptance": decision.acceptance_id,
        "offer": decision.offer_id,
        "entitlement": decision.entitlement_id,
        "duties": [{"code": duty.code, "license": duty.license, "clause": duty.clause} for duty in decision.duties],
        "decision": record.pk,
    }
    return Receipt.objects.create(
        pk=receipt_id,
        decision=record,
        user_id=principal.user_id,
        repository_id=record.repository_id,
        commit=record.commit,
        jws=signing.sign(claims),
        created_at=now,
    )


def receipt_verify(token: str, keys: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns the claims of a receipt.

    Args:
        token: the compact JWS.
        keys: a JWK Set; this registry's own by default.

    Raises:
        ReceiptInvalidError: form, type, key or signature is not good.
    """
    return signing.verify(token, signing.public_keys() if keys is None else keys)
