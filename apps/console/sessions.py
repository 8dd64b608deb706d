"""Where one is logged in, and (for administrators) where everybody is."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.login.sessions import session_end, sessions_end_others, sessions_everywhere
from apps.console import buttons
from apps.console.door import Visit, admins, posted, site
from apps.console.listing import listing, ordered, words
from apps.core.errors import NotFound
from apps.environments.access import Verdict

COLUMNS = {
    "account": "account__login",
    "address": "address",
    "created": "created",
    "seen": "last_seen",
    "expires": "expires",
}


def ended(count: int) -> str:
    """How many sessions ended, in words."""
    return ngettext("%(count)s session ended.", "%(count)s sessions ended.", count) % {"count": count}


@site
def own(visit: Visit) -> HttpResponse:
    """The browsers and programs that are logged in as the visitor."""
    rows = list(sessions_everywhere().filter(account=visit.actor.user))
    others = Verdict(allowed=len(rows) > 1, reason=_("There is no other session."))
    stop = buttons.plain(_("End all others"), "logout", visit.url("sessions-end"), others, action="end-others")
    return visit.show("console/sessions.html", {"rows": rows, "stop": stop, "current": visit.actor.session})


@site
@posted
def end_others(visit: Visit) -> HttpResponse:
    """End every session of the visitor but this one."""
    if visit.actor.user is None:
        raise NotFound(_("There is no such account."))
    key = str(visit.request.session.session_key)
    return visit.done(ended(sessions_end_others(visit.actor.user, keep=key, actor=visit.actor)))


@site
@posted
def end(visit: Visit, pk: int) -> HttpResponse:
    """End one session of the visitor."""
    row = visit.row(sessions_everywhere().filter(account=visit.actor.user), pk)
    session_end(row, actor=visit.actor)
    return visit.done(ended(1), visit.url("login") if row == visit.actor.session else "")


@admins
def everybody(visit: Visit) -> HttpResponse:
    """All sessions."""
    asked = words(visit.request, "q")
    rows = sessions_everywhere()
    if asked["q"]:
        rows = rows.filter(account__login__icontains=asked["q"]) | rows.filter(address__startswith=asked["q"])
    sort = visit.request.GET.get("sort", "")
    page = listing(visit.request, ordered(rows, sort if sort.lstrip("-") in COLUMNS else "-seen", COLUMNS), asked)
    return visit.show("console/sessions_all.html", {"page": page, "current": visit.actor.session})


@admins
@posted
def end_any(visit: Visit, pk: int) -> HttpResponse:
    """End anybody's session."""
    session_end(visit.row(sessions_everywhere(), pk), actor=visit.actor)
    return visit.done(ended(1))
