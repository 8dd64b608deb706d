"""What a browser is told whose cookies are gone or not accepted: a form was sent, but nobody knows from whom."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.console.request_context import is_fragment, originating_path, set_security_headers


def refuse(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Django's view for a request without the right CSRF token: says why, and leads back to the form."""
    if not is_fragment(request):
        back = originating_path(request)
        return set_security_headers(render(request, "console/lost_cookies.html", {"back": back}, status=403))
    if not request.user.is_authenticated:
        login = f"{reverse('console:login')}?{urlencode({'next': originating_path(request)})}"
        return set_security_headers(HttpResponse(status=403, headers={"HX-Redirect": login}))
    text = _("Your browser lost the cookie that proves where this form came from. Reload the page and send it again.")
    trigger = json.dumps({"corral:toast": {"text": text, "tone": "bad"}})
    return set_security_headers(HttpResponse(text, status=403, headers={"HX-Trigger": trigger}))
