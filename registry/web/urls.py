"""Routes of the pages. Fixed words first; what remains is an owner, or an owner and a name."""

from __future__ import annotations

from django.urls import URLPattern, path

from registry.web.views import (
    api_reference,
    decisions,
    documents,
    files,
    home,
    jobs,
    licenses,
    licensing,
    owners,
    preferences,
    repositories,
    settings,
)
from registry.web.views import repository_list as lists
from registry.web.views import requests as access_requests

app_name = "web"


def _repository_routes(prefix: str, type: str) -> list[URLPattern]:  # noqa: A002 (the domain's word)
    """Returns the pages of one kind of repository, below `[datasets/]owner/name`."""
    base = f"{prefix}<str:owner>/<str:name>"
    kind = {"type": type}
    return [
        path(base, repositories.detail, kind, name=type),
        path(f"{base}/tree/<path:rest>", files.tree, kind, name=f"{type}-tree"),
        path(f"{base}/blob/<path:rest>", files.blob, kind, name=f"{type}-blob"),
        path(f"{base}/commits/<path:revision>", files.commits, kind, name=f"{type}-commits"),
        path(f"{base}/commit/<str:oid>", files.commit, kind, name=f"{type}-commit"),
        path(f"{base}/license", licensing.panel, kind, name=f"{type}-license"),
        path(f"{base}/license/accept", licensing.accept, kind, name=f"{type}-accept"),
        path(f"{base}/license/request", licensing.request_access, kind, name=f"{type}-request"),
        path(f"{base}/settings", repositories.settings, kind, name=f"{type}-settings"),
        path(f"{base}/settings/delete", repositories.delete, kind, name=f"{type}-delete"),
    ]


urlpatterns = [
    path("", home.home, name="home"),
    path("models", lists.repository_list, {"type": "model"}, name="models"),
    path("datasets", lists.repository_list, {"type": "dataset"}, name="datasets"),
    path("licenses", licenses.license_list, name="licenses"),
    path("licenses/<str:license_id>", licenses.license_detail, name="license"),
    path("jobs", jobs.job_list, name="jobs"),
    path("jobs/new", jobs.job_new, name="job-new"),
    path("jobs/<str:job_id>", jobs.job_detail, name="job"),
    path("jobs/<str:job_id>/stop", jobs.job_stop, name="job-stop"),
    path("decisions", decisions.decision_list, name="decisions"),
    path("decisions/<str:decision_id>", decisions.decision_detail, name="decision"),
    path("docs/api", api_reference.api_reference, name="api-reference"),
    path("docs/<slug:name>", documents.document, name="document"),
    path("docs/<slug:name>.md", documents.source_name, name="document-file"),
    path("requests", access_requests.request_list, name="requests"),
    path("requests/<int:pk>", access_requests.request_decide, name="request-decide"),
    path("settings/profile", settings.profile, name="profile"),
    path("settings/tokens", settings.tokens, name="tokens"),
    path("settings/tokens/<int:pk>/revoke", settings.token_revoke, name="token-revoke"),
    path("settings/preferences", preferences.preferences_set, name="preferences"),
    path("new", repositories.new, name="repository-new"),
    *_repository_routes("datasets/", "dataset"),
    *_repository_routes("", "model"),
    path("<str:owner>", owners.owner, name="owner"),
]
