"""The second step of a log-in: the code of an authenticator, or setting one up where it is required."""

from __future__ import annotations

import time

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.second_factor import (
    code_check,
    enrol,
    enrolment,
    next_login_step,
)
from apps.accounts.login.sessions import LOCAL_BACKEND
from apps.accounts.models import User
from apps.accounts.services import record_login
from apps.console.components.qrcode import qr_svg
from apps.console.request_context import public, safe_redirect_path, set_security_headers
from apps.core.errors import Problem
from apps.environments.actor import actor_of_user

MAX_STEP_SECONDS = 300
_SESSION_KEY = "second"


def start_second_step(request: HttpRequest, user: User, step: str, next_url: str) -> HttpResponse:
    """Remember for five minutes who typed the right password, and go to the second step."""
    request.session.flush()  # a new session id: one planted before the log-in is worthless
    pending = {"account": user.pk, "hash": user.get_session_auth_hash(), "at": time.time(), "next": next_url}
    request.session[_SESSION_KEY] = pending
    return redirect("console:login-code" if step == "code" else "console:login-enrol")


def _pending_user(request: HttpRequest, step: str) -> User | None:
    """The user who typed the right password in this session and must take this step; None after five minutes."""
    pending = request.session.get(_SESSION_KEY)
    if not pending or time.time() - pending["at"] > MAX_STEP_SECONDS:
        return None
    user = User.objects.filter(pk=pending["account"], desired="active").first()
    # A password that was changed meanwhile ends the pending step, as it ends sessions.
    if user is None or not constant_time_compare(pending["hash"], user.get_session_auth_hash()):
        return None
    return user if next_login_step(user, LOCAL_BACKEND) == step else None


def _complete_login(request: HttpRequest, user: User) -> str:
    next_url = safe_redirect_path(request, request.session.pop(_SESSION_KEY)["next"])
    login(request, user, backend=LOCAL_BACKEND)
    record_login(user, request.META.get("REMOTE_ADDR", ""))
    return next_url


@public
@sensitive_post_parameters("code")
@never_cache
def enter_code(request: HttpRequest) -> HttpResponse:
    """Check the code of the authenticator, or a recovery code."""
    user, error = _pending_user(request, "code"), ""
    if user is None:
        return redirect("console:login")
    if request.method == "POST":
        try:
            code_check(user, request.POST.get("code", ""), address=request.META.get("REMOTE_ADDR", ""))
            return redirect(_complete_login(request, user))
        except Problem as problem:
            error = problem.message
    context = {"error": error, "login": user.login}
    return set_security_headers(render(request, "console/login_code.html", context, status=403 if error else 200))


@public
@sensitive_post_parameters("code")
@never_cache
def enrol_page(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator, because an administrator requires one, then finish the log-in."""
    user, error = _pending_user(request, "enrol"), ""
    if user is None:
        return redirect("console:login")
    if request.method == "POST":
        try:
            return _enrol(request, user)
        except Problem as problem:
            error = problem.message
    setup_data = enrolment(user)
    context = {
        "error": error,
        "login": user.login,
        "secret": setup_data.secret,
        "picture": qr_svg(setup_data.uri),
    }
    return set_security_headers(render(request, "console/login_enrol.html", context, status=403 if error else 200))


def _enrol(request: HttpRequest, user: User) -> HttpResponse:
    actor = actor_of_user(user, "console", address=request.META.get("REMOTE_ADDR", ""))
    recovery_codes = enrol(user, request.POST.get("code", ""), actor=actor)
    next_url = _complete_login(request, user)
    response = set_security_headers(
        render(request, "console/login_recovery_codes.html", {"codes": recovery_codes, "next": next_url})
    )
    response["Cache-Control"] = "no-store"
    return response
