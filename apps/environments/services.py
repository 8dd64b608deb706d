"""Changes to environments, their members and their keys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from guardian.shortcuts import assign_perm

from apps.accounts.models import AccountNumber, ApiKey, User
from apps.accounts.services import NewKey, key_create
from apps.accounts.spec import IDENTITY_KINDS, PERSON_KINDS
from apps.core import ports
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.fields import plain_text
from apps.core.ids import row_number, wire_id
from apps.environments.access import Actor, can
from apps.environments.models import Environment, KeyScope, Member, RoleGroup, SocketTicket
from apps.environments.roles import RANK, ROLES
from apps.environments.selectors import accounts_of, members_naming, person_named


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise Invalid("name", "MissingRequired", "An environment needs a name.")
    if len(name.strip()) > 255:
        raise Invalid("name", "MaxLengthExceeded", "A name has at most 255 characters.")
    return name.strip()


def environment_create(
    *,
    actor: Actor,
    name: str,
    description: str = "",
    members: Iterable[Mapping[str, Any]] | None = None,
) -> Environment:
    """A new environment, owned by its maker unless `members` says otherwise.

    Raises `Forbidden` for an environment key, `Invalid` for a bad name, `Problem` (400) for a bad member list.
    """
    if actor.scope is not None or actor.user is None:
        raise Forbidden("An environment key cannot create environments; use an account's key.")
    wanted = list(members or []) or [
        {"externalId": wire_id("a", actor.user.pk), "externalIdType": "rancher_id", "role": "owner"}
    ]
    row = Environment(name=_check_name(name), description=description or "", desired="active")
    parsed = _parse_members(wanted)
    with transaction.atomic():
        ports.create(row, actor=actor, request={"name": name, "members": wanted})
        _members_write(row, parsed)
    return row


def environment_update(row: Environment, *, actor: Actor, **changes: Any) -> Environment:
    """Rename or describe an environment; owners only."""
    allowed = {k: v for k, v in changes.items() if k in {"name", "description"} and v is not None}
    if "name" in allowed:
        allowed["name"] = _check_name(allowed["name"])
    ports.ask(row, "update", actor=actor, changes=allowed, request=allowed)
    return row


def environment_act(row: Environment, action: str, *, actor: Actor) -> Environment:
    """Activate, deactivate, remove, purge or restore; removal first empties the environment."""
    ports.ask(row, action, actor=actor)
    return row


def members_set(row: Environment, members: Iterable[Mapping[str, Any]], *, actor: Actor) -> list[Member]:
    """Replace the member list; at least one owner must remain."""
    allowed = can(actor, "own", row.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    wanted = list(members)
    parsed = _parse_members(wanted)
    with transaction.atomic():
        _members_write(row, parsed)
        ports.record("project.setmembers", actor=actor, row=row, environment_id=row.pk, request={"members": wanted})
    _tell(row.pk)
    return list(Member.objects.filter(environment=row).select_related("account"))


def _bad_members(message: str) -> Problem:
    return Problem(message, status=400, code="InvalidFormat", field="members")


def _parse_members(members: list[Mapping[str, Any]]) -> list[Member]:
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


def _members_write(row: Environment, members: list[Member]) -> None:
    Member.objects.filter(environment=row).delete()
    for member in members:
        member.environment = row
    Member.objects.bulk_create(members)
    members_apply(row)


def members_apply(row: Environment) -> None:
    """Derive groups and grants from the member table; safe to repeat."""
    members = list(row.members.all())
    for role in ROLES:
        accounts = accounts_of([member for member in members if member.role == role])
        _role_group(row, role).user_set.set(accounts)


def memberships_of_account(user: User) -> list[int]:
    """Put an account into the groups of the roles its identities have now and out of the others; safe to repeat.

    Returns the environments where something changed; their sockets are told to look again.
    """
    mine = members_naming(user)
    for member in mine:
        if member.account_id is None and member.identity_type in PERSON_KINDS.values():
            Member.objects.filter(pk=member.pk, account=None).update(account=user)
    wanted = {(member.environment_id, member.role) for member in mine}
    environments = {environment for environment, _role in wanted}
    groups = RoleGroup.objects.filter(Q(group__user=user) | Q(environment__in=environments)).distinct()
    held = set(RoleGroup.objects.filter(group__user=user).values_list("pk", flat=True))
    right = {row.pk: row for row in groups if (row.environment_id, row.role) in wanted}
    gone = [row for row in groups if row.pk in held and row.pk not in right]
    new = [row for key, row in right.items() if key not in held]
    user.groups.remove(*[row.group_id for row in gone])
    user.groups.add(*[row.group_id for row in new])
    changed = sorted({row.environment_id for row in [*gone, *new]})
    for environment in changed:
        _tell(environment)
    return changed


def _tell(environment: int) -> None:
    for close in ports.ports.rights_changed:
        close({"environment": environment})


def _role_group(row: Environment, role: str) -> Group:
    found = RoleGroup.objects.filter(environment=row, role=role).select_related("group").first()
    if found is not None:
        return found.group
    group = Group.objects.create(name=f"environment {row.pk} {role}")
    RoleGroup.objects.create(environment=row, role=role, group=group)
    for permission in ROLES[role]:
        assign_perm(permission, group, row)
    return group


def environment_key_create(*, actor: Actor, environment: Environment, name: str = "", description: str = "") -> NewKey:
    """A new key that acts in this environment only, with its maker's role there and never more."""
    allowed = can(actor, "keys", environment.pk)
    if not allowed or actor.user is None:
        raise Forbidden(allowed.reason or "Only an account can own a key.")
    with transaction.atomic():
        made = key_create(actor=actor, account=actor.user, name=name, description=description)
        KeyScope.objects.create(key=made.key, environment=environment, role=actor.role(environment.pk) or "readonly")
    return made


