"""First-time set-up: the one-time link that creates the first administrator."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.selectors import is_set_up
from apps.accounts.services import first_admin_create, record_login
from apps.console.request_context import public, set_security_headers
from apps.core.errors import Problem
from apps.core.models import Setting
from apps.environments.services import ensure_default_environment, owner_add

SETUP_TOKEN = "setup.token"  # noqa: S105 - the setting's name


def setup_link_create() -> str:
    """Create a one-time token for `/setup/<token>`; older ones stop working. Only its hash is stored."""
    token = secrets.token_urlsafe(24)
    Setting.objects.update_or_create(name=SETUP_TOKEN, defaults={"value": _digest(token)})
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _is_valid_token(token: str) -> bool:
    row = Setting.objects.filter(name=SETUP_TOKEN).first()
    return row is not None and hmac.compare_digest(row.value, _digest(token))


@public
def setup_pending(request: HttpRequest) -> HttpResponse:
    """The page that everybody sees until the link has been used."""
    if is_set_up():
        return redirect("console:home")
    return set_security_headers(render(request, "console/setup.html", {"is_waiting": True}))


@public
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    """The form behind the link."""
    if is_set_up():
        return redirect("console:home")
    if not _is_valid_token(token):
        return set_security_headers(
            render(request, "console/setup.html", {"is_waiting": True, "is_wrong": True}, status=404)
        )
    context: dict[str, object] = {"values": request.POST, "token": token}
    if request.method == "POST":
        try:
            return _create_first_admin(request)
        except Problem as problem:
            context["errors"] = {problem.field or "login": problem.message}
    return set_security_headers(
        render(request, "console/setup.html", context, status=422 if "errors" in context else 200)
    )


def _create_first_admin(request: HttpRequest) -> HttpResponse:
    form = request.POST
    user = first_admin_create(
        login=form.get("login", ""), password=form.get("password", ""), name=form.get("name", "").strip()
    )
    owner_add(ensure_default_environment(), user)
    Setting.objects.filter(name=SETUP_TOKEN).delete()
    login(request, user, backend="apps.accounts.providers.LocalBackend")
    record_login(user, request.META.get("REMOTE_ADDR", ""))
    return redirect("console:home")
