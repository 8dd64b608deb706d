"""Custom roles: made, changed and taken away by administrators, with effect at once for members and keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.accounts.models import ApiKey
from apps.core import ports
from apps.core.errors import Conflict, Invalid
from apps.environments.access import Actor
from apps.environments.models import Environment, KeyScope, Member, Role, RoleGroup
from apps.environments.selectors.usage import accounts_with, environments_with, role_usage
from apps.environments.services.grants import members_apply, role_apply
from apps.environments.services.revoking import revoking
from apps.environments.services.role_fields import administrators_only, describe, name_checked, permissions_checked


def role_create(*, actor: Actor, name: str, permissions: Iterable[str], label: str = "", description: str = "") -> Role:
    """A new role. Raises `Forbidden` for others than administrators, `Invalid` for a bad name or permission."""
    administrators_only(actor)
    role = Role(name=name_checked(name), permissions=permissions_checked(permissions))
    describe(role, label=label, description=description)
    role.save()
    _record("create", role, actor)
    return role


def role_update(role: Role, *, actor: Actor, permissions: Iterable[str] | None = None, **texts: Any) -> Role:
    """Change what a role may do, or how it is described; its members and keys have or lose it at once."""
    administrators_only(actor)
    describe(role, **texts)
    if permissions is not None:
        role.permissions = permissions_checked(permissions)
    with revoking(actor, environments=environments_with(role.name), accounts=accounts_with(role.name)):
        role.save()
        role_apply(role.name, role.held)
        _record("update", role, actor)
    return role


def role_remove(role: Role, *, actor: Actor, replacement: str = "") -> None:
    """Take a role away; whoever has it gets `replacement`. Raises `Conflict` when it is in use and none is named."""
    administrators_only(actor)
    used = role_usage([role.name])[role.name]
    if used.total and not replacement:
        raise Conflict(f"The role {role.name} is in use ({used}); say which role replaces it.", field="replacement")
    if replacement and (replacement == role.name or replacement not in Role.every()):
        raise Invalid("replacement", "InvalidOption", f"There is no other role {replacement[:40]!r} to replace it.")
    places = environments_with(role.name)
    with revoking(actor, environments=places, accounts=accounts_with(role.name)):
        for rows in (Member.objects, KeyScope.objects, ApiKey.all_objects):
            rows.filter(role=role.name).update(role=replacement)
        for group in RoleGroup.objects.filter(role=role.name).select_related("group"):
            group.group.delete()
        role.delete()
        for environment in Environment.objects.filter(pk__in=places):
            members_apply(environment)
        _record("remove", role, actor, replacement=replacement)


def _record(what: str, role: Role, actor: Actor, **more: str) -> None:
    said = {"name": role.name, "permissions": role.permissions, **{key: value for key, value in more.items() if value}}
    ports.record(f"role.{what}", actor=actor, row=role, request=said)
