"""The checks of vocabulary section 4 on one license: identifier, action, purpose, thresholds, territory, the rest.

Each takes (terms, case, findings) and writes what it finds. None returns early for another: all reasons are reported.
"""

from __future__ import annotations

from registry.licensing.terms import LicenseTerms, Permission, Termination, Territory, Threshold
from registry.licensing.terms_case import Subject, Target, TermsCase
from registry.licensing.terms_findings import Findings

DISTRIBUTING = frozenset({"distribute-original", "distribute-derivative"})
TRAINING = "train-other-models-on-outputs"
_IDENTIFIER_REASON = {"unknown": "LICENSE_UNKNOWN", "other": "LICENSE_TEXT_MISSING"}

# A prohibited action's own reason; `use-commercially` is a matter of purpose (vocabulary 4.3).
_PROHIBITED = {
    "host-as-service": "HOSTING_PROHIBITED",
    "distribute-derivative": "NO_DERIVATIVES",
    TRAINING: "OUTPUT_TRAINING_PROHIBITED",
    "sublicense": "SUBLICENSE_PROHIBITED",
    "patent-use": "PATENT_NOT_GRANTED",
}
# Prohibitions that stay even where a separate license for other things is on offer.
_NO_PATH = frozenset({TRAINING, "sublicense", "patent-use", "distribute-derivative"})

# Which suit, as the subject states it, meets which termination trigger (vocabulary 1.11). An unspecified suit over
# intellectual property may be any of them.
_SUITS = {
    "patent-litigation": frozenset({"patent-litigation", "patent-or-copyright-litigation", "ip-litigation"}),
    "patent-or-copyright-litigation": frozenset(
        {"patent-litigation", "copyright-litigation", "patent-or-copyright-litigation", "ip-litigation"}
    ),
}


def identifier_reason(terms: LicenseTerms) -> str:
    """Returns why an identifier names no single text, or nothing if it does (vocabulary 4.2)."""
    return _IDENTIFIER_REASON.get(terms.id) or ("LICENSE_AMBIGUOUS" if terms.is_family else "")


