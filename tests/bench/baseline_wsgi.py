"""The framework's own answers, as baseline: a bare Django (no middleware) with a "hello" and a one-row ORM view.

Served by the same gunicorn settings and reading the same database as the hub, so that ratios mean something.
"""

from __future__ import annotations

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "registry.settings"

import django
from django.conf import settings

django.setup()  # first: an application refuses to start without its middleware
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = []

from django.core.wsgi import get_wsgi_application  # noqa: E402 (settings come first)
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

application = get_wsgi_application()

from registry.repositories.models import Repository  # noqa: E402


def hello(request: HttpRequest) -> HttpResponse:
    """The least that the framework can do."""
    del request
    return HttpResponse("hello", content_type="text/plain")


def one_row(request: HttpRequest) -> JsonResponse:
    """One row by an indexed column, as JSON."""
    del request
    row = Repository.objects.get(type="model", full_name__iexact="bench/tiny")
    return JsonResponse({"id": row.full_name, "visibility": row.visibility, "updated": row.updated_at.isoformat()})


urlpatterns = [path("hello", hello), path("row", one_row)]
