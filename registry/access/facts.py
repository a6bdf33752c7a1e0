"""Gathers the facts of the gate: one query for what the repository offers, one for what the asker holds.

Terms are parsed once for each digest and kept. What can be withdrawn or revoked is read for each question, or known to
stand by the epochs that the database raises with every change (`registry.epochs`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce

from registry.access.lineage import AncestorRow, ancestors_of, ancestors_walk
from registry.accounts.models import Organization
from registry.accounts.permissions import Permission, token_allows
from registry.accounts.principal import Principal
from registry.epochs.caches import EpochCache
from registry.epochs.snapshots import GLOBAL, LICENSES, LINEAGE, Snapshot, repository_scope, user_scope
from registry.licensing.models import Acceptance, AccessRequest, Entitlement, License, LicenseText, Offer
from registry.licensing.question import (
    AcceptanceFact,
    AncestorFact,
    Asker,
    EntitlementFact,
    Facts,
    LicenseFact,
    OfferFact,
    RequestFact,
)
from registry.licensing.terms import LicenseTerms, parse_terms
from registry.licensing.terms_case import Subject
from registry.repositories.models import Repository
from registry.repositories.permissions import may

UNSTATED = "unknown"  # the catalogue's entry for a license that nobody stated
UNSEEN = "other"  # its entry for terms of which the hub holds no text
_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_NEED: Mapping[str, Permission] = {"push": "write"}
# Bounded by the number of license versions that an instance ever saw.
_parsed: dict[tuple[str, str], LicenseTerms] = {}


def asker_of(principal: Principal) -> Asker:
    """Returns what the gate needs of a principal."""
    return Asker(
        user_id=principal.user_id,
        username=principal.username,
        token_problem=principal.token_problem,
        token_purpose=principal.purpose,
        token_environment=principal.environment,
        default_purpose=principal.default_purpose,
        organization_id=principal.organization_id,
    )


def page_of(repository: Repository) -> str:
    """Returns the path of a repository's page."""
    return f"/{_PREFIX[repository.type]}{repository.full_name}"


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database says, without what only the principal and the repository's own row say."""

    lineage: Mapping[int, tuple[AncestorRow, ...]]
    offered: _Offered
    held: _Held


# By repository, its license, and everything of the principal that the queries depend on.
_remembered: EpochCache[tuple[int, str, int | None, int | None, frozenset[int]], _Rows] = EpochCache(4_000)


def gather(
    principal: Principal, repositories: Collection[Repository], action: str, snapshot: Snapshot | None = None
) -> dict[int, Facts]:
    """Gathers the facts about several repositories at once.

    Args:
        principal: who asks.
        repositories: rows with `profile` selected.
        action: what is asked; it decides which permission the token needs.
        snapshot: epochs of these repositories, the principal's user, lineage and licenses: what was read under the
            same ones is not read again. Nothing in it depends on the clock.

    Returns:
        Facts by primary key, in two queries when lineage and terms are remembered (one for an anonymous caller).
    """
    if snapshot is not None:
        return {
            repository.pk: _facts(principal, repository, _rows_remembered(principal, repository, snapshot), action)
            for repository in repositories
        }
    rows = _rows_of(principal, repositories, ancestors_of(repositories))
    return {repository.pk: _facts(principal, repository, rows, action) for repository in repositories}


def _rows_of(
    principal: Principal, repositories: Collection[Repository], lineage: Mapping[int, tuple[AncestorRow, ...]]
) -> _Rows:
    return _Rows(lineage, _offered(repositories, lineage), _held(principal, repositories, lineage))


def _rows_remembered(principal: Principal, repository: Repository, snapshot: Snapshot) -> _Rows:
    # The principal and the repository's row may be older than the snapshot: what is read by them goes into the key,
    # and what follows from them alone is worked out for each question.
    key = (
        repository.pk,
        declared_license_id(repository),
        principal.user_id,
        principal.organization_id,
        frozenset(principal.memberships),
    )
    rows = _remembered.get(key, snapshot)
    if rows is None:
        lineage = ancestors_walk([repository])
        rows = _rows_of(principal, [repository], lineage)
        scopes = [GLOBAL, LICENSES, repository_scope(repository.pk)]
        scopes += [LINEAGE] if lineage[repository.pk] else []
        scopes += [] if principal.user_id is None else [user_scope(principal.user_id)]
        _remembered.put(key, rows, snapshot, scopes)
    return rows