def environment_default() -> Environment:
    """The environment "Default" that every installation has, made on first need with a full set of role groups."""
    found: Environment | None = Environment.objects.filter(wire_uuid="adminProject").first()
    if found is not None:
        return found
    with transaction.atomic():
        number = AccountNumber.DEFAULT_ENVIRONMENT
        row = Environment(pk=number, name="Default", desired="active", wire_uuid="adminProject")
        ports.create(row, actor=None, request={"name": "Default"})
        members_apply(row)
    return row


def owner_add(row: Environment, account: User) -> None:
    """Make an account owner beside the members that are there."""
    Member.objects.update_or_create(
        environment=row,
        identity_type="rancher_id",
        identity=wire_id("a", account.pk),
        defaults={"account": account, "role": "owner"},
    )
    members_apply(row)


def ticket_issue(
    *, actor: Actor, environment_id: int, verb: str, kind: str, target: int, details: Mapping[str, Any] | None = None
) -> str:
    """A one-time password, good for 30 s, for one verb on one thing over a WebSocket; the caller checked the right."""
    token = secrets.token_urlsafe(32)
    SocketTicket.objects.filter(expires__lt=timezone.now()).delete()
    SocketTicket.objects.create(
        digest=ApiKey.digest(token),
        account=actor.user,
        key=actor.api_key,
        environment_id=environment_id,
        verb=verb,
        kind=kind,
        target=target,
        details=dict(details or {}),
        expires=timezone.now() + SocketTicket.LIFE,
    )
    return token


def ticket_redeem(token: str, verb: str) -> SocketTicket | None:
    """The ticket behind `token` if it is for this verb, unused and in time; it is used up by this."""
    found = SocketTicket.objects.filter(digest=ApiKey.digest(token), verb=verb, expires__gt=timezone.now()).first()
    if found is None or not SocketTicket.objects.filter(pk=found.pk).delete()[0]:
        return None
    return found
