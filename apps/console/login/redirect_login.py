"""Logging in through a provider's own pages: the button, and the address that the browser comes back to."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import AuthProvider
from apps.accounts.providers.provision import provision_account
from apps.accounts.providers.registry import AnyRedirectProvider, redirect_providers
from apps.accounts.services import record_login
from apps.console.login.login_pages import login_page
from apps.console.request_context import public, safe_redirect_path
from apps.control.services import record
from apps.core.errors import NotFound, Problem

_AUTH_BACKEND = "apps.accounts.providers.DirectoryBackend"


def routes() -> list[URLPattern]:
    """The two addresses of every provider that has pages of its own."""
    return [
        route
        for kind in redirect_providers()
        for route in (
            path(f"login/{kind}", start_login, {"kind": kind}, name=kind),
            path(f"login/{kind}/return", finish_login, {"kind": kind}, name=f"{kind}-return"),
        )
    ]


def return_url(request: HttpRequest, kind: str) -> str:
    """Where the provider sends people back to; an administrator registers it there."""
    return request.build_absolute_uri(reverse(f"console:{kind}-return"))


@public
@never_cache
@require_POST
def start_login(request: HttpRequest, kind: str) -> HttpResponse:
    """To the provider, with a state that only this browser's session knows."""
    request.session[_next_url_key(kind)] = safe_redirect_path(request, request.POST.get("next", ""))
    try:
        row, provider = _find_provider(kind)
        return provider.begin(request, row.config, return_url(request, kind))
    except Problem as problem:
        return login_page(request, problem.message)


@public
@never_cache
@require_GET
def finish_login(request: HttpRequest, kind: str) -> HttpResponse:
    """Back from the provider: logged in, or the login page with the reason."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        row, provider = _find_provider(kind)
        claims = provider.complete(request, row.config, return_url(request, kind))
    except Problem as problem:
        return login_page(request, problem.message)
    try:
        user = provision_account(row, claims)
    except Problem as problem:
        details = {"login": claims.person.login, "backend": kind}
        record("login.refused", actor=None, request=details, address=address, via="console", code="403")
        return login_page(request, problem.message)
    next_url = request.session.pop(_next_url_key(kind), "/")
    login(request, user, backend=_AUTH_BACKEND)
    record_login(user, address)
    return redirect(next_url)


def _next_url_key(kind: str) -> str:
    return f"{kind}_next"


def _find_provider(kind: str) -> tuple[AuthProvider, AnyRedirectProvider]:
    provider = redirect_providers()[kind]
    row = AuthProvider.objects.accepting_logins().filter(kind=kind).first()
    if row is None:
        raise NotFound(_("Logging in through %(provider)s is off.") % {"provider": provider.title})
    return row, provider