def _facts(principal: Principal, repository: Repository, rows: _Rows, action: str) -> Facts:
    offered, held = rows.offered, rows.held
    covered = token_allows(
        principal, type=repository.type, full_name=repository.full_name, permission=_NEED.get(action, "read")
    )
    return Facts(
        visible=may(principal, repository, "read"),
        kind=repository.type,
        name=repository.full_name,
        page=page_of(repository),
        license=_license_of(repository, offered.licenses),
        disabled=repository.disabled,
        # A token whose scopes leave this repository out reads it as a stranger would, not as a member.
        is_member=bool(principal.role_in(repository.namespace_id)) and covered,
        may_write=may(principal, repository, "write"),
        gated=repository.gated,
        offers=tuple(offered.offers.get(repository.pk, ())),
        ancestors=tuple(
            AncestorFact(row.relation, row.name, offered.license(row.license_id), row.page)
            for row in rows.lineage[repository.pk]
        ),
        acceptances=tuple(held.acceptances_on(repository.pk)),
        request=held.requests.get(repository.pk),
        entitlements=tuple(held.entitlements.get(repository.pk, ())),
        subject=held.subject,
    )


def declared_license_id(repository: Repository) -> str:
    """Returns the catalogue id of the repository's license; `unknown` or `other` where nothing better is stated."""
    profile = getattr(repository, "profile", None)
    if profile is None:
        return UNSTATED
    if profile.license_id is not None:
        return str(profile.license_id)
    return UNSEEN if profile.license_declared else UNSTATED


def _license_of(repository: Repository, licenses: Mapping[str, LicenseFact]) -> LicenseFact:
    profile = getattr(repository, "profile", None)
    license_id = declared_license_id(repository)
    known = licenses.get(license_id, LicenseFact(license_id, None))
    status = profile.license_status if profile is not None else "unstated"
    declared = (profile.license_name or profile.license_declared) if profile is not None else ""
    return LicenseFact(license_id, known.terms, known.terms_sha256, known.text_sha256, status, declared)


# --- what repositories offer: one query -------------------------------------------------------------------------
@dataclass(slots=True)
class _Offered:
    licenses: dict[str, LicenseFact]
    offers: dict[int, list[OfferFact]]

    def license(self, license_id: str) -> LicenseFact:
        """Returns a license by id; one without terms where the catalogue has none."""
        return self.licenses.get(license_id, LicenseFact(license_id, None, status="unknown"))


def _text(value: str) -> Value:
    return Value(value, output_field=TextField())


def _nothing() -> Cast:
    return Cast(Value(None), DateTimeField())


def _current_text(license_id: str) -> Coalesce:
    texts = LicenseText.objects.filter(license_id=OuterRef(license_id), is_current=True).values("sha256")[:1]
    return Coalesce(Subquery(texts), Value(""), output_field=CharField())


def _offered(repositories: Collection[Repository], lineage: Mapping[int, Iterable[AncestorRow]]) -> _Offered:
    license_ids = {declared_license_id(repository) for repository in repositories}
    license_ids |= {row.license_id for rows in lineage.values() for row in rows if row.license_id}
    licenses = License.objects.order_by().filter(pk__in=license_ids).values_list(
        Value(0), Value(0), _text(""), "pk", "terms_sha256", _current_text("pk"), _text(""), _text(""), _text(""),
        _nothing(), _nothing(), _text(""), _text(""),
    )  # fmt: skip
    offers = Offer.objects.filter(
        repository_id__in=[repository.pk for repository in repositories], status=Offer.Status.PUBLISHED
    ).values_list(
        "repository_id", "pk", Cast("title", TextField()), "license_id", "license__terms_sha256",
        _current_text("license_id"), Cast("acquisition", TextField()), Cast("purposes", TextField()),
        Cast("territory", TextField()), "starts_at", "ends_at", Cast("price", TextField()),
        Cast("contact_url", TextField()),
    )  # fmt: skip
    rows = list(licenses.union(offers, all=True))
    terms = _terms_of({(row[3], row[4]) for row in rows})
    facts = {row[3]: LicenseFact(row[3], terms[row[3]], row[4], row[5]) for row in rows}
    grouped: dict[int, list[OfferFact]] = {}
    for row in rows:
        if row[1]:
            grouped.setdefault(row[0], []).append(_offer(row, facts[row[3]]))
    return _Offered(facts, grouped)


def _offer(row: tuple[Any, ...], license_fact: LicenseFact) -> OfferFact:
    return OfferFact(
        id=row[1],
        title=row[2],
        license=license_fact,
        acquisition=row[6],
        purposes=tuple(json.loads(row[7])),
        territory=tuple(json.loads(row[8])),
        starts_at=row[9],
        ends_at=row[10],
        price=row[11],
        contact_url=row[12],
    )


def _terms_of(wanted: set[tuple[str, str]]) -> dict[str, LicenseTerms]:
    """Returns parsed terms by license id; reads and parses only digests not seen before."""
    missing = [license_id for license_id, digest in wanted if (license_id, digest) not in _parsed]
    if missing:
        for row in License.objects.filter(pk__in=missing).only("pk", "terms", "terms_sha256"):
            _parsed[row.pk, row.terms_sha256] = parse_terms(row.terms)
    return {license_id: _parsed[license_id, digest] for license_id, digest in wanted}


