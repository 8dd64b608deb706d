"""API keys: those of an environment and those of one's account; a secret is shown once."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey
from apps.accounts.services import key_act
from apps.console import buttons
from apps.console.door import Visit, inside, posted, site
from apps.console.key_edit import edit
from apps.console.key_form import endpoint, example, form
from apps.environments.access import Verdict


def of_environment(visit: Visit) -> Any:
    """The keys of the environment, the newest first."""
    rows = ApiKey.objects.filter(scope__environment=visit.env, removed=None)
    return rows.select_related("account", "scope").order_by("-pk")


def of_account(visit: Visit) -> Any:
    """The visitor's own keys, the newest first."""
    return ApiKey.objects.filter(account=visit.actor.user, scope=None, removed=None).order_by("-pk")


@inside
def environment_keys(visit: Visit) -> HttpResponse:
    """The endpoint of this environment and its keys."""
    context = {
        "endpoint": endpoint(visit),
        "example": example(visit),
        "rows": list(of_environment(visit)),
        "add": buttons.plain(_("Add key"), "plus", visit.url("key-new"), visit.can("keys"), is_dialog=True),
    }
    return visit.show("console/keys.html", context)


@site
def account_keys(visit: Visit) -> HttpResponse:
    """The keys that act as this account everywhere it may."""
    add = buttons.plain(_("Add key"), "plus", visit.url("account-key-new"), Verdict(allowed=True), is_dialog=True)
    rows = list(of_account(visit))
    context = {"endpoint": endpoint(visit), "example": example(visit), "rows": rows, "add": add, "is_account": True}
    return visit.show("console/keys.html", context)


@inside
def environment_key_new(visit: Visit) -> HttpResponse:
    """Make a key of this environment."""
    visit.need("keys")
    return form(visit)


@site
def account_key_new(visit: Visit) -> HttpResponse:
    """Make a key of this account."""
    return form(visit)


@inside
def environment_key_edit(visit: Visit, pk: int) -> HttpResponse:
    """Change the limits of a key of this environment."""
    visit.need("keys")
    return edit(visit, visit.row(of_environment(visit), pk))


@site
def account_key_edit(visit: Visit, pk: int) -> HttpResponse:
    """Change the limits of a key of this account."""
    return edit(visit, visit.row(of_account(visit), pk))


def _act(visit: Visit, row: ApiKey, action: str) -> HttpResponse:
    key_act(row, buttons.known_action(row, action), actor=visit.actor, environment=visit.environment)
    return visit.done(_("Done."))


@inside
@posted
def environment_key_do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this environment."""
    return _act(visit, visit.row(of_environment(visit), pk), action)


@site
@posted
def account_key_do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this account."""
    return _act(visit, visit.row(of_account(visit), pk), action)


@inside
def environment_key_remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, then delete a key of this environment."""
    return _remove(visit, visit.row(of_environment(visit), pk))


@site
def account_key_remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, then delete a key of this account."""
    return _remove(visit, visit.row(of_account(visit), pk))


def _remove(visit: Visit, row: ApiKey) -> HttpResponse:
    if visit.request.method == "POST":
        return _act(visit, row, "remove")
    context = {"row": row, "kind": _("API key"), "goes": [_("Programs that use it are refused from now on.")]}
    return visit.show("console/remove.html", context)
