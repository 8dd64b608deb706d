"""Every URL: the health check, proofs of certificates, the command line, the v1 API, and the console at the root."""

from __future__ import annotations

from django.urls import include, path

from portal.acme_challenge import acme_challenge
from portal.cli_program import cli_program
from portal.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path(".well-known/acme-challenge/<slug:token>", acme_challenge, name="acme-challenge"),
    path("cli/corral", cli_program, name="cli-program"),
    path("", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]