# --- what the asker holds: one query ----------------------------------------------------------------------------
@dataclass(slots=True)
class _Held:
    acceptances: list[tuple[int, AcceptanceFact]]
    requests: dict[int, RequestFact]
    entitlements: dict[int, list[EntitlementFact]]
    subject: Subject

    def acceptances_on(self, repository_id: int) -> Iterable[AcceptanceFact]:
        """Yields the acceptances, marked with whether they were given on this repository."""
        for where, fact in self.acceptances:
            yield AcceptanceFact(fact.id, fact.license_id, fact.version, fact.text_sha256, here=where == repository_id)


def _held(
    principal: Principal, repositories: Collection[Repository], lineage: Mapping[int, Iterable[AncestorRow]]
) -> _Held:
    held = _Held([], {}, {}, _subject(principal, None))
    if principal.user_id is None:
        return held
    ids = [repository.pk for repository in repositories]
    inherited = {row.license_id for rows in lineage.values() for row in rows if row.license_id}
    arms = [
        _accepted(principal.user_id, ids, inherited),
        _requested(principal.user_id, ids),
        _entitled(principal.user_id, principal, ids),
    ]
    if principal.organization_id is not None:
        arms.append(_organization(principal.organization_id))
    for kind, pk, where, first, second, third, starts_at, ends_at, purposes in arms[0].union(*arms[1:], all=True):
        if kind == "acceptance":
            held.acceptances.append((where, AcceptanceFact(pk, first, second, third)))
        elif kind == "request":
            held.requests[where] = RequestFact(pk, first, ends_at, second)
        elif kind == "entitlement":
            fact = EntitlementFact(pk, int(second), first, starts_at, ends_at, tuple(json.loads(purposes)))
            held.entitlements.setdefault(where, []).append(fact)
        else:
            held.subject = _subject(principal, (first, second))
    return held


_Arm = QuerySet[Any, tuple[str, int, int, str, str, str, datetime | None, datetime | None, str]]


def _accepted(user_id: int, ids: list[int], inherited: set[str]) -> _Arm:
    return Acceptance.objects.filter(
        Q(repository_id__in=ids) | Q(license_id__in=inherited), user_id=user_id, withdrawn_at__isnull=True
    ).values_list(
        _text("acceptance"), "pk", "repository_id", "license_id", "license_version", _covered_text(),
        _nothing(), _nothing(), _text("[]"),
    )  # fmt: skip


def _covered_text() -> Case:
    """The newest text that an acceptance covers: the current one, unless a material change came after what was read."""
    texts = LicenseText.objects.filter(license_id=OuterRef("license_id"))
    read = texts.filter(sha256=OuterRef("text_sha256"))
    changed = texts.filter(
        material=True,
        created_at__gt=Subquery(
            LicenseText.objects.filter(
                license_id=OuterRef("license_id"), sha256=OuterRef(OuterRef("text_sha256"))
            ).values("created_at")[:1]
        ),
    )
    return Case(
        When(Exists(read) & ~Exists(changed), then=_current_text("license_id")),
        default=F("text_sha256"),
        output_field=CharField(),
    )


def _requested(user_id: int, ids: list[int]) -> _Arm:
    return AccessRequest.objects.filter(repository_id__in=ids, user_id=user_id).values_list(
        _text("request"), "pk", "repository_id", "status", "reason", _text(""), _nothing(), "expires_at", _text("[]")
    )


def _entitled(user_id: int, principal: Principal, ids: list[int]) -> _Arm:
    mine = Q(user_id=user_id) | Q(organization__namespace__in=list(principal.memberships))
    return Entitlement.objects.filter(mine, offer__repository_id__in=ids).values_list(
        _text("entitlement"), "pk", F("offer__repository_id"), "status", Cast("offer_id", TextField()), _text(""),
        "starts_at", "ends_at", Cast("purposes", TextField()),
    )  # fmt: skip


def _organization(organization_id: int) -> _Arm:
    return Organization.objects.filter(pk=organization_id).values_list(
        _text("organization"), "pk", "pk", "kind", "territory", _text(""), _nothing(), _nothing(), _text("[]")
    )


def _subject(principal: Principal, organization: tuple[str, str] | None) -> Subject:
    """Returns what is known of the asker for the terms.

    An account that acts for no organization is a natural person outside employment (vocabulary 1.3): no group stands
    behind it, so figures of a group are nought; figures of a product or service stay unknown.
    """
    if organization is not None:
        kind, territory = organization
        return Subject(org_kind=kind, territory=territory or None)
    if principal.user_id is None:
        return Subject()
    return Subject(
        org_kind="individual",
        mau=0.0,
        mau_at_release=0.0,
        annual_revenue_usd=0.0,
        annual_revenue_cny=0.0,
        group_monthly_revenue_usd=0.0,
        headcount=1.0,
    )
