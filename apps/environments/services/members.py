"""Member lists: parsing, who may write them, and the groups and grants derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from apps.accounts.identity_kinds import person_kinds, provider_identity_kinds
from apps.accounts.models import User
from apps.core import hooks
from apps.core.edits import BasedOn, require_unchanged
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.fields import plain_text
from apps.core.ids import row_number, wire_id
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import (
    Environment,
    EnvironmentGroupPermission,
    Member,
    Role,
    RoleGroup,
)
from apps.environments.roles import ROLES, highest_role
from apps.environments.selectors import accounts_of_members, find_person, members_matching
from apps.environments.services.revocation import revoking


def parse_members(members: list[Mapping[str, Any]]) -> list[Member]:
    """Unsaved rows for the list; the highest role wins where somebody is named twice."""
    found: dict[tuple[str, str], Member] = {}
    known = Role.permissions_by_role()
    for entry in members:
        row = _parse_member(entry, known)
        before = found.get((row.identity_type, row.identity))
        if before is None or highest_role([row.role, before.role], known) == row.role:
            found[row.identity_type, row.identity] = row
    if not any(row.role == "owner" for row in found.values()):
        raise member_list_error("An environment needs at least one owner.")
    return list(found.values())


def _parse_member(entry: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> Member:
    if not isinstance(entry, Mapping):
        raise member_list_error("Each member is an object with externalId, externalIdType and role.")
    identity, kind, role = entry.get("externalId"), entry.get("externalIdType"), entry.get("role")
    if not identity or not kind or not isinstance(role, str) or role not in known:
        raise member_list_error(f"Each member needs externalId, externalIdType and a role ({', '.join(known)}).")
    if isinstance(kind, str) and kind in provider_identity_kinds():
        return _parse_provider_member(kind, identity, role)
    if kind != "rancher_id":
        kinds = ", ".join(("rancher_id", *sorted(provider_identity_kinds())))
        raise member_list_error(f"externalIdType {kind!r} is not known here; it is one of {kinds}.")
    account = User.all_objects.filter(pk=row_number(str(identity)) or 0, removed=None).first()
    if account is None:
        raise member_list_error(f"There is no account {identity!r}.")
    return Member(identity_type=kind, identity=wire_id("a", account.pk), account=account, role=role)


def _parse_provider_member(kind: str, identity: Any, role: str) -> Member:
    """A person or group of a log-in provider, who need not have logged in yet."""
    try:
        name = plain_text("members", identity).strip()
    except Invalid as refused:
        raise member_list_error(refused.message) from None
    if not 0 < len(name) <= 512:
        raise member_list_error("An externalId has 1 to 512 characters.")
    return Member(identity_type=kind, identity=name, account=find_person(kind, name), role=role)


def member_list_error(message: str) -> Problem:
    return Problem(message, status=400, code="InvalidFormat", field="members")


def role_groups_sync(row: Environment) -> None:
    """Derive groups and grants from the member table; idempotent."""
    members = list(row.members.all())
    groups = {each.role: each for each in row.role_groups.select_related("group")}
    wanted = dict.fromkeys([*ROLES, *(member.role for member in members), *groups])
    _make_groups(row, groups, [role for role in wanted if role not in groups])
    for role in wanted:
        accounts = accounts_of_members([member for member in members if member.role == role])
        groups[role].group.user_set.set(accounts)


def _make_groups(row: Environment, groups: dict[str, RoleGroup], missing: list[str]) -> None:
    """Create the groups of these roles with their grants, and add them to `groups`."""
    if not missing:
        return
    known = Role.permissions_by_role()
    for role in missing:
        group = Group.objects.create(name=f"environment {row.pk} {role}")
        groups[role] = RoleGroup.objects.create(environment=row, role=role, group=group)
    _grant([(groups[role], known.get(role, frozenset())) for role in missing])


def _grant(given: Iterable[tuple[RoleGroup, frozenset[str]]]) -> None:
    of_environments = Permission.objects.filter(content_type__app_label="environments")
    permissions = {each.codename: each for each in of_environments.filter(content_type__model="environment")}
    EnvironmentGroupPermission.objects.bulk_create(
        EnvironmentGroupPermission(
            group_id=group.group_id, content_object_id=group.environment_id, permission=permissions[name]
        )
        for group, held in given
        for name in sorted(held)
    )


def role_grants_sync(name: str, held: frozenset[str]) -> None:
    """Give the groups that hold a role in some environment exactly these permissions."""
    groups = list(RoleGroup.objects.filter(role=name))
    EnvironmentGroupPermission.objects.filter(group__in=[each.group_id for each in groups]).delete()
    _grant([(group, held) for group in groups])


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
    with transaction.atomic(), revoking(actor, environments=[row.pk]):
        # Two lists saved at once would become one of both, or leave an owner whom the other took away.
        Environment.objects.select_for_update(no_key=True).get(pk=row.pk)
        lock_roles(each.role for each in parsed)
        _refuse_escalation(row, parsed, actor)
        members_save(row, parsed)
        hooks.record("environment.setmembers", actor=actor, row=row, environment_id=row.pk, request={"members": wanted})
    return list(Member.objects.filter(environment=row).select_related("account"))


def member_change(
    row: Environment, identity: tuple[str, str], role: str | None, *, actor: Actor, based_on: BasedOn | None = None
) -> None:
    """Give one identity (its kind and id) this role, or take it from the member list (None); the others stay.

    Raises as `members_set` does, and `StaleEdit` when its role is not any more the one in `based_on`.
    """
    with transaction.atomic():
        # Before the list is read: of two changes at once, both count.
        Environment.objects.select_for_update(no_key=True).get(pk=row.pk)
        _change_member(row, identity, role, actor, based_on)


def _change_member(
    row: Environment, identity: tuple[str, str], role: str | None, actor: Actor, based_on: BasedOn | None
) -> None:
    members = {(each.identity_type, each.identity): each.role for each in Member.objects.filter(environment=row)}
    require_unchanged(row.name, based_on, {"role": members.get(identity)}, {"role": role})
    wanted = {**members, identity: role}
    entries = [
        {"externalId": name, "externalIdType": kind, "role": held}
        for (kind, name), held in wanted.items()
        if held is not None and (kind or name)
    ]
    members_set(row, entries, actor=actor)


def lock_roles(names: Iterable[str]) -> None:
    """Keep roles that people made from being deleted until the transaction ends; `Invalid` for one that is gone."""
    made = {name for name in names if name and name not in ROLES}
    kept = {role.name for role in Role.objects.select_for_update(no_key=True).filter(name__in=made)} if made else set()
    if made - kept:
        raise Invalid("role", "InvalidOption", f"The role {min(made - kept)} was deleted just now; choose another.")


def _refuse_escalation(row: Environment, wanted: list[Member], actor: Actor) -> None:
    """Who chooses members without being an owner can neither make nor change members that may do more."""
    held, known = actor.permissions(row.pk), Role.permissions_by_role()
    before = {(each.identity_type, each.identity, each.role) for each in Member.objects.filter(environment=row)}
    after = {(each.identity_type, each.identity, each.role) for each in wanted}
    beyond = sorted({role for _kind, _name, role in before ^ after if not known.get(role, frozenset()) <= held})
    if beyond:
        raise Forbidden(f"You cannot give or take the role {beyond[0]}: it may do more here than you.")


def owner_add(row: Environment, account: User) -> None:
    """Make an account an owner, in addition to the existing members."""
    Member.objects.update_or_create(
        environment=row,
        identity_type="rancher_id",
        identity=wire_id("a", account.pk),
        defaults={"account": account, "role": "owner"},
    )
    role_groups_sync(row)


def members_save(row: Environment, members: list[Member]) -> None:
    """Save the list, and derive groups and grants from it."""
    Member.objects.filter(environment=row).delete()
    for member in members:
        member.environment = row
    Member.objects.bulk_create(members)
    role_groups_sync(row)


def memberships_sync(user: User) -> list[int]:
    """Add an account to the groups of the roles that its identities have now and remove it from others; idempotent.

    Returns the environments where something changed; their sockets check their permissions again.
    """
    mine = members_matching(user)
    for member in mine:
        if member.account_id is None and member.identity_type in person_kinds():
            Member.objects.filter(pk=member.pk, account=None).update(account=user)
    wanted = {(member.environment_id, member.role) for member in mine}
    environments = {environment for environment, _role in wanted}
    groups = RoleGroup.objects.filter(Q(group__user=user) | Q(environment__in=environments)).distinct()
    held = set(RoleGroup.objects.filter(group__user=user).values_list("pk", flat=True))
    right = {row.pk: row for row in groups if (row.environment_id, row.role) in wanted}
    gone = [row for row in groups if row.pk in held and row.pk not in right]
    new = [row for key, row in right.items() if key not in held]
    changed = sorted({row.environment_id for row in [*gone, *new]})
    with revoking(None, environments=changed):
        user.groups.remove(*[row.group_id for row in gone])
        user.groups.add(*[row.group_id for row in new])
    return changed
