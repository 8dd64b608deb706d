"""Logging in and out, the password, the theme, and where `/` leads."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts.login.factor import step_after_password
from apps.accounts.login.passwords import password_change
from apps.accounts.login.proof import authenticated
from apps.accounts.models import AuthProvider
from apps.accounts.selectors import is_set_up
from apps.accounts.services import login_succeeded
from apps.accounts.spec import Github
from apps.console import second
from apps.console.door import Visit, anybody, is_fragment, local_path, seal, site
from apps.core.errors import Invalid, Problem

THEMES = ("auto", "light", "dark")


@anybody
@sensitive_post_parameters("password")
@never_cache
def log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page; a refusal does not tell which half was wrong."""
    if not is_set_up():
        return redirect("console:setup")
    wanted = local_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.user.is_authenticated:
        return redirect(wanted)
    if request.method != "POST":
        return login_page(request)
    try:
        return _enter(request, wanted)
    except Problem as problem:
        return login_page(request, problem.message)


def login_page(request: HttpRequest, error: str = "") -> HttpResponse:
    """The form, the other ways in, and why the last try was refused."""
    wanted = local_path(request, request.POST.get("next") or request.GET.get("next", ""))
    github = AuthProvider.objects.open().filter(kind="github").first()
    context = {"next": wanted, "login": request.POST.get("login", ""), "error": error, "github": github}
    answer = seal(render(request, "console/login.html", context, status=403 if error else 200))
    if github is not None:  # browsers hold the redirect after a form against its page's policy, too
        there = urlsplit(github.config.url) if isinstance(github.config, Github) else urlsplit("")
        policy = answer["Content-Security-Policy"]
        answer["Content-Security-Policy"] = policy.replace(
            "form-action 'self'", f"form-action 'self' {there.scheme}://{there.netloc}"
        )
    return answer


def _enter(request: HttpRequest, wanted: str) -> HttpResponse:
    """Log in, or go on to the second step; raises the `Problem` that keeps the visitor out."""
    name, address = request.POST.get("login", "").strip(), request.META.get("REMOTE_ADDR", "")
    user = authenticated(request, name, request.POST.get("password", ""), address=address)
    step = step_after_password(user, str(getattr(user, "backend", "")))
    if step:
        return second.ask(request, user, step, wanted)
    login(request, user)
    login_succeeded(user, address)
    return redirect(wanted)


@anybody
@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("console:login")


@site
def home(visit: Visit) -> HttpResponse:
    """Straight to the stacks of the environment last looked at."""
    mine = visit.actor.environments("view")
    around = visit.around()
    if around is not None:
        return redirect("console:stacks", environment=around.pk)
    if mine:
        return redirect("console:stacks", environment=mine[0])
    return redirect("console:environments")


@site
def password(visit: Visit) -> HttpResponse:
    """Change one's own password."""
    user, posted = visit.actor.user, visit.request.POST
    errors: dict[str, str] = {}
    if visit.request.method == "POST" and user is not None:
        try:
            keep = str(visit.request.session.session_key)
            old, new = posted.get("current", ""), posted.get("password", "")
            ended = password_change(user, old, new, actor=visit.actor, keep=keep)
            update_session_auth_hash(visit.request, user)
            return visit.done(_changed(ended), changed=False)
        except Invalid as problem:
            errors[str(problem.field)] = problem.message
    return visit.show("console/password.html", {"errors": errors}, status=422 if errors else 200)


def _changed(ended: int) -> str:
    said = _("Your password was changed.")
    more = ngettext("%(count)s other session ended.", "%(count)s other sessions ended.", ended) % {"count": ended}
    return f"{said} {more}" if ended else said


@anybody
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme of this browser."""
    chosen = request.POST.get("theme", "")
    back = local_path(request, request.headers.get("Referer", ""))
    response: HttpResponse = HttpResponse(status=204) if is_fragment(request) else redirect(back)
    if chosen in THEMES:
        response.set_cookie("corral_theme", chosen, max_age=31_536_000, samesite="Lax")
    return response
