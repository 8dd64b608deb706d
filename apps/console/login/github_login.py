"""Logging in through GitHub: the button, and the address that GitHub sends the browser back to."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import AuthProvider
from apps.accounts.providers.provision import provision_account
from apps.accounts.services import record_login
from apps.console.login.login_pages import login_page
from apps.console.request_context import public, safe_redirect_path
from apps.control.services import record
from apps.core.errors import NotFound, Problem

_NEXT_URL_KEY = "github_next"
_AUTH_BACKEND = "apps.accounts.providers.DirectoryBackend"


def callback_url(request: HttpRequest) -> str:
    """Where GitHub sends people back to; an administrator registers it there."""
    return request.build_absolute_uri(reverse("console:github-return"))


@public
@never_cache
@require_POST
def start_login(request: HttpRequest) -> HttpResponse:
    """To GitHub, with a state that only this browser's session knows."""
    from apps.accounts.providers.github import oauth

    request.session[_NEXT_URL_KEY] = safe_redirect_path(request, request.POST.get("next", ""))
    try:
        return oauth.begin(request, _provider(), callback_url(request))
    except Problem as problem:
        return login_page(request, problem.message)


@public
@never_cache
@require_GET
def finish_login(request: HttpRequest) -> HttpResponse:
    """Back from GitHub: in, or the log-in page with the reason."""
    from apps.accounts.providers.github import oauth

    address = request.META.get("REMOTE_ADDR", "")
    try:
        provider = _provider()
        claims = oauth.complete(request, provider, callback_url(request))
    except Problem as problem:
        return login_page(request, problem.message)
    try:
        user = provision_account(provider, claims)
    except Problem as problem:
        record(
            "login.refused",
            actor=None,
            request={"login": claims.person.login, "backend": "github"},
            address=address,
            via="console",
            code="403",
        )
        return login_page(request, problem.message)
    next_url = request.session.pop(_NEXT_URL_KEY, "/")
    login(request, user, backend=_AUTH_BACKEND)
    record_login(user, address)
    return redirect(next_url)


def _provider() -> AuthProvider:
    provider = AuthProvider.objects.accepting_logins().filter(kind="github").first()
    if provider is None:
        raise NotFound(_("Logging in through GitHub is off."))
    return provider
