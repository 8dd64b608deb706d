"""`/healthz`: whether this process serves and reaches its database; for load balancers and container health checks."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from apps.control.load import load_level, seconds_behind


def healthz(_request: HttpRequest) -> JsonResponse:
    """200 when a query works, else 503 with the reason; how far the portal is behind is no reason to take it away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return JsonResponse({"status": "no database", "detail": str(error)[:200]}, status=503)
    level = load_level()
    if level:
        return JsonResponse({"status": "ok", "load": level.name.lower(), "secondsBehind": round(seconds_behind(), 1)})
    return JsonResponse({"status": "ok"})
