"""Member lists read: each entry as an unsaved row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.accounts.models import User
from apps.accounts.spec import IDENTITY_KINDS
from apps.core.errors import Invalid, Problem
from apps.core.fields import plain_text
from apps.core.ids import row_number, wire_id
from apps.environments.models import Member, Role
from apps.environments.roles import highest
from apps.environments.selectors import person_named


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
        raise bad_members("An environment needs at least one owner.")
    return list(found.values())


def _parse_member(entry: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> Member:
    if not isinstance(entry, Mapping):
        raise bad_members("Each member is an object with externalId, externalIdType and role.")
    identity, kind, role = entry.get("externalId"), entry.get("externalIdType"), entry.get("role")
    if not identity or not kind or not isinstance(role, str) or role not in known:
        raise bad_members(f"Each member needs externalId, externalIdType and a role ({', '.join(known)}).")
    if isinstance(kind, str) and kind in IDENTITY_KINDS:
        return _named_member(kind, identity, role)
    if kind != "rancher_id":
        kinds = ", ".join(("rancher_id", *sorted(IDENTITY_KINDS)))
        raise bad_members(f"externalIdType {kind!r} is not known here; it is one of {kinds}.")
    account = User.all_objects.filter(pk=row_number(str(identity)) or 0, removed=None).first()
    if account is None:
        raise bad_members(f"There is no account {identity!r}.")
    return Member(identity_type=kind, identity=wire_id("a", account.pk), account=account, role=role)


def _named_member(kind: str, identity: Any, role: str) -> Member:
    """A person or group of a log-in provider, who need not have been here yet."""
    try:
        name = plain_text("members", identity).strip()
    except Invalid as refused:
        raise bad_members(refused.message) from None
    if not 0 < len(name) <= 512:
        raise bad_members("An externalId has 1 to 512 characters.")
    return Member(identity_type=kind, identity=name, account=person_named(kind, name), role=role)


def bad_members(message: str) -> Problem:
    return Problem(message, status=400, code="InvalidFormat", field="members")
