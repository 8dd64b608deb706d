"""The member list: what it may hold, and who may write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.accounts.models import User
from apps.accounts.spec import IDENTITY_KINDS
from apps.core import ports
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.fields import plain_text
from apps.core.ids import row_number, wire_id
from apps.environments.access import Actor, can
from apps.environments.models import Environment, Member, Role
from apps.environments.roles import highest
from apps.environments.selectors import person_named
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


def parse_members(members: list[Mapping[str, Any]]) -> list[Member]:
    """Rows for the list, unsaved; the highest role wins where somebody is named twice."""
    found: dict[tuple[str, str], Member] = {}
    known = Role.every()
    for entry in members:
        row = _parse_member(entry, known)
        before = found.get((row.identity_type, row.identity))
        if before is None or highest([row.role, before.role], known) == row.role:
            found[row.identity_type, row.identity] = row
    if not any(row.role == "owner" for row in found.values()):
        raise _bad_members("An environment needs at least one owner.")
    return list(found.values())


def _parse_member(entry: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> Member:
    if not isinstance(entry, Mapping):
        raise _bad_members("Each member is an object with externalId, externalIdType and role.")
    identity, kind, role = entry.get("externalId"), entry.get("externalIdType"), entry.get("role")
    if not identity or not kind or not isinstance(role, str) or role not in known:
        raise _bad_members(f"Each member needs externalId, externalIdType and a role ({', '.join(known)}).")
    if isinstance(kind, str) and kind in IDENTITY_KINDS:
        return _named_member(kind, identity, role)
    if kind != "rancher_id":
        kinds = ", ".join(("rancher_id", *sorted(IDENTITY_KINDS)))
        raise _bad_members(f"externalIdType {kind!r} is not known here; it is one of {kinds}.")
    account = User.all_objects.filter(pk=row_number(str(identity)) or 0, removed=None).first()
    if account is None:
        raise _bad_members(f"There is no account {identity!r}.")
    return Member(identity_type=kind, identity=wire_id("a", account.pk), account=account, role=role)


def _named_member(kind: str, identity: Any, role: str) -> Member:
    """A person or group of a log-in provider, who need not have been here yet."""
    try:
        name = plain_text("members", identity).strip()
    except Invalid as refused:
        raise _bad_members(refused.message) from None
    if not 0 < len(name) <= 512:
        raise _bad_members("An externalId has 1 to 512 characters.")
    return Member(identity_type=kind, identity=name, account=person_named(kind, name), role=role)


def _bad_members(message: str) -> Problem:
    return Problem(message, status=400, code="InvalidFormat", field="members")
