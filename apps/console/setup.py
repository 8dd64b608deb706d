"""The first minute: the one-time link that makes the first administrator."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.selectors import is_set_up
from apps.accounts.services import first_admin_create, login_succeeded
from apps.console.door import anybody, seal
from apps.core.errors import Problem
from apps.core.models import Setting
from apps.environments.services import environment_default, owner_add

TOKEN = "setup.token"  # noqa: S105 - the setting's name


def setup_link_make() -> str:
    """A new one-time token for `/setup/<token>`; older ones stop working. Only its hash is kept."""
    token = secrets.token_urlsafe(24)
    Setting.objects.update_or_create(name=TOKEN, defaults={"value": _digest(token)})
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _is_right(token: str) -> bool:
    row = Setting.objects.filter(name=TOKEN).first()
    return row is not None and hmac.compare_digest(row.value, _digest(token))


@anybody
def waiting(request: HttpRequest) -> HttpResponse:
    """What anybody sees before the link was used."""
    if is_set_up():
        return redirect("console:home")
    return seal(render(request, "console/setup.html", {"is_waiting": True}))


@anybody
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    """The form behind the link."""
    if is_set_up():
        return redirect("console:home")
    if not _is_right(token):
        return seal(render(request, "console/setup.html", {"is_waiting": True, "is_wrong": True}, status=404))
    context: dict[str, object] = {"values": request.POST, "token": token}
    if request.method == "POST":
        try:
            return _make(request)
        except Problem as problem:
            context["errors"] = {problem.field or "login": problem.message}
    return seal(render(request, "console/setup.html", context, status=422 if "errors" in context else 200))


def _make(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    user = first_admin_create(
        login=posted.get("login", ""), password=posted.get("password", ""), name=posted.get("name", "").strip()
    )
    owner_add(environment_default(), user)
    Setting.objects.filter(name=TOKEN).delete()
    login(request, user, backend="apps.accounts.backends.LocalBackend")
    login_succeeded(user, request.META.get("REMOTE_ADDR", ""))
    return redirect("console:home")
