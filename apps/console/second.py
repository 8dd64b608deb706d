"""The second step of logging in: a code of the authenticator, or setting one up where it is required."""

from __future__ import annotations

import time

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.factor import code_check, enrol, enrolment, step_after_password
from apps.accounts.login.sessions import LOCAL
from apps.accounts.models import User
from apps.accounts.services import login_succeeded
from apps.console.door import anybody, local_path, seal
from apps.console.pictures import qr
from apps.core.errors import Problem
from apps.environments.access import actor_of_user

WITHIN = 300
_KEY = "second"


def ask(request: HttpRequest, user: User, step: str, wanted: str) -> HttpResponse:
    """The password was right: remember whose, for five minutes, and go to the second step."""
    request.session.flush()
    known = {"account": user.pk, "hash": user.get_session_auth_hash(), "at": time.time(), "next": wanted}
    request.session[_KEY] = known
    return redirect("console:login-code" if step == "code" else "console:login-enrol")


def _pending(request: HttpRequest, step: str) -> User | None:
    """Who typed a right password in this browser just now and has this step to take."""
    known = request.session.get(_KEY)
    if not known or time.time() - known["at"] > WITHIN:
        return None
    user = User.objects.filter(pk=known["account"], desired="active").first()
    if user is None or not constant_time_compare(known["hash"], user.get_session_auth_hash()):
        return None
    return user if step_after_password(user, LOCAL) == step else None


def _enter(request: HttpRequest, user: User) -> str:
    wanted = local_path(request, request.session.pop(_KEY)["next"])
    login(request, user, backend=LOCAL)
    login_succeeded(user, request.META.get("REMOTE_ADDR", ""))
    return wanted


@anybody
@sensitive_post_parameters("code")
@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """Type the authenticator's code, or a recovery code."""
    user, error = _pending(request, "code"), ""
    if user is None:
        return redirect("console:login")
    if request.method == "POST":
        try:
            code_check(user, request.POST.get("code", ""), address=request.META.get("REMOTE_ADDR", ""))
            return redirect(_enter(request, user))
        except Problem as problem:
            error = problem.message
    context = {"error": error, "login": user.login}
    return seal(render(request, "console/login_code.html", context, status=403 if error else 200))


@anybody
@sensitive_post_parameters("code")
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Set an authenticator up before going on, because an administrator requires it."""
    user, error = _pending(request, "enrol"), ""
    if user is None:
        return redirect("console:login")
    if request.method == "POST":
        try:
            return _set_up(request, user)
        except Problem as problem:
            error = problem.message
    told = enrolment(user)
    context = {
        "error": error,
        "login": user.login,
        "secret": told.secret,
        "picture": qr(told.uri),
    }
    return seal(render(request, "console/login_enrol.html", context, status=403 if error else 200))


def _set_up(request: HttpRequest, user: User) -> HttpResponse:
    actor = actor_of_user(user, "console", address=request.META.get("REMOTE_ADDR", ""))
    made = enrol(user, request.POST.get("code", ""), actor=actor)
    wanted = _enter(request, user)
    response = seal(render(request, "console/login_codes.html", {"codes": made, "next": wanted}))
    response["Cache-Control"] = "no-store"
    return response
