"""The second factor of one's own account, and its reset by an administrator."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.login import second_factor
from apps.accounts.models import User
from apps.console.account.sessions import sessions_ended_message
from apps.console.administration.accounts import find
from apps.console.components import buttons
from apps.console.components.qrcode import qr_svg
from apps.console.request_context import RequestContext, admin_required, login_required
from apps.core.errors import Invalid, NotFound, Problem
from apps.core.services import require_recent_auth
from apps.environments.access import Verdict


def _own_user(ctx: RequestContext) -> User:
    if ctx.actor.user is None:
        raise NotFound(_("There is no such account."))
    return ctx.actor.user


@login_required
def overview(ctx: RequestContext) -> HttpResponse:
    """The second factor: whether it is set up, since when, and how many recovery codes are left."""
    user = _own_user(ctx)
    can_enrol = Verdict(allowed=user.has_usable_password(), reason=_("Your log-in provider asks for a second factor."))
    can_disable = Verdict(
        allowed=not second_factor.requires_second_factor(user),
        reason=_("An administrator requires a second factor here."),
    )
    context = {
        "factor": second_factor.factor_of(user),
        "left": second_factor.recovery_codes_left(user),
        "required": second_factor.requires_second_factor(user),
        "new": buttons.custom_button(_("Set it up"), "plus", ctx.url("factor-new"), can_enrol, is_dialog=True),
        "codes": buttons.custom_button(
            _("New recovery codes"), "refresh", ctx.url("factor-codes"), can_enrol, is_dialog=True
        ),
        "off": buttons.custom_button(_("Turn it off"), "x", ctx.url("factor-off"), can_disable, is_dialog=True),
    }
    return ctx.render("console/two_factor.html", context)


@login_required
def new(ctx: RequestContext) -> HttpResponse:
    """Set up an authenticator: show the QR code, then check the first code."""
    user, error, sent = _own_user(ctx), "", ctx.request.POST
    if ctx.request.method == "POST":
        try:
            keep = str(ctx.request.session.session_key)
            return _show_recovery_codes(
                ctx, second_factor.enrol(user, sent.get("code", ""), actor=ctx.actor, keep=keep)
            )
        except Problem as problem:
            error = problem.message
    enrolment = second_factor.enrolment(user, actor=ctx.actor)
    context = {
        "error": error,
        "secret": enrolment.secret,
        "picture": qr_svg(enrolment.uri),
        "address": ctx.request.path,
    }
    response = ctx.render("console/two_factor_new.html", context, status=422 if error else 200)
    response["Cache-Control"] = "no-store"
    return response


@login_required
def codes(ctx: RequestContext) -> HttpResponse:
    """Issue ten new recovery codes; asks for a code first."""
    return _confirm_with_code(
        ctx,
        _("New recovery codes"),
        _("The old ones stop working."),
        lambda code: _show_recovery_codes(
            ctx, second_factor.recovery_codes_renew(_own_user(ctx), code, actor=ctx.actor)
        ),
    )


@login_required
def disable(ctx: RequestContext) -> HttpResponse:
    """Turn the second factor off; asks for a code first."""

    def do(code: str) -> HttpResponse:
        second_factor.factor_off(_own_user(ctx), code, actor=ctx.actor)
        return ctx.success_response(_("The second factor is off."))

    return _confirm_with_code(ctx, _("Turn it off"), _("From then on the password alone opens your account."), do)


def _confirm_with_code(ctx: RequestContext, title: str, note: str, do: Callable[[str], HttpResponse]) -> HttpResponse:
    error = ""
    if ctx.request.method == "POST":
        try:
            return do(ctx.request.POST.get("code", ""))
        except Invalid as problem:
            error = problem.message
    context = {"title": title, "note": note, "error": error}
    return ctx.render("console/two_factor_code.html", context, status=422 if error else 200)


def _show_recovery_codes(ctx: RequestContext, recovery_codes: list[str]) -> HttpResponse:
    response = ctx.render("console/two_factor_recovery_codes.html", {"codes": recovery_codes})
    response["HX-Trigger"] = "corral:changed"  # the page behind the dialog refreshes
    response["Cache-Control"] = "no-store"
    return response


@admin_required
def reset(ctx: RequestContext, pk: int) -> HttpResponse:
    """Remove the second factor of an account whose owner lost it."""
    row = find(pk)
    if ctx.request.method == "POST":
        count = second_factor.factor_reset(row, actor=ctx.actor)
        return ctx.success_response(
            _("The second factor of %(name)s is off.") % {"name": row.login} + " " + sessions_ended_message(count)
        )
    require_recent_auth(ctx.actor)
    return ctx.render("console/two_factor_reset.html", {"row": row})
