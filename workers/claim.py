"""What the hub hands a worker with a claimed job (worker protocol 1), as typed values. Unknown keys are ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LicenseTerms:
    """What the output must carry, computed by the hub's lineage rules; `front_matter` is empty while unknown."""

    front_matter: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    must_review: bool = False
    sentence: str = ""


@dataclass(frozen=True)
class Lineage:
    """Where the output comes from."""

    base_model: str = ""
    base_model_relation: str = ""
    base_commit: str = ""
    datasets: tuple[str, ...] = ()
    dataset_commits: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """Where the one publishing commit goes, and the commit it must follow."""

    repo: str
    branch: str
    parent_commit: str


@dataclass(frozen=True)
class Claim:
    """One attempt at one job. `raw` is the hub's answer, which the child gets as a file (without the worker secret)."""

    job_id: str
    kind: str
    task: str
    requested_by: str
    spec: dict[str, Any]
    resolved: dict[str, Any]
    attempt: int
    fencing_token: int
    job_token: str
    hub_url: str
    heartbeat_seconds: float
    wall_seconds_left: float
    directive: str
    has_checkpoint: bool
    lineage: Lineage
    license: LicenseTerms
    output: Output | None
    decision_ids: tuple[str, ...]
    spec_digest: str
    raw: dict[str, Any] = field(repr=False)

    def __repr__(self) -> str:  # the job's token must not reach a log
        return f"Claim({self.job_id}, attempt {self.attempt}, fencing {self.fencing_token})"


def parse_claim(raw: dict[str, Any]) -> Claim:
    """Reads the hub's answer to a claim.

    Raises:
        KeyError: a part without which no job can run is missing (the hub speaks another protocol).
    """
    job, lineage, terms, output = raw["job"], raw.get("lineage") or {}, raw.get("license") or {}, raw.get("output")
    return Claim(
        job_id=job["id"],
        kind=job["kind"],
        task=job["task"],
        requested_by=job.get("requested_by") or "",
        spec=raw["spec"],
        resolved=raw.get("resolved") or {},
        attempt=raw["attempt"],
        fencing_token=raw["fencing_token"],
        job_token=raw["job_token"],
        hub_url=raw["hub_url"].rstrip("/"),
        heartbeat_seconds=float(raw.get("heartbeat_seconds", 15)),
        wall_seconds_left=float(raw["wall_seconds_left"]),
        directive=raw.get("directive", "continue"),
        has_checkpoint=bool(raw.get("checkpoint")),
        lineage=Lineage(
            base_model=lineage.get("base_model") or "",
            base_model_relation=lineage.get("base_model_relation") or "",
            base_commit=lineage.get("base_commit") or "",
            datasets=tuple(lineage.get("datasets") or ()),
            dataset_commits=dict(lineage.get("dataset_commits") or {}),
        ),
        license=LicenseTerms(
            front_matter=dict(terms.get("front_matter") or {}),
            notices=tuple(terms.get("notices") or ()),
            obligations=tuple(terms.get("obligations") or ()),
            must_review=bool(terms.get("must_review")),
            sentence=terms.get("sentence") or "",
        ),
        output=Output(output["repo"], output.get("branch") or "main", output["parent_commit"]) if output else None,
        decision_ids=tuple(raw.get("decision_ids") or ()),
        spec_digest=raw.get("spec_digest") or "",
        raw=raw,
    )
