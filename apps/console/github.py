"""Logging in through GitHub: the button, and the address that GitHub sends the browser back to."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.backends.arrival import arrive
from apps.accounts.models import AuthProvider
from apps.accounts.services import login_succeeded
from apps.console.door import anybody, local_path
from apps.console.session import login_page
from apps.control.services import record
from apps.core.errors import NotFound, Problem

_NEXT = "github_next"
_SESSION_OF = "apps.accounts.backends.DirectoryBackend"


def return_address(request: HttpRequest) -> str:
    """Where GitHub sends people back to; an administrator registers it there."""
    return request.build_absolute_uri(reverse("console:github-return"))


@anybody
@never_cache
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """To GitHub, with a state that only this browser's session knows."""
    from apps.accounts.backends import github

    request.session[_NEXT] = local_path(request, request.POST.get("next", ""))
    try:
        return github.begin(request, _provider(), return_address(request))
    except Problem as problem:
        return login_page(request, problem.message)


@anybody
@never_cache
@require_GET
def complete(request: HttpRequest) -> HttpResponse:
    """Back from GitHub: in, or the log-in page with the reason."""
    from apps.accounts.backends import github

    address = request.META.get("REMOTE_ADDR", "")
    try:
        provider = _provider()
        claims = github.complete(request, provider, return_address(request))
    except Problem as problem:
        return login_page(request, problem.message)
    try:
        user = arrive(provider, claims)
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
    wanted = request.session.pop(_NEXT, "/")
    login(request, user, backend=_SESSION_OF)
    login_succeeded(user, address)
    return redirect(wanted)


def _provider() -> AuthProvider:
    provider = AuthProvider.objects.open().filter(kind="github").first()
    if provider is None:
        raise NotFound(_("Logging in through GitHub is off."))
    return provider
