"""Rules of the vocabulary that the worked decisions leave out, each on a shipped license."""

from __future__ import annotations

from typing import Any

import pytest

from registry.licensing.terms_case import TermsOutcome, case_from_mapping
from registry.licensing.terms_decision import Parent, decide_lineage, decide_terms, shipped_catalogue

CATALOGUE = shipped_catalogue()


def decide(license_id: str, action: str, subject: dict[str, Any] | None = None, **more: Any) -> TermsOutcome:
    subject = dict(subject or {})
    terms = CATALOGUE[license_id]
    if terms.acceptance_required and "accepted" not in subject:
        subject["accepted"] = {license_id: terms.version}
    return decide_terms(terms, case_from_mapping({"action": action, "subject": subject, **more}))


@pytest.mark.parametrize(
    ("license_id", "action", "subject", "outcome", "codes"),
    [
        # 4.3 purposes
        ("mit", "use-internally", {}, "allow", {"PERMITTED"}),
        ("cc-by-nc-4.0", "use-internally", {}, "needs-information", {"PURPOSE_MISSING"}),
        ("jamba-open-model-license", "download", {}, "needs-information", {"TERM_UNKNOWN"}),
        (
            "polyform-small-business-1.0.0", "use-internally", {"headcount": 1, "annual_revenue_usd": 1},
            "allow", {"PERMITTED"},
        ),
        (
            "cc-by-nc-4.0", "use-internally", {"purpose": "evaluation", "org_kind": "company"},
            "needs-information", {"PURPOSE_AMBIGUOUS"},
        ),
        ("cc-by-nc-4.0", "use-internally", {"purpose": "evaluation", "org_kind": "academic"}, "allow", {"PERMITTED"}),
        (
            "cc-by-nc-4.0", "host-as-service", {"purpose": "hosted-service", "org_kind": "academic", "paid": True},
            "deny", {"NON_COMMERCIAL_ONLY"},
        ),
        ("cc-by-nc-4.0", "host-as-service", {"purpose": "hosted-service"}, "needs-information", {"ORG_KIND_MISSING"}),
        (
            "open-aleph-license", "use-internally", {"purpose": "research", "org_kind": "government"},
            "deny", {"PUBLIC_AUTHORITY_EXCLUDED"},
        ),
        (
            "open-aleph-license", "use-internally", {"purpose": "research"},
            "needs-information", {"ORG_KIND_MISSING"},
        ),
        (
            "apple-amlr", "use-internally", {"purpose": "evaluation"},
            "needs-information", {"ORG_KIND_MISSING"},
        ),
        ("apple-amlr", "use-internally", {"purpose": "evaluation", "org_kind": "company"}, "deny", {"RESEARCH_ONLY"}),
        (
            "flux-1-dev-non-commercial-license", "use-internally", {"purpose": "internal", "org_kind": "company"},
            "needs-entitlement", {"NON_COMMERCIAL_ONLY"},
        ),
        (
            "stabilityai-nc-research-community", "use-internally", {"purpose": "evaluation", "org_kind": "company"},
            "allow", {"PERMITTED"},
        ),
        (
            "cogvideox-license", "use-internally",
            {"purpose": "internal", "org_kind": "company", "monthly_visits": 0},
            "needs-entitlement", {"REGISTRATION_REQUIRED"},
        ),
        (
            "cogvideox-license", "use-internally",
            {"purpose": "internal", "org_kind": "company", "monthly_visits": 0, "registrations": ["cogvideox-license"]},
            "allow", {"PERMITTED"},
        ),
        (
            "cogvideox-license", "use-internally", {"purpose": "internal", "monthly_visits": 0},
            "needs-information", {"ORG_KIND_MISSING"},
        ),
        # prohibited actions
        ("gpl-3.0", "sublicense", {"purpose": "internal"}, "deny", {"SUBLICENSE_PROHIBITED"}),
        ("cc-by-nc-nd-3.0", "modify", {"purpose": "research"}, "deny", {"ACTION_PROHIBITED"}),
        (
            "exaone-1.1-nc", "train-other-models-on-outputs", {"purpose": "research"},
            "deny", {"OUTPUT_TRAINING_PROHIBITED"},
        ),
        ("ofl-1.1", "distribute-original", {"paid": True}, "needs-information", {"PURPOSE_AMBIGUOUS"}),
        # 4.4 thresholds
        ("polyform-small-business-1.0.0", "download", {"headcount": 500, "annual_revenue_usd": 1}, "deny",
         {"THRESHOLD_EXCEEDED"}),
        (
            "bilibili-model-use", "download", {"mau": 1, "annual_revenue_cny": 2_000_000_000},
            "needs-entitlement", {"THRESHOLD_EXCEEDED"},
        ),
        ("baichuan2-community", "download", {"dau": 1}, "needs-information", {"TERM_UNKNOWN"}),
        (
            "qwen", "host-as-service", {"purpose": "hosted-service", "org_kind": "academic"},
            "needs-information", {"PURPOSE_AMBIGUOUS"},
        ),
        ("qwen", "use-internally", {"purpose": "internal"}, "needs-information", {"ORG_KIND_MISSING"}),
        ("qwen", "use-internally", {}, "needs-information", {"PURPOSE_MISSING"}),
        ("qwen", "use-internally", {"product_mau": 1}, "allow", {"PERMITTED"}),
        ("kimi-k2-modified-mit", "use-internally", {}, "allow", {"PERMITTED"}),
        (
            "kimi-k3-license", "host-as-service", {"annual_revenue_usd": 0, "product_mau": 0},
            "allow", {"PERMITTED"},
        ),
        ("hyperclovax-seed", "use-internally", {"mau_at_release": 0, "competes_with_steward": True},
         "needs-entitlement", {"THRESHOLD_EXCEEDED"}),
        ("llama3.1", "download", {"mau_at_release": {"llama3": 1}}, "needs-information", {"THRESHOLD_FACT_MISSING"}),
        # 4.5 territory
        (
            "llama4", "download", {"mau_at_release": 0, "role": "end-user"},
            "allow", {"PERMITTED", "TERRITORY_EXEMPT"},
        ),
        # 4.6 suits
        (
            "llama3.1", "download", {"mau_at_release": 0, "litigation": ["trademark-litigation"]},
            "deny", {"TERMINATED_BY_LITIGATION"},
        ),
        # 4.7 acceptance
        ("gemma", "download", {"accepted": {}}, "needs-acceptance", {"ACCEPTANCE_MISSING"}),
    ],
)  # fmt: skip
def test_a_rule_comes_out(license_id: str, action: str, subject: dict[str, Any], outcome: str, codes: set[str]) -> None:
    result = decide(license_id, action, subject)
    assert (result.outcome, result.codes) == (outcome, codes), result


