"""Asking for the password again before changes to access control."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.credentials import can_reauthenticate, session_confirm
from apps.accounts.login.second_factor import factor_of
from apps.console.request_context import RequestContext, login_required, safe_redirect_path
from apps.core.errors import Problem


@sensitive_post_parameters("password", "code")
@login_required
def confirm(ctx: RequestContext) -> HttpResponse:
    """Check the password (and a code) again; holds for ten minutes."""
    request, user, errors = ctx.request, ctx.actor.user, {}
    next_url = safe_redirect_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "POST":
        try:
            sent = request.POST
            session_confirm(ctx.actor.session, sent.get("password", ""), sent.get("code", ""), actor=ctx.actor)
            return ctx.redirect_to(next_url)
        except Problem as problem:
            errors = {problem.field or "password": problem.message}
    context = {
        "next": next_url,
        "errors": errors,
        "has_code": user is not None and factor_of(user) is not None,
        "can_prove": user is not None and can_reauthenticate(user),
    }
    return ctx.render("console/confirm.html", context, status=422 if errors else 200)
