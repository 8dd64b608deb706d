"""Open mode: switching access control off, which asks for the password again, and back on."""

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
    """Explain open mode, with the form that enables it."""
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
    """Switch access control on; anonymous visitors lose access with this response."""
    open_mode_off(actor=ctx.actor)
    return ctx.success_response(_("Access control is on."), ctx.url("open-mode"))
