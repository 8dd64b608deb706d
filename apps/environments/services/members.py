"""The member list: what it may hold, and who may write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.accounts.models import User
from apps.core import ports
from apps.core.errors import Forbidden
from apps.core.ids import wire_id
from apps.environments.access import Actor, can
from apps.environments.models import Environment, Member, Role
from apps.environments.services.entries import parse_members
from apps.environments.services.grants import members_apply
from apps.environments.services.revoking import revoking


def members_set(row: Environment, members: Iterable[Mapping[str, Any]], *, actor: Actor) -> list[Member]:
    """Replace the member list; at least one owner must remain.

    Raises `Forbidden` for who may not choose members, and for giving or taking a role that may do more than the
    actor; `Problem` (400) for a bad list.
    """
    allowed = can(actor, "members", row.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    wanted = list(members)
    parsed = parse_members(wanted)
    _check_reach(row, parsed, actor)
    with revoking(actor, environments=[row.pk]):
        members_write(row, parsed)
        ports.record("project.setmembers", actor=actor, row=row, environment_id=row.pk, request={"members": wanted})
    return list(Member.objects.filter(environment=row).select_related("account"))


def _check_reach(row: Environment, wanted: list[Member], actor: Actor) -> None:
    """Who chooses members without being an owner leaves alone those who may do more."""
    held, known = actor.permissions(row.pk), Role.every()
    before = {(each.identity_type, each.identity, each.role) for each in Member.objects.filter(environment=row)}
    after = {(each.identity_type, each.identity, each.role) for each in wanted}
    beyond = sorted({role for _kind, _name, role in before ^ after if not known.get(role, frozenset()) <= held})
    if beyond:
        raise Forbidden(f"You cannot give or take the role {beyond[0]}: it may do more here than you.")


def owner_add(row: Environment, account: User) -> None:
    """Make an account owner beside the members that are there."""
    Member.objects.update_or_create(
        environment=row,
        identity_type="rancher_id",
        identity=wire_id("a", account.pk),
        defaults={"account": account, "role": "owner"},
    )
    members_apply(row)


def members_write(row: Environment, members: list[Member]) -> None:
    """Save the list, and what follows from it."""
    Member.objects.filter(environment=row).delete()
    for member in members:
        member.environment = row
    Member.objects.bulk_create(members)
    members_apply(row)
