"""Routes. Order matters: fixed prefixes first, `/{owner}/{name}` last."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from registry import http_errors
from registry.api.licensing_evidence import jwks
from registry.health import health

handler400 = http_errors.handler400
handler403 = http_errors.handler403
handler404 = http_errors.handler404
handler500 = http_errors.handler500

urlpatterns = [
    path("health", health),
    path(".well-known/jwks.json", jwks),
    path("api/v1/", include("registry.api.urls", namespace="api")),
    path("", include("registry.hub.urls", namespace="hub")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("registry.web.urls", namespace="web")),
]
