"""What an account's groups give it, read from guardian's grants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from apps.accounts.models import User
from apps.environments.models import EnvironmentGroupPermission

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Held:
    """Permissions in one environment, and the roles that they come from."""

    permissions: frozenset[str] = NOTHING
    roles: frozenset[str] = frozenset()


NONE = Held()
_COLUMNS = ("content_object_id", "permission__codename", "group__rolegroup__role", "content_object__desired")


def granted(user: User, environment_ids: Collection[int]) -> dict[int, Held]:
    """What the account holds in each of these; an environment that is not active is there for its owners only."""
    rows = EnvironmentGroupPermission.objects.filter(group__user=user, content_object_id__in=environment_ids)
    held: dict[int, set[str]] = {key: set() for key in environment_ids}
    roles: dict[int, set[str]] = {key: set() for key in environment_ids}
    active: set[int] = set()
    for key, codename, role, desired in rows.values_list(*_COLUMNS):
        held[key].add(codename)
        roles[key] |= {role} if role else set()
        active |= {key} if desired == "active" else set()
    return {
        key: Held(frozenset(found), frozenset(roles[key])) if is_open(found, active=key in active) else NONE
        for key, found in held.items()
    }


def is_open(permissions: Collection[str], *, active: bool) -> bool:
    """Whether an environment is there for somebody who holds these permissions in it."""
    return active or "own" in permissions


def environments_where(user: User, permission: str) -> list[int]:
    """The environments where the account's groups give it `permission`, and which are there for it."""
    wanted = {permission, "own"}
    rows = EnvironmentGroupPermission.objects.filter(group__user=user, permission__codename__in=wanted)
    rows = rows.exclude(content_object__desired__in=("removed", "purged"))
    found: dict[int, set[str]] = {}
    active: set[int] = set()
    for key, codename, desired in rows.values_list(
        "content_object_id", "permission__codename", "content_object__desired"
    ):
        found.setdefault(key, set()).add(codename)
        active |= {key} if desired == "active" else set()
    return sorted(key for key, held in found.items() if permission in held and is_open(held, active=key in active))
