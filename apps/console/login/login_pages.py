"""Log-in, log-out, password change and theme."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts.login.credentials import check_credentials
from apps.accounts.login.passwords import password_change
from apps.accounts.login.second_factor import next_login_step
from apps.accounts.models import AuthProvider
from apps.accounts.providers.registry import redirect_providers
from apps.accounts.selectors import is_set_up
from apps.accounts.services import record_login
from apps.console.login import login_totp
from apps.console.request_context import (
    RequestContext,
    is_fragment,
    login_required,
    public,
    safe_redirect_path,
    set_security_headers,
)
from apps.core.errors import Invalid, Problem

THEMES = ("auto", "light", "dark")


@public
@sensitive_post_parameters("password")
@never_cache
def log_in(request: HttpRequest) -> HttpResponse:
    """Log in; a refusal does not reveal whether the name or the password was wrong."""
    if not is_set_up():
        return redirect("console:setup")
    next_url = safe_redirect_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.user.is_authenticated:
        return redirect(next_url)
    if request.method != "POST":
        return login_page(request)
    try:
        return _log_in(request, next_url)
    except Problem as problem:
        return login_page(request, problem.message, refused=problem)


def login_page(request: HttpRequest, error: str = "", *, refused: Problem | None = None) -> HttpResponse:
    """Render the form, the other log-in methods, and why the last attempt was refused."""
    next_url = safe_redirect_path(request, request.POST.get("next") or request.GET.get("next", ""))
    rows = list(AuthProvider.objects.accepting_logins().filter(kind__in=redirect_providers()))
    context = {"next": next_url, "login": request.POST.get("login", ""), "error": error, "redirects": rows}
    answer = set_security_headers(render(request, "console/login.html", context, status=login_status(error, refused)))
    if refused is not None and refused.retry_after is not None:
        answer["Retry-After"] = str(refused.retry_after)
    # Browsers hold the redirect after a form against its page's policy, too.
    origins = [redirect_providers()[row.kind].origin(row.config) for row in rows]
    policy = answer["Content-Security-Policy"]
    answer["Content-Security-Policy"] = policy.replace("form-action 'self'", " ".join(["form-action 'self'", *origins]))
    return answer


def login_status(error: str, refused: Problem | None) -> int:
    """429 and 503 as they are, so that programs wait; every other refusal is a 403, whatever the reason."""
    if refused is not None and refused.retry_after is not None:
        return refused.status
    return 403 if error else 200


def _log_in(request: HttpRequest, next_url: str) -> HttpResponse:
    """Log in, or go on to the second step; raises the `Problem` that refuses it."""
    name, address = request.POST.get("login", "").strip(), request.META.get("REMOTE_ADDR", "")
    user = check_credentials(request, name, request.POST.get("password", ""), address=address)
    step = next_login_step(user, str(getattr(user, "backend", "")))
    if step:
        return login_totp.start_second_step(request, user, step, next_url)
    login(request, user)
    record_login(user, address)
    return redirect(next_url)


@public
@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("console:login")


@login_required
def password(ctx: RequestContext) -> HttpResponse:
    """Change one's own password."""
    user, form = ctx.actor.user, ctx.request.POST
    errors: dict[str, str] = {}
    if ctx.request.method == "POST" and user is not None:
        try:
            keep = str(ctx.request.session.session_key)
            old, new = form.get("current", ""), form.get("password", "")
            ended = password_change(user, old, new, actor=ctx.actor, keep=keep)
            update_session_auth_hash(ctx.request, user)
            return ctx.success_response(_password_changed_message(ended), changed=False)
        except Invalid as problem:
            errors[str(problem.field)] = problem.message
    return ctx.render("console/password.html", {"errors": errors}, status=422 if errors else 200)


def _password_changed_message(ended: int) -> str:
    message = _("Your password was changed.")
    more = ngettext("%(count)s other session ended.", "%(count)s other sessions ended.", ended) % {"count": ended}
    return f"{message} {more}" if ended else message


@public
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme of this browser."""
    chosen = request.POST.get("theme", "")
    back = safe_redirect_path(request, request.headers.get("Referer", ""))
    response: HttpResponse = HttpResponse(status=204) if is_fragment(request) else redirect(back)
    if chosen in THEMES:
        response.set_cookie(
            "corral_theme", chosen, max_age=31_536_000, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    return response
