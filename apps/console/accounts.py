"""For administrators: accounts and settings."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.login.factor import factor_of
from apps.accounts.login.passwords import password_set
from apps.accounts.models import User
from apps.accounts.services import KINDS, account_act, account_create, account_update
from apps.console import buttons
from apps.console.door import Visit, admins, posted
from apps.console.listing import listing, ordered, words
from apps.core.errors import NotFound, Problem
from apps.environments.access import Verdict

COLUMNS = {"name": "name", "login": "login", "kind": "kind", "state": "shown", "created": "created"}
_YES = Verdict(allowed=True)


@admins
def index(visit: Visit) -> HttpResponse:
    """Everybody who can log in."""
    asked = words(visit.request, "q")
    rows = User.objects.filter(removed=None)
    if asked["q"]:
        rows = rows.filter(login__icontains=asked["q"]) | rows.filter(name__icontains=asked["q"])
    page = listing(visit.request, ordered(rows, visit.request.GET.get("sort", "name"), COLUMNS), asked)
    add = buttons.plain(_("Add account"), "plus", visit.url("account-new"), _YES, is_dialog=True)
    return visit.show("console/accounts.html", {"page": page, "add": add})


def find(pk: int) -> User:
    """An account."""
    row = User.objects.filter(pk=pk, removed=None).first()
    if row is None:
        raise NotFound(_("There is no such account."))
    return row


@admins
def new(visit: Visit) -> HttpResponse:
    """Add a local account."""
    sent, errors = visit.request.POST, {}
    if visit.request.method == "POST":
        try:
            row = account_create(
                actor=visit.actor,
                login=sent.get("login", ""),
                password=sent.get("password", ""),
                name=sent.get("name", "").strip(),
                kind=sent.get("kind", "user"),
            )
            return visit.done(_("Account %(name)s was added.") % {"name": row.login})
        except Problem as problem:
            errors = {problem.field or "login": problem.message}
    context = {"errors": errors, "values": sent, "kinds": KINDS}
    return visit.show("console/account_new.html", context, status=422 if errors else 200)


@admins
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Change name, kind and, if one is typed, the password."""
    row, errors, sent = find(pk), {}, visit.request.POST
    if visit.request.method == "POST":
        try:
            if sent.get("password"):
                password_set(row, sent["password"], actor=visit.actor)
            account_update(row, actor=visit.actor, name=sent.get("name", "").strip(), kind=sent.get("kind"))
            return visit.done(_("Saved."))
        except Problem as problem:
            errors = {problem.field or "name": problem.message}
    context = {"row": row, "errors": errors, "kinds": KINDS, "factor": factor_of(row)}
    return visit.show("console/account_edit.html", context, status=422 if errors else 200)


@admins
@posted
def do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(pk)
    account_act(row, buttons.known_action(row, action), actor=visit.actor)
    return visit.done(_("Done."))


@admins
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, then delete."""
    row = find(pk)
    if visit.request.method == "POST":
        account_act(row, "remove", actor=visit.actor)
        return visit.done(_("Account %(name)s was deleted.") % {"name": row.login})
    goes = [_("Its sessions end and its API keys are refused.")]
    return visit.show("console/remove.html", {"row": row, "goes": goes, "kind": _("account")})