@pytest.mark.parametrize(
    ("license_id", "target", "outcome", "codes"),
    [
        ("llama2", {}, "needs-information", {"TARGET_UNKNOWN"}),
        ("llama3.1", {"distributed": True}, "needs-information", {"TARGET_UNKNOWN"}),
        ("llama3.1", {"distributed": True, "name": "Llama-x"}, "allow", {"PERMITTED"}),
        ("llama3.1", {"name": "Acme"}, "needs-information", {"TARGET_UNKNOWN"}),
        ("flux-1-dev-non-commercial-license", {"competing": False}, "needs-information", {"TARGET_UNKNOWN"}),
        (
            "flux-1-dev-non-commercial-license", {"competing": False, "same_family": False, "commercial": True},
            "deny", {"OUTPUT_TRAINING_PROHIBITED"},
        ),
        ("flux-1-dev-non-commercial-license", {"competing": False, "same_family": True}, "allow", {"PERMITTED"}),
    ],
)  # fmt: skip
def test_outputs_train_what_the_text_lets_them(
    license_id: str, target: dict[str, Any], outcome: str, codes: set[str]
) -> None:
    subject = {"purpose": "research", "mau_at_release": 0}
    result = decide(license_id, "train-other-models-on-outputs", subject, target=target)
    assert (result.outcome, result.codes) == (outcome, codes), result


