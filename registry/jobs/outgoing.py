"""What a job's output must say of itself: the license it has to carry, the notices it owes, and where it comes from.

Computed by the lineage rules from the inputs as they are now; an unknown license stays unknown and waits for its owner,
it never becomes a default (design: jobs, What a run leaves).
"""

from __future__ import annotations

from typing import Any

from registry.catalogue.lineage import Edge
from registry.catalogue.models import LineageEdge, RepositoryProfile
from registry.jobs.models import Job
from registry.licensing.inheritance import InheritedLicense, outgoing_license
from registry.licensing.models import License
from registry.licensing.terms import LicenseTerms, parse_terms
from registry.repositories.models import Repository
from registry.repositories.selectors import revision_resolve

_RELATION = LineageEdge.Relation.FINETUNE  # LoRA is published merged, so it is one too


def lineage_of(job: Job) -> dict[str, Any]:
    """Returns what the card's front matter says of the output's origin (hub-api, card metadata)."""
    model = job.spec["base" if job.kind == "finetune" else "model"]
    data = job.spec["data"]
    return {
        "base_model": model["repo"],
        "base_model_relation": str(_RELATION),
        "base_commit": model["revision"],
        "datasets": [data["repo"]],
        "dataset_commits": {data["repo"]: data["revision"]},
    }


def output_of(job: Job) -> dict[str, Any] | None:
    """Returns where the one publishing commit goes, and the commit that it must follow."""
    if job.output is None:
        return None
    branch = job.spec["output"]["branch"]
    return {
        "repo": job.output.full_name,
        "repo_type": job.output.type,
        "branch": branch,
        "parent_commit": revision_resolve(job.output, f"refs/heads/{branch}"),
    }


def license_of(job: Job) -> dict[str, Any]:
    """Returns the license that the output must carry, with notices, obligations, and whether its owner must decide.

    An evaluation changes no license: it adds results to a card that has one.
    """
    if job.kind == "evaluate" or job.base is None or job.dataset is None:
        return {"front_matter": {}, "notices": [], "obligations": [], "must_review": False, "sentence": ""}
    inherited = outgoing_license(
        [(str(_RELATION), _terms_of(job.base)), (str(LineageEdge.Relation.DATASET), _terms_of(job.dataset))], None
    )
    return {
        "front_matter": _front_matter(inherited, job.base),
        "notices": [_notice(job.base, "Derived from"), _notice(job.dataset, "Trained on")],
        "obligations": list(inherited.obligations),
        "must_review": inherited.must_review,
        "sentence": inherited.sentence,
    }


def _profile_of(repository: Repository) -> RepositoryProfile | None:
    return RepositoryProfile.objects.select_related("license").filter(repository=repository).first()


def _terms_of(repository: Repository) -> LicenseTerms | None:
    profile = _profile_of(repository)
    return parse_terms(profile.license.terms) if profile is not None and profile.license is not None else None


def _front_matter(inherited: InheritedLicense, base: Repository) -> dict[str, str]:
    """Writes the license as cards do: an id that Hugging Face knows, or `other` with a name and a link."""
    if inherited.license_id is None:
        return {}
    found = License.objects.filter(pk=inherited.license_id).first()
    profile = _profile_of(base)
    if profile is not None and profile.license_id == inherited.license_id and profile.license_declared:
        declared = {
            "license": profile.license_declared,
            "license_name": profile.license_name,
            "license_link": profile.license_link,
        }
        return {key: value for key, value in declared.items() if value}
    if found is None:
        return {}
    if found.hf_id and found.hf_id != "other":
        return {"license": found.hf_id}
    named = {"license": "other", "license_name": found.hf_license_name or found.pk, "license_link": found.url}
    return {key: value for key, value in named.items() if value}


def _notice(repository: Repository, how: str) -> str:
    profile = _profile_of(repository)
    known = profile.license_name or profile.license_declared if profile is not None else ""
    return f"{how} {repository.full_name} ({known or 'license not stated'})."


def lineage_edges(job: Job) -> list[Edge]:
    """Returns the edges that a finished job confirms, with the commits it used."""
    base, data = job.spec["base"], job.spec["data"]
    return [
        Edge(str(_RELATION), "model", base["repo"], base["revision"]),
        Edge(str(LineageEdge.Relation.DATASET), "dataset", data["repo"], data["revision"]),
    ]
