"""`GET /health`: whether this process can reach its database, for load balancers and the launcher."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, JsonResponse


def health(request: HttpRequest) -> JsonResponse:
    """Answers 200 once the database answers; an unreachable one is a 500 by way of the exception."""
    del request
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
