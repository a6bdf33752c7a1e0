"""A request for a job: checked whole before anything is stored, then stored whole.

Order of the checks, cheapest and clearest first: who asks; the fields; the repositories and their commits; the license
gate; the output; the number of unfinished jobs; memory against the workers known. A dry run stops there and tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from registry.access.services import refusal_of
from registry.accounts.models import User
from registry.accounts.permissions import token_allows_globally
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.errors import AuthenticationError
from registry.jobs import rights, targets
from registry.jobs.dispatch import queue_for
from registry.jobs.errors import JobDeniedError, JobDoesNotFitError, JobQuotaError, JobSpecError
from registry.jobs.fitting import Fit, fit_of
from registry.jobs.lifecycle import event_add, job_ring
from registry.jobs.models import Job
from registry.jobs.specs import spec_digest, spec_parse
from registry.jobs.states import TERMINAL, State
from registry.licensing.gate import Decision
from registry.repositories.errors import RepositoryNotFoundError, RevisionNotFoundError
from registry.repositories.models import Repository
from registry.repositories.selectors import repository_get, revision_resolve

_DEFAULT_PURPOSE = {"finetune": "research", "evaluate": "evaluation"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, for a dry run's answer and the request page."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class JobRequestResult:
    """What a request led to.

    Attributes:
        job: the queued job; None for a dry run.
        estimate: bytes and seconds (`memory.Estimate`).
        decisions: the gate's answers, each with `part`, `action` and `repository`.
        checks: everything that was looked at.
        spec: defaults expanded, revisions resolved to commits.
    """

    job: Job | None
    estimate: dict[str, Any]
    decisions: list[dict[str, Any]]
    checks: list[Check]
    spec: dict[str, Any]

    @property
    def ok(self) -> bool:
        """True if the job was, or could be, queued."""
        return all(check.ok for check in self.checks)


@dataclass(slots=True)
class _Plan:
    """A request on its way through the checks."""

    spec: dict[str, Any]
    inputs: dict[str, Repository]
    decisions: list[tuple[rights.Need, Decision]] = field(default_factory=list)


def job_request(*, principal: Principal, spec: Any, dry_run: bool = False) -> JobRequestResult:
    """Queues a job, or says what would become of it.

    Args:
        principal: who asks; the job runs with their rights, bound to the purpose of the spec.
        spec: as `specs.schema(kind)` describes it.
        dry_run: only look; refusals of gate, quota and memory are then reported in `checks` instead of raised.

    Raises:
        AuthenticationError: nobody is signed in.
        JobDeniedError: the token may not start jobs.
        JobSpecError: one message for each field that is not acceptable.
        GateDeniedError: the license gate says no; details carry the decision.
        DeniedError: no permission to write the output.
        JobQuotaError: too many unfinished jobs.
        JobDoesNotFitError: no known worker has the memory; details carry the numbers.
    """
    user_id = _requester(principal)
    plan = _plan(principal, spec_parse(spec))
    target = targets.target_find(principal, plan.spec, plan.inputs)
    fit = fit_of(plan.spec, plan.inputs[_model_part(plan.spec)], plan.inputs["data"])
    checks = [*_gate_checks(plan), _quota_check(principal), _fit_check(fit)]
    if dry_run:
        return _result(None, plan, fit, checks)
    _refuse_denied(plan)
    with transaction.atomic():
        user = User.objects.select_for_update(of=("self",)).get(pk=user_id)
        job = _store(principal, user, plan, target, fit)
    return _result(job, plan, fit, checks)


def _requester(principal: Principal) -> int:
    if principal.user_id is None:
        raise AuthenticationError("sign in first: send a token in the Authorization header")
    if not token_allows_globally(principal, "jobs.write"):
        raise JobDeniedError("this token may not start jobs: use a write token, or one with the scope `jobs.write`")
    return principal.user_id


def _model_part(spec: Mapping[str, Any]) -> str:
    return "base" if spec["kind"] == "finetune" else "model"


def _plan(principal: Principal, spec: dict[str, Any]) -> _Plan:
    """Finds the repositories and pins their commits; asks the gate about them."""
    purpose = principal.purpose or principal.default_purpose or _DEFAULT_PURPOSE[spec["kind"]]
    if spec.setdefault("purpose", purpose) != principal.purpose and principal.purpose:
        raise _field_error("purpose", f"this token is bound to the purpose `{principal.purpose}`")
    inputs = {}
    for part, kind in ((_model_part(spec), "model"), ("data", "dataset")):
        inputs[part] = _input(principal, spec, part, kind)
    plan = _Plan(spec, inputs)
    for need in rights.needs_of(spec, inputs):
        decision = rights.decide(principal, need, purpose=spec["purpose"], environment=principal.environment)
        plan.decisions.append((need, decision))
    return plan


def _input(principal: Principal, spec: dict[str, Any], part: str, kind: str) -> Repository:
    wanted = spec[part]
    try:
        repository = repository_get(principal, kind, wanted["repo"])
        wanted["revision"] = revision_resolve(repository, wanted["revision"])
    except RepositoryNotFoundError:
        raise _field_error(f"{part}.repo", f"there is no {kind} `{wanted['repo']}` that you may see") from None
    except RevisionNotFoundError:
        raise _field_error(
            f"{part}.revision", f"`{wanted['repo']}` has no branch, tag or commit `{wanted['revision']}`"
        ) from None
    wanted["repo"] = repository.full_name
    return repository


def _field_error(path: str, message: str) -> JobSpecError:
    return JobSpecError(f"`{path}`: {message}", errors=[{"field": path, "message": message}])


# --- checks ----------------------------------------------------------------------------------------------------
def _gate_checks(plan: _Plan) -> list[Check]:
    return [Check(f"gate.{need.part}", decision.allowed, decision.sentence) for need, decision in plan.decisions]


def _refuse_denied(plan: _Plan) -> None:
    for need, decision in plan.decisions:
        if not decision.allowed:
            raise refusal_of(decision, need.repository)


def _quota_check(principal: Principal) -> Check:
    unfinished = Job.objects.filter(requested_by=principal.user_id).exclude(state__in=TERMINAL).count()
    limit = settings.MAX_UNFINISHED_JOBS
    return Check("quota", unfinished < limit, f"{unfinished} of {limit} unfinished jobs")


def _fit_check(fit: Fit) -> Check:
    return Check("memory", fit.ok, fit.sentence)


def _store(principal: Principal, user: User, plan: _Plan, target: targets.Target, fit: Fit) -> Job:
    """Writes the job, its output repository, its doorbell and its trail in the caller's transaction.

    `user` is locked, so that two requests at once cannot both take the last place of the quota.
    """
    quota = _quota_check(principal)
    if not quota.ok:
        raise JobQuotaError(f"{quota.message}: wait for one to end, or stop one", limit=settings.MAX_UNFINISHED_JOBS)
    if not fit.ok:
        raise JobDoesNotFitError(fit.sentence, **fit.numbers)
    spec = plan.spec
    job = Job.objects.create(
        kind=spec["kind"],
        task=spec["task"],
        spec=spec,
        spec_digest=spec_digest(spec),
        requested_by=user,
        organization_id=principal.organization_id,
        environment=principal.environment,
        base=plan.inputs[_model_part(spec)],
        dataset=plan.inputs["data"],
        output=targets.target_make(principal, target),
        purpose=spec["purpose"],
        decision_ids=[decision.id for _, decision in plan.decisions if decision.id],
        estimate=fit.estimate.as_dict(),
        max_attempts=spec["limits"]["attempts"],
        queue=queue_for(spec),
    )
    event_add(job, "state", {"to": State.QUEUED, "by": principal.username})
    job_ring(job)
    audit_record(action="job.request", target=f"job:{job.pk}", principal=principal, details={"kind": job.kind})
    return job


def _result(job: Job | None, plan: _Plan, fit: Fit, checks: list[Check]) -> JobRequestResult:
    decisions = [
        {**decision.as_dict(), "part": need.part, "action": need.action, "repository": need.repository.full_name}
        for need, decision in plan.decisions
    ]
    return JobRequestResult(job, fit.estimate.as_dict(), decisions, checks, plan.spec)
