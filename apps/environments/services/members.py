"""The member list: what it may hold, and who may write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.accounts.spec import IDENTITY_KINDS
from apps.core import ports
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.fields import plain_text
from apps.core.ids import row_number, wire_id
from apps.environments.access import Actor, can
from apps.environments.models import Environment, Member
from apps.environments.roles import RANK, ROLES
from apps.environments.selectors import person_named
from apps.environments.services.grants import members_apply, tell


def members_set(row: Environment, members: Iterable[Mapping[str, Any]], *, actor: Actor) -> list[Member]:
    """Replace the member list; at least one owner must remain."""
    allowed = can(actor, "own", row.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    wanted = list(members)
    parsed = parse_members(wanted)
    with transaction.atomic():
        members_write(row, parsed)
        ports.record("project.setmembers", actor=actor, row=row, environment_id=row.pk, request={"members": wanted})
    tell(row.pk)
    return list(Member.objects.filter(environment=row).select_related("account"))


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
    Member.objects.filter(environment=row).delete()
    for member in members:
        member.environment = row
    Member.objects.bulk_create(members)
    members_apply(row)


def parse_members(members: list[Mapping[str, Any]]) -> list[Member]:
    """Rows for the list, unsaved; the highest role wins where somebody is named twice."""
    found: dict[tuple[str, str], Member] = {}
    for entry in members:
        row = _parse_member(entry)
        before = found.get((row.identity_type, row.identity))
        if before is None or RANK[row.role] < RANK[before.role]:
            found[row.identity_type, row.identity] = row
    if not any(row.role == "owner" for row in found.values()):
        raise _bad_members("An environment needs at least one owner.")
    return list(found.values())


def _parse_member(entry: Mapping[str, Any]) -> Member:
    if not isinstance(entry, Mapping):
        raise _bad_members("Each member is an object with externalId, externalIdType and role.")
    identity, kind, role = entry.get("externalId"), entry.get("externalIdType"), entry.get("role")
    if not identity or not kind or not isinstance(role, str) or role not in ROLES:
        raise _bad_members(f"Each member needs externalId, externalIdType and a role ({', '.join(ROLES)}).")
    if isinstance(kind, str) and kind in IDENTITY_KINDS:
        return _named_member(kind, identity, role)
    if kind != "rancher_id":
        known = ", ".join(("rancher_id", *sorted(IDENTITY_KINDS)))
        raise _bad_members(f"externalIdType {kind!r} is not known here; it is one of {known}.")
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
