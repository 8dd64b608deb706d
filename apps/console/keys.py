"""API keys: those of an environment and those of one's account; a secret is shown once."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey
from apps.accounts.services import NewKey, key_act, key_create
from apps.console import buttons
from apps.console.door import Visit, inside, posted, site
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.environments.access import Verdict
from apps.environments.services import environment_key_create


def _base(visit: Visit) -> str:
    return visit.request.build_absolute_uri("/v1")


def _of_environment(visit: Visit) -> Any:
    rows = ApiKey.objects.filter(scope__environment=visit.env, removed=None)
    return rows.select_related("account", "scope").order_by("-pk")


def _of_account(visit: Visit) -> Any:
    return ApiKey.objects.filter(account=visit.actor.user, scope=None, removed=None).order_by("-pk")


@inside
def environment_keys(visit: Visit) -> HttpResponse:
    """The endpoint of this environment and its keys."""
    context = {
        "endpoint": f"{_base(visit)}/projects/{wire_id('a', visit.env.pk)}",
        "rows": list(_of_environment(visit)),
        "add": buttons.plain(_("Add key"), "plus", visit.url("key-new"), visit.can("keys"), is_dialog=True),
    }
    return visit.show("console/keys.html", context)


@site
def account_keys(visit: Visit) -> HttpResponse:
    """The keys that act as this account everywhere it may."""
    add = buttons.plain(_("Add key"), "plus", visit.url("account-key-new"), Verdict(allowed=True), is_dialog=True)
    context = {"endpoint": _base(visit), "rows": list(_of_account(visit)), "add": add, "is_account": True}
    return visit.show("console/keys.html", context)


@inside
def environment_key_new(visit: Visit) -> HttpResponse:
    """Make a key of this environment."""
    visit.need("keys")
    return _form(visit)


@site
def account_key_new(visit: Visit) -> HttpResponse:
    """Make a key of this account."""
    return _form(visit)


def _form(visit: Visit) -> HttpResponse:
    sent = visit.request.POST
    if visit.request.method != "POST":
        return visit.show("console/key_new.html", {})
    name, description = sent.get("name", "").strip(), sent.get("description", "").strip()
    if len(name) > 255 or len(description) > 1024:
        error = _("A name has at most 255 characters, a description 1024.")
        return visit.show("console/key_new.html", {"errors": {"name": error}, "values": sent}, status=422)
    made = _make(visit, name, description)
    response = visit.show("console/key_made.html", {"made": made})
    response["HX-Trigger"] = "corral:changed"
    response["Cache-Control"] = "no-store"
    return response


def _make(visit: Visit, name: str, description: str) -> NewKey:
    if visit.environment is not None:
        return environment_key_create(
            actor=visit.actor, environment=visit.environment, name=name, description=description
        )
    if visit.actor.user is None:
        raise Invalid("name", "InvalidState", _("Only an account can own a key."))
    return key_create(actor=visit.actor, account=visit.actor.user, name=name, description=description)


def _act(visit: Visit, row: ApiKey, action: str) -> HttpResponse:
    key_act(row, buttons.known_action(row, action), actor=visit.actor, environment=visit.environment)
    return visit.done(_("Done."))


@inside
@posted
def environment_key_do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this environment."""
    return _act(visit, visit.row(_of_environment(visit), pk), action)


@site
@posted
def account_key_do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate a key of this account."""
    return _act(visit, visit.row(_of_account(visit), pk), action)


@inside
def environment_key_remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, then delete a key of this environment."""
    return _remove(visit, visit.row(_of_environment(visit), pk))


@site
def account_key_remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, then delete a key of this account."""
    return _remove(visit, visit.row(_of_account(visit), pk))


def _remove(visit: Visit, row: ApiKey) -> HttpResponse:
    if visit.request.method == "POST":
        return _act(visit, row, "remove")
    context = {"row": row, "kind": _("API key"), "goes": [_("Programs that use it are refused from now on.")]}
    return visit.show("console/remove.html", context)
