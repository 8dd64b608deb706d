"""Why may this account or key do that: its permissions with the paths that grant them, and what a change would take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.console.accounts import find as find_account
from apps.console.door import Visit, admins, inside, site
from apps.console.environments import find as find_environment
from apps.console.keys import of_account, of_environment
from apps.environments.reasons import Access, Cut, Holder, Place, Tie, cuts, explain, loses
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import holder_of_key, holders_of, people_of, places_of

REFUSED: dict[str, str | Promise] = {
    "inactive": gettext_lazy("Nothing: the account or the key is not active, or the key has expired."),
    "elsewhere": gettext_lazy("Nothing: the key is for another environment."),
    "stranger": gettext_lazy("Nothing: not a member here, neither directly nor through a group."),
    "asleep": gettext_lazy("Nothing for now: the environment is not active, and only its owners still see it."),
    "limit": gettext_lazy("Nothing: the key's role covers none of what its maker may do here."),
}
CUTS: dict[str, str | Promise] = {
    "admin": gettext_lazy("being an administrator"),
    "member": gettext_lazy("membership"),
    "group": gettext_lazy("group"),
    "role": gettext_lazy("role"),
}


def _path(tie: Tie | None) -> dict[str, Any]:
    if tie is None:
        return {"icon": "shield-lock", "text": _("administrator"), "note": ""}
    kind = _("through the group %(name)s") if tie.is_group else _("as a member")
    note = kind % {"name": tie.shown} if tie.is_group else kind
    return {"icon": "users" if tie.is_group else "user", "text": tie.role, "note": note}


def _shown(access: Access) -> dict[str, Any]:
    return {
        "place": access.place,
        "refused": REFUSED.get(access.refused, ""),
        "rows": [(PERMISSIONS[name], [_path(tie) for tie in ties]) for name, ties in access.paths.items()],
        "kept_back": [text for name, text in PERMISSIONS.items() if name in access.beyond_limit],
    }


def _change(holder: Holder, cut: Cut, places: Sequence[Place]) -> dict[str, Any]:
    gone, names = loses(holder, cut, places), {place.environment: place.name for place in places}
    lost = [(names[key], [name for name in PERMISSIONS if name in gone[key]]) for key in gone]
    name = cut.name
    if cut.kind == "member":
        name = next((names[tie.environment] for tie in holder.ties if tie.member == cut.key), name)
    return {"kind": CUTS[cut.kind], "name": name, "loses": lost}


def _page(visit: Visit, holder: Holder, title: str, back: str) -> HttpResponse:
    places = places_of([holder])
    context = {
        "title": title,
        "back": back,
        "holder": holder,
        "accesses": [_shown(explain(holder, place)) for place in places],
        "changes": [_change(holder, cut, places) for cut in cuts(holder)],
    }
    return visit.show("console/why.html", context)


def _of_user(visit: Visit, user: User, back: str) -> HttpResponse:
    return _page(visit, holders_of([user])[user.pk], user.name or user.login, back)


@site
def own(visit: Visit) -> HttpResponse:
    """What I may do, and why."""
    user = visit.actor.user
    assert user is not None  # noqa: S101 - the door of the console lets nobody else in
    return _of_user(visit, user, "")


@admins
def account(visit: Visit, pk: int) -> HttpResponse:
    """What an account may do, and why."""
    return _of_user(visit, find_account(pk), visit.url("accounts"))


@inside
def environment_key(visit: Visit, pk: int) -> HttpResponse:
    """What a key of this environment may do, and why; its maker's other ties are for its maker to see."""
    row = visit.row(of_environment(visit), pk)
    return _page(visit, holder_of_key(row), row.name or row.public_value, visit.url("keys"))


@site
def account_key(visit: Visit, pk: int) -> HttpResponse:
    """What one of my keys may do, and why."""
    row = visit.row(of_account(visit), pk)
    return _page(visit, holder_of_key(row), row.name or row.public_value, visit.url("account-keys"))


@site
def environment(visit: Visit, pk: int) -> HttpResponse:
    """Who may do what here: everybody for those who choose the members, oneself for the rest."""
    row = find_environment(visit, pk)
    people = people_of(row.pk)
    if "members" not in visit.actor.permissions(row.pk):
        people = [each for each in people if each == visit.actor.user]
    holders = holders_of(people, [row.pk])
    place = Place(row.pk, row.name, row.desired == "active")
    shown = [(user, _marks(explain(holders[user.pk], place))) for user in people]
    return visit.show("console/why_environment.html", {"row": row, "shown": shown, "permissions": PERMISSIONS})


def _marks(access: Access) -> list[str]:
    """For each permission by what it is held; empty where it is not."""
    return [
        ", ".join(f"{path['text']} {path['note']}".strip() for path in map(_path, access.paths[name]))
        if name in access.paths
        else ""
        for name in PERMISSIONS
    ]
