"""Routes of `registry.api`."""

from __future__ import annotations

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularAPIView

from registry.api import jobs, licensing, licensing_access, licensing_evidence, worker

app_name = "api"
_REPOSITORY = "repositories/<str:type>/<str:owner>/<str:name>"
urlpatterns: list[URLPattern] = [
    path("jobs", jobs.JobsView.as_view(), name="jobs"),
    path("jobs/schemas/<str:kind>", jobs.JobSchemaView.as_view(), name="job-schema"),
    path("jobs/<str:job_id>", jobs.JobView.as_view(), name="job"),
    path("jobs/<str:job_id>/events", jobs.JobEventsView.as_view(), name="job-events"),
    path("jobs/<str:job_id>/stop", jobs.JobStopView.as_view(), name="job-stop"),
    path("jobs/<str:job_id>/log", jobs.JobLogView.as_view(), name="job-log"),
    path("worker/register", worker.RegisterView.as_view(), name="worker-register"),
    path("worker/jobs", worker.WaitingView.as_view(), name="worker-waiting"),
    path("worker/jobs/<str:job_id>/claim", worker.ClaimView.as_view(), name="worker-claim"),
    path("worker/jobs/<str:job_id>/heartbeat", worker.HeartbeatView.as_view(), name="worker-heartbeat"),
    path("worker/jobs/<str:job_id>/state", worker.StateView.as_view(), name="worker-state"),
    path("worker/jobs/<str:job_id>/events", worker.EventsView.as_view(), name="worker-events"),
    path("worker/jobs/<str:job_id>/resolved", worker.ResolvedView.as_view(), name="worker-resolved"),
    path("worker/jobs/<str:job_id>/checkpoints", worker.CheckpointsView.as_view(), name="worker-checkpoints"),
    path("worker/jobs/<str:job_id>/checkpoints/links", worker.CheckpointLinksView.as_view(), name="worker-links"),
    path("worker/jobs/<str:job_id>/checkpoints/latest", worker.LatestCheckpointView.as_view(), name="worker-latest"),
    path("worker/jobs/<str:job_id>/finish", worker.FinishView.as_view(), name="worker-finish"),
    path("licenses", licensing.LicensesView.as_view(), name="licenses"),
    path("licenses/<str:license_id>", licensing.LicenseView.as_view(), name="license"),
    path(f"{_REPOSITORY}/license", licensing.RepositoryLicenseView.as_view(), name="repository-license"),
    path(f"{_REPOSITORY}/offers", licensing.OffersView.as_view(), name="offers"),
    path(f"{_REPOSITORY}/acceptances", licensing.RepositoryAcceptancesView.as_view(), name="repository-acceptances"),
    path(f"{_REPOSITORY}/access-requests", licensing_access.AccessRequestsView.as_view(), name="access-requests"),
    path(f"{_REPOSITORY}/access-requests/grant", licensing_access.AccessGrantView.as_view(), name="access-grant"),
    path("offers/<int:offer_id>/withdraw", licensing.OfferWithdrawView.as_view(), name="offer-withdraw"),
    path("offers/<int:offer_id>/accept", licensing.OfferAcceptView.as_view(), name="offer-accept"),
    path("offers/<int:offer_id>/entitlements", licensing_access.EntitlementsView.as_view(), name="entitlements"),
    path("acceptances", licensing.AcceptancesView.as_view(), name="acceptances"),
    path("acceptances/<int:acceptance_id>", licensing.AcceptanceView.as_view(), name="acceptance"),
    path("access-requests/<int:request_id>", licensing_access.AccessRequestView.as_view(), name="access-request"),
    path(
        "entitlements/<int:entitlement_id>/<str:change>",
        licensing_access.EntitlementChangeView.as_view(),
        name="entitlement-change",
    ),
    path("decisions", licensing_evidence.DecisionsView.as_view(), name="decisions"),
    path("decisions/<str:decision_id>", licensing_evidence.DecisionView.as_view(), name="decision"),
    path("receipts", licensing_evidence.ReceiptsView.as_view(), name="receipts"),
    path("receipts/<str:receipt_id>", licensing_evidence.ReceiptView.as_view(), name="receipt"),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
]
