"""What a custom role may be called, hold and say of itself, and who may decide that."""

from __future__ import annotations

import re
from typing import Any

from apps.core.errors import Forbidden, Invalid
from apps.core.fields import plain_text
from apps.environments.access import Actor
from apps.environments.models import Role
from apps.environments.roles import PERMISSIONS, RESERVED, ROLES

_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
LENGTHS = {"label": 64, "description": 255}


def administrators_only(actor: Actor) -> None:
    """Raises `Forbidden` for anybody else."""
    if not (actor.is_admin or actor.is_system):
        raise Forbidden("Only administrators make, change and delete roles.")


def name_checked(name: Any) -> str:
    """The name if a new role may have it; raises `Invalid`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        hint = "A role's name has 2 to 32 small letters, digits and dashes, and begins with a letter."
        raise Invalid("name", "InvalidFormat", hint)
    if name in {each.lower() for each in RESERVED} or Role.objects.filter(name=name).exists():
        raise Invalid("name", "NotUnique", f"The name {name!r} is taken; choose another.")
    return name


def permissions_checked(names: Any) -> list[str]:
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


def describe(role: Role, **texts: Any) -> None:
    """Set the texts that are given; raises `Invalid` for one that is too long."""
    for field, limit in LENGTHS.items():
        value = texts.get(field)
        if value is None:
            continue
        setattr(role, field, plain_text(field, value).strip())
        if len(getattr(role, field)) > limit:
            raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {limit} characters.")
