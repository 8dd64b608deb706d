"""The second factor of one's own account, and an administrator's help for who lost theirs."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.login import factor
from apps.accounts.models import User
from apps.console import buttons
from apps.console.accounts import find
from apps.console.door import Visit, admins, site
from apps.console.pictures import qr
from apps.console.sessions import ended
from apps.core.errors import Invalid, NotFound, Problem
from apps.core.services import insist_fresh
from apps.environments.access import Verdict


def _me(visit: Visit) -> User:
    if visit.actor.user is None:
        raise NotFound(_("There is no such account."))
    return visit.actor.user


@site
def own(visit: Visit) -> HttpResponse:
    """Whether there is a second factor, since when, and how many recovery codes are left."""
    user = _me(visit)
    here = Verdict(allowed=user.has_usable_password(), reason=_("Your log-in provider asks for a second factor."))
    kept = Verdict(allowed=not factor.is_required(user), reason=_("An administrator requires it here."))
    context = {
        "factor": factor.factor_of(user),
        "left": factor.codes_left(user),
        "required": factor.is_required(user),
        "new": buttons.plain(_("Set it up"), "plus", visit.url("factor-new"), here, is_dialog=True),
        "codes": buttons.plain(_("New recovery codes"), "refresh", visit.url("factor-codes"), here, is_dialog=True),
        "off": buttons.plain(_("Turn it off"), "x", visit.url("factor-off"), kept, is_dialog=True),
    }
    return visit.show("console/factor.html", context)


@site
def new(visit: Visit) -> HttpResponse:
    """Set an authenticator up: the QR code, and its first code."""
    user, error, sent = _me(visit), "", visit.request.POST
    if visit.request.method == "POST":
        try:
            keep = str(visit.request.session.session_key)
            return _codes(visit, factor.enrol(user, sent.get("code", ""), actor=visit.actor, keep=keep))
        except Problem as problem:
            error = problem.message
    told = factor.enrolment(user, actor=visit.actor)
    context = {"error": error, "secret": told.secret, "picture": qr(told.uri), "address": visit.request.path}
    return visit.show("console/factor_new.html", context, status=422 if error else 200)


@site
def codes(visit: Visit) -> HttpResponse:
    """Ten new recovery codes against a code."""
    return _against_code(
        visit,
        _("New recovery codes"),
        _("The old ones stop working."),
        lambda code: _codes(visit, factor.recovery_codes_renew(_me(visit), code, actor=visit.actor)),
    )


@site
def off(visit: Visit) -> HttpResponse:
    """Take the factor away against a code."""

    def do(code: str) -> HttpResponse:
        factor.factor_off(_me(visit), code, actor=visit.actor)
        return visit.done(_("The second factor is off."))

    return _against_code(visit, _("Turn it off"), _("From then on the password alone opens your account."), do)


def _against_code(visit: Visit, title: str, note: str, do: Callable[[str], HttpResponse]) -> HttpResponse:
    error = ""
    if visit.request.method == "POST":
        try:
            return do(visit.request.POST.get("code", ""))
        except Invalid as problem:
            error = problem.message
    context = {"title": title, "note": note, "error": error}
    return visit.show("console/factor_code.html", context, status=422 if error else 200)


def _codes(visit: Visit, made: list[str]) -> HttpResponse:
    response = visit.show("console/factor_codes.html", {"codes": made})
    response["HX-Trigger"] = "corral:changed"
    response["Cache-Control"] = "no-store"
    return response


@admins
def reset(visit: Visit, pk: int) -> HttpResponse:
    """Take the factor of an account away whose owner lost it."""
    row = find(pk)
    if visit.request.method == "POST":
        count = factor.factor_reset(row, actor=visit.actor)
        return visit.done(_("The second factor of %(name)s is off.") % {"name": row.login} + " " + ended(count))
    insist_fresh(visit.actor)
    return visit.show("console/factor_reset.html", {"row": row})
