"""The member list of an environment: looked for, added, given another role, taken out."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.backends.search import identities_search
from apps.accounts.models import User
from apps.accounts.spec import GROUP_KINDS
from apps.console.door import Visit, posted, site
from apps.console.environments import find
from apps.core.errors import Forbidden, Problem
from apps.core.ids import wire_id
from apps.environments.access import can, members_of
from apps.environments.models import Environment
from apps.environments.services import members_set

MOST = 12
Who = tuple[str, str]


@site
def search(visit: Visit, pk: int) -> HttpResponse:
    """People and groups of that name, here and with every log-in provider, as buttons that add them."""
    row = find(visit, pk)
    allowed = can(visit.actor, "members", row.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    text = visit.request.GET.get("login", "").strip()
    found = identities_search(visit.actor, text)
    listed = {(member.identity_type, member.identity) for member in members_of([row.pk])[row.pk]}
    context = {
        "text": text,
        "hits": [
            (claim, claim.kind in GROUP_KINDS, (claim.kind, claim.wire_id) in listed) for claim in found.claims[:MOST]
        ],
        "troubles": found.troubles,
    }
    return visit.show("console/parts/member_hits.html", context)


@site
@posted
def add(visit: Visit, pk: int) -> HttpResponse:
    """Add who was picked from the search, or an account by its log-in name."""
    row, sent = find(visit, pk), visit.request.POST
    role = sent.get("role", "member")
    kind, _colon, name = sent.get("pick", "").partition(":")
    if name:
        said = _("%(name)s is a member now.") % {"name": sent.get(f"name:{kind}:{name}", name)[:100]}
        return _put(visit, row, (kind, name), role, said)
    login = sent.get("login", "").strip()
    account = User.objects.filter(login__iexact=login, removed=None).first() if login else None
    if account is None and can(visit.actor, "members", row.pk):
        told = _("There is no account %(name)r; pick somebody from the list below the field.") % {"name": login[:60]}
        raise Problem(told, status=422, field="login")
    who = ("rancher_id", wire_id("a", account.pk)) if account else ("", "")
    return _put(visit, row, who, role, _("%(name)s is a member now.") % {"name": login})


@site
@posted
def role(visit: Visit, pk: int, account: int) -> HttpResponse:
    """Give a member another role."""
    return _put(visit, find(visit, pk), _meant(visit, account), visit.request.POST.get("role", ""), _("Saved."))


@site
@posted
def remove(visit: Visit, pk: int, account: int) -> HttpResponse:
    """Take a member out."""
    return _put(visit, find(visit, pk), _meant(visit, account), None, _("Saved."))


def _meant(visit: Visit, account: int) -> Who:
    """The kind and id of the entry that is meant: an account (0: the person or group that the form names)."""
    sent = visit.request.POST
    return ("rancher_id", wire_id("a", account)) if account else (sent.get("kind", ""), sent.get("identity", ""))


def _put(visit: Visit, row: Environment, who: Who, role_name: str | None, said: str) -> HttpResponse:
    """The member list with one entry in this role, or without it."""
    members = [each for each in _entries(row) if (each["externalIdType"], each["externalId"]) != who]
    if role_name is not None and any(who):
        members.append({"externalId": who[1], "externalIdType": who[0], "role": role_name})
    members_set(row, members, actor=visit.actor)
    return visit.done(said)


def _entries(row: Environment) -> list[dict[str, str]]:
    """The members as they are."""
    return [
        {"externalId": member.identity, "externalIdType": member.identity_type, "role": member.role}
        for member in members_of([row.pk])[row.pk]
    ]
