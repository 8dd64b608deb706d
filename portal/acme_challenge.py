"""`/.well-known/acme-challenge/`: what authorities look for before they issue a certificate; open to anybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.vault.selectors import challenge_answer


def acme_challenge(_request: HttpRequest, token: str) -> HttpResponse:
    """The answer to a token, or 404."""
    answer = challenge_answer(token) if len(token) <= 128 else ""
    response = HttpResponse(answer or "Nothing is known of this token.\n", status=200 if answer else 404)
    response["Content-Type"] = "application/octet-stream" if answer else "text/plain"
    response["Cache-Control"] = "no-store"
    return response
