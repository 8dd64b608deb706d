"""Custom roles: made, changed and taken away by administrators, with effect at once for members and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from apps.accounts.models import ApiKey
from apps.core import ports
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.core.fields import plain_text
from apps.environments.access import Actor
from apps.environments.models import Environment, KeyScope, Member, Role, RoleGroup
from apps.environments.roles import PERMISSIONS, RESERVED, ROLES
from apps.environments.selectors.usage import role_usage
from apps.environments.services.grants import members_apply, role_apply
from apps.environments.services.revoking import revoking

_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
LENGTHS = {"label": 64, "description": 255}


def role_create(*, actor: Actor, name: str, permissions: Iterable[str], label: str = "", description: str = "") -> Role:
    """A new role. Raises `Forbidden` for others than administrators, `Invalid` for a bad name or permission."""
    _administrators_only(actor)
    role = Role(name=_check_name(name), permissions=_check_permissions(permissions))
    _describe(role, label=label, description=description)
    role.save()
    _record("create", role, actor)
    return role


def role_update(role: Role, *, actor: Actor, permissions: Iterable[str] | None = None, **texts: Any) -> Role:
    """Change what a role may do, or how it is described; its members and keys have or lose it at once."""
    _administrators_only(actor)
    _describe(role, **texts)
    if permissions is not None:
        role.permissions = _check_permissions(permissions)
    with revoking(actor, environments=_environments_of(role.name), accounts=_accounts_of(role.name)):
        role.save()
        role_apply(role.name, role.held)
        _record("update", role, actor)
    return role


def role_remove(role: Role, *, actor: Actor, replacement: str = "") -> None:
    """Take a role away; whoever has it gets `replacement`. Raises `Conflict` when it is in use and none is named."""
    _administrators_only(actor)
    used = role_usage([role.name])[role.name]
    if used.total and not replacement:
        raise Conflict(f"The role {role.name} is in use ({used}); say which role replaces it.", field="replacement")
    if replacement and (replacement == role.name or replacement not in Role.every()):
        raise Invalid("replacement", "InvalidOption", f"There is no other role {replacement[:40]!r} to replace it.")
    places = _environments_of(role.name)
    with revoking(actor, environments=places, accounts=_accounts_of(role.name)):
        for rows in (Member.objects, KeyScope.objects, ApiKey.all_objects):
            rows.filter(role=role.name).update(role=replacement)
        for group in RoleGroup.objects.filter(role=role.name).select_related("group"):
            group.group.delete()
        role.delete()
        for environment in Environment.objects.filter(pk__in=places):
            members_apply(environment)
        _record("remove", role, actor, replacement=replacement)


def _environments_of(name: str) -> set[int]:
    groups = RoleGroup.objects.filter(role=name).values_list("environment", flat=True)
    return {*groups, *KeyScope.objects.filter(role=name).values_list("environment", flat=True)}


def _accounts_of(name: str) -> set[int]:
    return set(ApiKey.objects.filter(role=name).values_list("account", flat=True))


def _administrators_only(actor: Actor) -> None:
    if not (actor.is_admin or actor.is_system):
        raise Forbidden("Only administrators make, change and delete roles.")


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        hint = "A role's name has 2 to 32 small letters, digits and dashes, and begins with a letter."
        raise Invalid("name", "InvalidFormat", hint)
    if name in {each.lower() for each in RESERVED} or Role.objects.filter(name=name).exists():
        raise Invalid("name", "NotUnique", f"The name {name!r} is taken; choose another.")
    return name


def _check_permissions(names: Any) -> list[str]:
    """The permissions in the usual order; to see the environment is part of every role."""
    wanted = [names] if isinstance(names, str) else list(names)
    unknown = [each for each in wanted if not isinstance(each, str) or each not in PERMISSIONS]
    if unknown:
        known = ", ".join(PERMISSIONS)
        raise Invalid("permissions", "InvalidOption", f"There is no permission {str(unknown[0])[:40]!r}, only {known}.")
    found = [each for each in PERMISSIONS if each in {*wanted, "view"}]
    if frozenset(found) == ROLES["owner"]:
        raise Invalid("permissions", "InvalidOption", "This role may do what owners may; use the role owner.")
    return found


def _describe(role: Role, **texts: Any) -> None:
    for field, limit in LENGTHS.items():
        value = texts.get(field)
        if value is None:
            continue
        setattr(role, field, plain_text(field, value).strip())
        if len(getattr(role, field)) > limit:
            raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {limit} characters.")


def _record(what: str, role: Role, actor: Actor, **more: str) -> None:
    said = {"name": role.name, "permissions": role.permissions, **{key: value for key, value in more.items() if value}}
    ports.record(f"role.{what}", actor=actor, row=role, request=said)
