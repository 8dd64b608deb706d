"""Every URL: the v1 API, GitHub's return address, and the console at the root."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]
