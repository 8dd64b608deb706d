"""Custom roles: created, changed and removed by administrators, with immediate effect for members and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from apps.accounts.models import ApiKey
from apps.core import hooks
from apps.core.edits import BasedOn, require_unchanged
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.core.fields import plain_text
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.environments.models import (
    Environment,
    KeyScope,
    Member,
    Role,
    RoleGroup,
)
from apps.environments.roles import PERMISSIONS, RESERVED_NAMES, ROLES
from apps.environments.selectors.roles import accounts_with_role, environments_with_role, role_usage
from apps.environments.services.members import role_grants_sync, role_groups_sync
from apps.environments.services.revocation import revoking

_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
MAX_LENGTHS = {"label": 64, "description": 255}


def require_administrator(actor: Actor) -> None:
    """Raise `Forbidden` for anybody else."""
    if not (actor.is_admin or actor.is_system):
        raise Forbidden("Only administrators make, change and delete roles.")


def validate_role_name(name: Any) -> str:
    """The name, if a new role may have it. Raises `Invalid`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        hint = "A role's name has 2 to 32 small letters, digits and dashes, and begins with a letter."
        raise Invalid("name", "InvalidFormat", hint)
    if name in {each.lower() for each in RESERVED_NAMES} or Role.objects.filter(name=name).exists():
        raise _name_taken(name)
    return name


def _name_taken(name: str) -> Invalid:
    return Invalid("name", "NotUnique", f"The name {name!r} is taken; choose another.")


def validate_permissions(names: Any) -> list[str]:
    """The permissions in the order of the table; `view` is part of every role."""
    wanted = [names] if isinstance(names, str) else list(names)
    unknown = [each for each in wanted if not isinstance(each, str) or each not in PERMISSIONS]
    if unknown:
        known = ", ".join(PERMISSIONS)
        raise Invalid("permissions", "InvalidOption", f"There is no permission {str(unknown[0])[:40]!r}, only {known}.")
    found = [each for each in PERMISSIONS if each in {*wanted, "view"}]
    if frozenset(found) == ROLES["owner"]:
        raise Invalid("permissions", "InvalidOption", "This role may do what owners may; use the role owner.")
    return found


def set_texts(role: Role, **texts: Any) -> None:
    """Set the texts that are given. Raises `Invalid` for one that is too long."""
    for field, limit in MAX_LENGTHS.items():
        value = texts.get(field)
        if value is None:
            continue
        setattr(role, field, plain_text(field, value).strip())
        if len(getattr(role, field)) > limit:
            raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {limit} characters.")


def role_create(*, actor: Actor, name: str, permissions: Iterable[str], label: str = "", description: str = "") -> Role:
    """A new role. Raises `Forbidden` for others than administrators, `Invalid` for a bad name or permission."""
    require_administrator(actor)
    role = Role(name=validate_role_name(name), permissions=validate_permissions(permissions))
    set_texts(role, label=label, description=description)
    with unique_or(_name_taken(role.name), "environments_role"):
        role.save()
    _record("create", role, actor)
    return role


def role_update(
    role: Role,
    *,
    actor: Actor,
    permissions: Iterable[str] | None = None,
    based_on: BasedOn | None = None,
    **texts: Any,
) -> Role:
    """Change a role's permissions or texts; its members and keys gain or lose permissions at once.

    Raises `Forbidden`, `Invalid`, and `StaleEdit` for what is not any more as it is in `based_on`.
    """
    require_administrator(actor)
    current = {"permissions": role.permissions, "label": role.label, "description": role.description}
    wanted = {name: value for name, value in texts.items() if value is not None}
    if permissions is not None:
        wanted["permissions"] = validate_permissions(permissions)
    require_unchanged(role.name, based_on, current, wanted)
    set_texts(role, **texts)
    role.permissions = wanted.get("permissions", role.permissions)
    with revoking(actor, environments=environments_with_role(role.name), accounts=accounts_with_role(role.name)):
        role.save()
        role_grants_sync(role.name, role.held)
        _record("update", role, actor)
    return role


def role_remove(role: Role, *, actor: Actor, replacement: str = "") -> None:
    """Delete a role; whoever has it gets `replacement`. Raises `Conflict` when it is in use and none is given."""
    require_administrator(actor)
    with transaction.atomic():
        # Who gives the role to somebody holds this lock too, so nobody is left with a role that is gone.
        if not Role.objects.select_for_update(no_key=True).filter(pk=role.pk):
            raise Conflict("The role was deleted just now.")
        _remove(role, actor, replacement)


def _remove(role: Role, actor: Actor, replacement: str) -> None:
    used = role_usage([role.name])[role.name]
    if used.total and not replacement:
        raise Conflict(f"The role {role.name} is in use ({used}); say which role replaces it.", field="replacement")
    if replacement and (replacement == role.name or replacement not in Role.permissions_by_role()):
        raise Invalid("replacement", "InvalidOption", f"There is no other role {replacement[:40]!r} to replace it.")
    places = environments_with_role(role.name)
    with revoking(actor, environments=places, accounts=accounts_with_role(role.name)):
        rules = (model.all_objects for model in hooks.hooks.role_giving_rules)
        for rows in (Member.objects, KeyScope.objects, ApiKey.all_objects, *rules):
            rows.filter(role=role.name).update(role=replacement)
        for group in RoleGroup.objects.filter(role=role.name).select_related("group"):
            group.group.delete()
        role.delete()
        for environment in Environment.objects.filter(pk__in=places):
            role_groups_sync(environment)
        _record("remove", role, actor, replacement=replacement)


def _record(what: str, role: Role, actor: Actor, **more: str) -> None:
    details = {
        "name": role.name,
        "permissions": role.permissions,
        **{key: value for key, value in more.items() if value},
    }
    hooks.record(f"role.{what}", actor=actor, row=role, request=details)