@pytest.mark.parametrize(
    ("license_id", "declared", "more", "outcome", "codes"),
    [
        ("creativeml-openrail-m", "creativeml-openrail-m", {}, "allow", {"PERMITTED"}),
        ("creativeml-openrail-m", "openrail++", {}, "allow", {"PERMITTED"}),
        ("creativeml-openrail-m", "no-such-license", {}, "deny", {"FLOW_DOWN_MISSING"}),
        ("cc-by-nc-4.0", "other", {}, "needs-information", {"TERM_UNKNOWN"}),
        ("cc-by-nc-4.0", "polyform-noncommercial-1.0.0", {}, "allow", {"PERMITTED"}),
        ("cc-by-nc-sa-4.0", "mit", {}, "deny", {"SHARE_ALIKE_CONFLICT", "LICENSE_WIDENS_PURPOSE"}),
        ("cc-by-nc-4.0", None, {}, "allow", {"PERMITTED"}),
        ("polyform-small-business-1.0.0", "polyform-small-business-1.0.0", {}, "allow", {"PERMITTED"}),
        ("polyform-small-business-1.0.0", "mit", {}, "deny", {"LICENSE_WIDENS_PURPOSE"}),
        (
            "llama3.1", "gpl-3.0", {"derivative_name": "Llama-x"},
            "deny", {"BASE_TERMS_DROPPED", "FURTHER_RESTRICTION_CONFLICT"},
        ),
        ("llama3.1", "llama3.1", {}, "needs-information", {"TARGET_UNKNOWN"}),
        ("mit", "gpl-3.0", {}, "allow", {"PERMITTED"}),
    ],
)  # fmt: skip
def test_a_derivative_goes_out_under_what_its_base_permits(
    license_id: str, declared: str | None, more: dict[str, Any], outcome: str, codes: set[str]
) -> None:
    subject = {"purpose": "research", "org_kind": "academic", "mau_at_release": 0}
    subject |= {"headcount": 1, "annual_revenue_usd": 0}
    result = decide(license_id, "distribute-derivative", subject, declared_license=declared, **more)
    assert (result.outcome, result.codes) == (outcome, codes), result


def lineage(case: dict[str, Any], *parents: tuple[str, str]) -> TermsOutcome:
    accepted = {key: CATALOGUE[key].version for key, _ in parents}
    case["subject"] = {"purpose": "research", "org_kind": "academic", "mau_at_release": 0, "accepted": accepted}
    return decide_lineage([Parent(relation, CATALOGUE[key]) for key, relation in parents], case_from_mapping(case))


def test_gpl_and_agpl_parts_go_out_together_under_agpl() -> None:
    case = {"action": "distribute-derivative", "declared_license": "agpl-3.0"}
    assert lineage(case, ("gpl-3.0", "merge-parent"), ("agpl-3.0", "merge-parent")).outcome == "allow"


def test_share_alike_parents_that_share_nothing_cannot_go_out_at_all() -> None:
    result = lineage({"action": "distribute-derivative"}, ("cc-by-sa-4.0", "merge-parent"), ("odbl", "merge-parent"))
    assert (result.outcome, result.codes) == ("deny", {"SHARE_ALIKE_CONFLICT"})
    assert not result.duties


@pytest.mark.parametrize(("name", "outcome"), [("Llama-EXAONE", "needs-information"), ("Acme", "deny")])
def test_two_prefixes_cannot_both_come_first(name: str, outcome: str) -> None:
    case = {"action": "distribute-derivative", "derivative_name": name}
    result = lineage(case, ("llama3.1", "merge-parent"), ("exaone-1.1-nc", "merge-parent"))
    missing = [reason.outcome for reason in result.reasons if reason.code == "NAME_PREFIX_MISSING"]
    assert outcome in missing


def test_a_teacher_that_makes_no_derivatives_reaches_its_student_by_name_only() -> None:
    case = {"action": "distribute-derivative", "derivative_name": "Student", "declared_license": "mit"}
    result = lineage(case, ("llama3.1", "distillation-teacher"))
    assert result.codes == {"NAME_PREFIX_MISSING"}


@pytest.mark.parametrize(("action", "outcome"), [("use-internally", "allow"), ("host-as-service", "deny")])
def test_a_students_use_is_asked_of_the_teacher_with_what_is_known(action: str, outcome: str) -> None:
    result = lineage({"action": action, "derivative_name": "Student"}, ("llama3.1", "distillation-teacher"))
    assert result.outcome == outcome


def test_hosting_a_changed_model_owes_what_changing_owes() -> None:
    result = decide("gemma", "host-as-service", {"purpose": "hosted-service", "org_kind": "company"}, modified=True)
    assert "state-changes" in result.duty_codes


def test_hosting_without_passing_the_restrictions_on_is_refused() -> None:
    result = decide("gemma", "host-as-service", {"purpose": "hosted-service"}, flow_down=False)
    assert result.codes == {"FLOW_DOWN_MISSING"}


@pytest.mark.parametrize(("cosmos", "due"), [(True, True), (False, False)])
def test_a_duty_for_some_models_only_is_due_for_those(cosmos: bool, due: bool) -> None:
    result = decide(
        "nvidia-open-model-license", "distribute-original", {"purpose": "research"}, model={"cosmos": cosmos}
    )
    assert ("display-phrase" in result.duty_codes) is due


def test_a_display_duty_is_attached_where_its_figure_is_missing() -> None:
    subject = {"purpose": "commercial-product", "org_kind": "company"}
    result = decide("kimi-k2-modified-mit", "use-commercially", subject)
    assert (result.outcome, result.duty_codes) == ("allow", {"display-phrase"})
