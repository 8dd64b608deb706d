"""Open mode: the page that switches access control off, with the password typed again, and on."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.open_mode import (
    open_mode_enabled,
    open_mode_off,
    open_mode_on,
    open_mode_user,
)
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.core.errors import Invalid


@sensitive_post_parameters("password")
@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """What open mode is, and the form that switches it on."""
    error = ""
    if ctx.request.method == "POST":
        try:
            open_mode_on(ctx.request.POST.get("password", ""), actor=ctx.actor)
            return ctx.success_response(_("Access control is off."), ctx.url("open-mode"))
        except Invalid as problem:
            error = problem.message
    context = {"is_open": open_mode_enabled(), "account": open_mode_user(), "error": error}
    return ctx.render("console/open_mode.html", context, status=422 if error else 200)


@admin_required
@post_required
def disable(ctx: RequestContext) -> HttpResponse:
    """Access control on again; who came in without a credential is out with this answer."""
    open_mode_off(actor=ctx.actor)
    return ctx.success_response(_("Access control is on."), ctx.url("open-mode"))
