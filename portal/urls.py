"""Every URL: the health check, the v1 API, and the console at the root."""

from __future__ import annotations

from django.urls import include, path

from portal.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]