def check_identifier(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.2: `unknown`, `other` and family identifiers need a person."""
    del case
    reason = identifier_reason(terms)
    if reason:
        findings.ask(reason, fact="license")


def check_action(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """The action's own value and the conditions that no other check covers."""
    permission = terms.actions[case.action]
    if permission.value == "prohibited":
        _prohibited_action(case.action, permission, findings)
    elif permission.value in {"unknown", "unstated"}:
        _undetermined(permission, findings, named=not identifier_reason(terms))
    for condition in permission.conditions:
        if condition in {"registration", "registration-outside-research"}:
            _purpose_condition(condition, permission, terms, case, findings)
    if "not-sold-alone" in permission.conditions and case.subject.paid:
        findings.ask("PURPOSE_AMBIGUOUS", permission.clause, fact="paid", more="it may not be sold by itself")
    if "flow-down" in permission.conditions and case.action != "distribute-derivative" and case.flow_down is False:
        findings.refuse("FLOW_DOWN_MISSING", permission.clause, fact="flow_down")


def _prohibited_action(action: str, permission: Permission, findings: Findings) -> None:
    if action == "use-commercially":
        reason = findings.purpose_reason
        code = "ACTION_PROHIBITED" if reason == "PURPOSE_PROHIBITED" else reason
    else:
        code = _PROHIBITED.get(action, "ACTION_PROHIBITED")
    refuse = findings.refuse if action in _NO_PATH else findings.refuse_unless_bought
    refuse(code, permission.clause, fact="action")


def _undetermined(permission: Permission, findings: Findings, *, named: bool) -> None:
    if named:  # an identifier that names no text already says why nothing is known
        code = "TERM_UNKNOWN" if permission.value == "unknown" else "TERM_UNSTATED"
        findings.ask(code, permission.clause, fact="terms")


# --- purpose (4.3) ----------------------------------------------------------------------------------------------
def commercial_use(terms: LicenseTerms, case: TermsCase) -> bool | str:
    """Tells whether the use is commercial by 4.3; where it cannot be told, which reason code says so."""
    if case.action == "use-commercially":
        return True
    subject = case.subject
    if subject.purpose is None:
        return "PURPOSE_MISSING"
    if subject.purpose in {"research", "commercial-product"}:
        return subject.purpose == "commercial-product"
    if subject.purpose == "hosted-service":
        return _hosting_is_commercial(subject)
    named = subject.purpose == "evaluation" and terms.purposes["evaluation"].value == "allowed"
    return False if named else _own_use_is_commercial(subject)


def _own_use_is_commercial(subject: Subject) -> bool | str:
    """`internal`, or `evaluation` under a license that does not name it."""
    if subject.org_kind is None:
        return "ORG_KIND_MISSING"
    if subject.org_kind != "company":
        return False
    return "PURPOSE_AMBIGUOUS" if subject.purpose == "evaluation" else True


def _hosting_is_commercial(subject: Subject) -> bool | str:
    if subject.paid or subject.org_kind == "company":
        return True
    if subject.org_kind is None:
        return "ORG_KIND_MISSING"
    return "PURPOSE_AMBIGUOUS" if subject.paid is None else False


def check_purpose(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.3: the purposes table, asked for only where it can change the answer."""
    if case.subject.purpose is not None:
        _one_purpose(case.subject.purpose, terms, case, findings)
    elif any(permission.value != "allowed" for permission in terms.purposes.values()):
        _unknown_purpose(terms, findings)


def _unknown_purpose(terms: LicenseTerms, findings: Findings) -> None:
    shapes = {_shape(item) for item in terms.purposes.values()}
    if len(shapes) > 1 or any(conditions for _, conditions in shapes):
        clause = next(item.clause for item in terms.purposes.values() if item.value != "allowed")
        findings.ask("PURPOSE_MISSING", clause, fact="purpose")
        return
    value = next(iter(shapes))[0]
    if value in {"unknown", "unstated"}:
        _undetermined(terms.purposes["research"], findings, named=not identifier_reason(terms))
    elif value == "prohibited":
        findings.refuse_unless_bought(findings.purpose_reason, terms.purposes["research"].clause, fact="purpose")


def _shape(permission: Permission) -> tuple[str, frozenset[str]]:
    """What makes purposes differ; thresholds are weighed by themselves."""
    conditions = frozenset(permission.conditions) - {"threshold"}
    return ("allowed" if permission.value == "conditional" and not conditions else permission.value), conditions


def _one_purpose(purpose: str, terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    permission = terms.purposes[purpose]
    if permission.value == "prohibited":
        findings.refuse_unless_bought(findings.purpose_reason, permission.clause, fact="purpose", more=purpose)
    elif permission.value in {"unknown", "unstated"}:
        _undetermined(permission, findings, named=not identifier_reason(terms))
    for condition in permission.conditions:
        _purpose_condition(condition, permission, terms, case, findings)


_PRODUCTION = frozenset({"internal", "commercial-product", "hosted-service"})
# Kinds of organization that a condition admits, and the reason for the others ("" = by category).
_ADMITTED_KINDS = {
    "no-company": (frozenset({"individual", "academic", "non-profit", "government"}), ""),
    "individual-or-charity": (frozenset({"individual", "non-profit"}), ""),
    "charity-only": (frozenset({"non-profit"}), ""),
    "not-public-authority": (
        frozenset({"individual", "academic", "non-profit", "company"}),
        "PUBLIC_AUTHORITY_EXCLUDED",
    ),
}


def _purpose_condition(
    condition: str, permission: Permission, terms: LicenseTerms, case: TermsCase, findings: Findings
) -> None:
    clause, subject = permission.clause, case.subject
    if condition in _ADMITTED_KINDS:
        _admitted_kind(condition, clause, subject, findings)
    elif condition == "non-commercial-only":
        _non_commercial_only(clause, terms, case, findings)
    elif condition == "research-only":
        _research_only(clause, subject, findings)
    elif condition == "non-production" and subject.purpose in _PRODUCTION:
        findings.refuse_unless_bought(findings.purpose_reason, clause, fact="purpose")
    elif condition == "registration" and terms.id not in subject.registrations:
        findings.refuse_unless_bought("REGISTRATION_REQUIRED", clause, fact="registrations")
    elif condition == "registration-outside-research":
        _registration_outside_research(clause, terms, case, findings)


def _admitted_kind(condition: str, clause: str, subject: Subject, findings: Findings) -> None:
    admitted, reason = _ADMITTED_KINDS[condition]
    if subject.org_kind is None:
        findings.ask("ORG_KIND_MISSING", clause, fact="org_kind")
    elif subject.org_kind not in admitted:
        findings.refuse_unless_bought(reason or findings.purpose_reason, clause, fact="org_kind")


def _non_commercial_only(clause: str, terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    commercial = commercial_use(terms, case)
    if isinstance(commercial, str):
        findings.ask(commercial, clause, fact=_fact_of(commercial, case.subject))
    elif commercial:
        findings.refuse_unless_bought("NON_COMMERCIAL_ONLY", clause, fact="purpose", more=case.subject.purpose or "")


def _research_only(clause: str, subject: Subject, findings: Findings) -> None:
    if subject.purpose == "research":
        return
    if subject.org_kind is None:
        findings.ask("ORG_KIND_MISSING", clause, fact="org_kind")
    elif subject.org_kind == "company":
        findings.refuse_unless_bought("RESEARCH_ONLY", clause, fact="purpose", more=subject.purpose or "")
    else:
        findings.ask("PURPOSE_AMBIGUOUS", clause, fact="purpose")


def _registration_outside_research(clause: str, terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    if case.subject.purpose == "research" or terms.id in case.subject.registrations:
        return
    commercial = commercial_use(terms, case)
    if commercial is True:
        findings.refuse_unless_bought("REGISTRATION_REQUIRED", clause, fact="registrations")
    else:
        code = commercial if isinstance(commercial, str) else "PURPOSE_AMBIGUOUS"
        findings.ask(code, clause, fact=_fact_of(code, case.subject))


def _fact_of(code: str, subject: Subject) -> str:
    if code == "ORG_KIND_MISSING":
        return "org_kind"
    return "paid" if code == "PURPOSE_AMBIGUOUS" and subject.purpose == "hosted-service" else "purpose"


# --- thresholds (4.4) -------------------------------------------------------------------------------------------
_FIGURES = {
    "monthly-unique-users": "monthly_unique_users",
    "daily-active-users": "dau",
    "monthly-visits": "monthly_visits",
    "group-monthly-revenue": "group_monthly_revenue_usd",
    "monthly-revenue": "product_monthly_revenue_usd",
    "headcount": "headcount",
    "competes-with-steward": "competes_with_steward",
}


def figure_name(threshold: Threshold) -> str:
    """Returns the subject's fact that a threshold is measured by (vocabulary 3)."""
    if threshold.metric == "annual-revenue":
        return "annual_revenue_cny" if threshold.currency == "CNY" else "annual_revenue_usd"
    if threshold.metric == "monthly-active-users":
        if threshold.measured == "at-version-release-preceding-month":
            return "mau_at_release"
        return "product_mau" if threshold.scope in {"product", "service"} else "mau"
    return _FIGURES[threshold.metric]


def _figure(threshold: Threshold, license_id: str, subject: Subject) -> float | None:
    value = getattr(subject, figure_name(threshold))
    if isinstance(value, tuple):
        return dict(value).get(license_id)
    return None if value is None else float(value)


def _is_over(threshold: Threshold, figure: float) -> bool:
    if threshold.operator == "gt":
        return figure > threshold.value
    return figure >= threshold.value if threshold.operator == "gte" else figure == threshold.value


def check_thresholds(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.4: thresholds that apply to the purpose and the action."""
    for threshold in terms.thresholds:
        if not threshold.actions or case.action in threshold.actions:
            _check_threshold(threshold, terms, case, findings)


def _applies(threshold: Threshold, terms: LicenseTerms, case: TermsCase) -> bool | str:
    """Tells whether a threshold counts for this purpose, or the reason code for what is missing to tell."""
    if "any" in threshold.applies_to:
        return True
    if "commercial" in threshold.applies_to:
        return commercial_use(terms, case)
    return "PURPOSE_MISSING" if case.subject.purpose is None else case.subject.purpose in threshold.applies_to


def _check_threshold(threshold: Threshold, terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    applies = _applies(threshold, terms, case)
    figure = _figure(threshold, terms.id, case.subject)
    if applies is False or (figure is not None and not _is_over(threshold, figure)):
        return
    if case.subject.received_as in threshold.exempt:
        findings.remark("THRESHOLD_EXEMPT", threshold.clause, fact="received_as")
    elif isinstance(applies, str):
        if threshold.effect == "display-duty":
            findings.over_display_threshold = True
        else:
            findings.ask(applies, threshold.clause, fact=_fact_of(applies, case.subject))
    else:
        _bite(threshold, figure, findings)


def _bite(threshold: Threshold, figure: float | None, findings: Findings) -> None:
    name, clause = figure_name(threshold), threshold.clause
    limit = f"{threshold.metric}, {threshold.operator} {threshold.value:,.0f} {threshold.currency}".rstrip()
    if threshold.effect == "display-duty":
        findings.over_display_threshold = True
        if figure is not None:
            findings.remark("THRESHOLD_DUTY", clause, fact=name, more=limit)
    elif figure is None:
        findings.ask("THRESHOLD_FACT_MISSING", clause, fact=name, more=limit)
    else:
        outcome = {"needs-entitlement": "needs-entitlement", "not-licensed": "deny", "ask-person": "needs-information"}
        findings.add("THRESHOLD_EXCEEDED", outcome[threshold.effect], clause, fact=name, more=limit)


# --- territory (4.5) --------------------------------------------------------------------------------------------
def check_territory(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.5: places without a grant, by component."""
    for territory in terms.territory:
        if territory.component == "multimodal" and case.model.multimodal is False:
            continue
        _check_place(territory, case, findings)


def _check_place(territory: Territory, case: TermsCase, findings: Findings) -> None:
    place = case.subject.territory
    if place is not None and place not in territory.excluded:
        return
    if case.subject.role == "end-user" and "end-users-of-a-product-or-service" in territory.exempt:
        findings.remark("TERRITORY_EXEMPT", territory.clause, fact="role")
    elif place is None:
        findings.ask("TERRITORY_MISSING", territory.clause, fact="territory")
    elif territory.component == "multimodal" and case.model.multimodal is None:
        findings.ask("COMPONENT_UNKNOWN", territory.clause, fact="multimodal")
    else:
        findings.refuse("TERRITORY_EXCLUDED", territory.clause, fact="territory", more=place)


# --- uses, names, suits, acceptance (4.6, 4.7) -------------------------------------------------------------------
def check_topics(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.6: declared restricted topics. The first clause cited is the list itself, further ones lead to it."""
    clause = terms.restrictions_clause.partition(";")[0]
    for topic in sorted(case.subject.use_topics):
        if topic in terms.restricted_topics:
            findings.refuse("USE_RESTRICTED", clause, fact="use_topics", more=topic)
        elif not terms.restrictions_complete:
            findings.ask("TERM_UNKNOWN", clause, fact="use_topics", more=topic)


def check_litigation(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.6: suits. `all-rights` ends every action, `patent-license` only patent-use."""
    for termination in terms.termination:
        if _sued(termination, case.subject) and (termination.scope == "all-rights" or case.action == "patent-use"):
            findings.refuse("TERMINATED_BY_LITIGATION", termination.clause, fact="litigation")


def _sued(termination: Termination, subject: Subject) -> bool:
    if termination.trigger == "ip-litigation":  # any suit over intellectual property
        return bool(subject.litigation)
    return bool(subject.litigation & _SUITS.get(termination.trigger, frozenset()))


def check_acceptance(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.7: the current version, accepted."""
    if not terms.acceptance_required:
        return
    accepted = dict(case.subject.accepted).get(terms.id)
    if accepted is None:
        findings.add("ACCEPTANCE_MISSING", "needs-acceptance", terms.acceptance_clause, fact="accepted")
    elif accepted != terms.version:
        findings.add("ACCEPTANCE_STALE", "needs-acceptance", terms.acceptance_clause, fact="accepted", more=accepted)


def check_outputs(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """Conditions on training another model with outputs."""
    if case.action != TRAINING:
        return
    permission, target = terms.actions[TRAINING], case.target
    forbidden = {
        "own-family-only": None if target.same_family is None else not target.same_family,
        "own-family-or-non-commercial-models": _outside_family_and_commercial(target),
        "non-competing-only": target.competing,
        "no-foundation-models": target.foundation_model,
    }
    for condition in permission.conditions:
        if condition == "output-is-derivative":
            findings.remark("OUTPUT_MODEL_IS_DERIVATIVE", permission.clause, fact="target")
        elif condition in forbidden:
            if forbidden[condition] is None:
                findings.ask("TARGET_UNKNOWN", permission.clause, fact="target", more=condition)
            elif forbidden[condition]:
                findings.refuse("OUTPUT_TRAINING_PROHIBITED", permission.clause, fact="target", more=condition)


def _outside_family_and_commercial(target: Target) -> bool | None:
    if target.same_family or target.commercial is False:
        return False
    return None if target.same_family is None or target.commercial is None else True


def check_name(terms: LicenseTerms, case: TermsCase, findings: Findings) -> None:
    """4.6: the name of a model that is distributed, or hosted in modified form, against the prefix."""
    for duty in terms.duties:
        if duty.code != "name-prefix":
            continue
        name = case.derivative_name
        if case.action == TRAINING:
            name = case.target.name or name
        if not _is_named(duty.triggers, case) or (name is not None and name.startswith(duty.text)):
            continue
        unsure = name is None or (case.action == TRAINING and case.target.distributed is None)
        if unsure:
            findings.ask("TARGET_UNKNOWN", duty.clause, fact="name", more=f"the name must start with {duty.text}")
        else:
            findings.refuse("NAME_PREFIX_MISSING", duty.clause, fact="name", more=f"start it with {duty.text}")


def _is_named(triggers: frozenset[str], case: TermsCase) -> bool:
    if case.action == TRAINING:
        return "output-model-distribution" in triggers and case.target.distributed is not False
    if case.action == "distribute-derivative":
        return "derivative-distribution" in triggers
    return case.action == "host-as-service" and bool(case.modified) and "derivative-network-service" in triggers
