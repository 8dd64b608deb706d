"""Sessions: one's own, and for administrators everybody's."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.login.sessions import all_sessions, session_end, sessions_end_others
from apps.console.components import buttons
from apps.console.components.listing import paginate, query_filters, sort_rows
from apps.console.request_context import (
    RequestContext,
    admin_required,
    login_required,
    post_required,
)
from apps.core.errors import NotFound
from apps.environments.access import Verdict

COLUMNS = {
    "account": "account__login",
    "address": "address",
    "created": "created",
    "seen": "last_seen",
    "expires": "expires",
}


def sessions_ended_message(count: int) -> str:
    """The message after `count` sessions were ended."""
    return ngettext("%(count)s session ended.", "%(count)s sessions ended.", count) % {"count": count}


@login_required
def own(ctx: RequestContext) -> HttpResponse:
    """The sessions of the current account."""
    rows = list(all_sessions().filter(account=ctx.actor.user))
    others = Verdict(allowed=len(rows) > 1, reason=_("There is no other session."))
    stop = buttons.custom_button(_("End all others"), "logout", ctx.url("sessions-end"), others, action="end-others")
    return ctx.render("console/sessions.html", {"rows": rows, "stop": stop, "current": ctx.actor.session})


@login_required
@post_required
def end_others(ctx: RequestContext) -> HttpResponse:
    """End every session of the current account but this one."""
    if ctx.actor.user is None:
        raise NotFound(_("There is no such account."))
    key = str(ctx.request.session.session_key)
    return ctx.success_response(sessions_ended_message(sessions_end_others(ctx.actor.user, keep=key, actor=ctx.actor)))


@login_required
@post_required
def end(ctx: RequestContext, pk: int) -> HttpResponse:
    """End one session of the current account."""
    row = ctx.get_or_404(all_sessions().filter(account=ctx.actor.user), pk)
    session_end(row, actor=ctx.actor)
    return ctx.success_response(sessions_ended_message(1), ctx.url("login") if row == ctx.actor.session else "")


@admin_required
def sessions_all(ctx: RequestContext) -> HttpResponse:
    """The sessions of all accounts."""
    filters = query_filters(ctx.request, "q")
    rows = all_sessions()
    if filters["q"]:
        rows = rows.filter(account__login__icontains=filters["q"]) | rows.filter(address__startswith=filters["q"])
    sort = ctx.request.GET.get("sort", "")
    page = paginate(ctx.request, sort_rows(rows, sort if sort.lstrip("-") in COLUMNS else "-seen", COLUMNS), filters)
    return ctx.render("console/sessions_all.html", {"page": page, "current": ctx.actor.session})


@admin_required
@post_required
def end_any(ctx: RequestContext, pk: int) -> HttpResponse:
    """End a session of any account."""
    session_end(ctx.get_or_404(all_sessions(), pk), actor=ctx.actor)
    return ctx.success_response(sessions_ended_message(1))
