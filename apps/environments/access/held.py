"""What an account's groups give it, read from guardian's grants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from apps.accounts.models import User
from apps.environments.models import EnvironmentGroupPermission


@dataclass(frozen=True, slots=True)
class Held:
    """Permissions in one environment, and the roles that they come from; `desired` is the environment's own state."""

    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    desired: str = ""


NONE = Held()
_COLUMNS = ("content_object_id", "permission__codename", "group__rolegroup__role", "content_object__desired")


def granted(user: User, environment_ids: Collection[int] | None = None) -> dict[int, Held]:
    """What the account holds in each of these environments, in one query; None: wherever it holds anything.

    An environment that is not active is there for its owners only.
    """
    rows = EnvironmentGroupPermission.objects.filter(group__user=user)
    if environment_ids is not None:
        rows = rows.filter(content_object_id__in=environment_ids)
    held: dict[int, set[str]] = {}
    roles: dict[int, set[str]] = {}
    states: dict[int, str] = {}
    for key, codename, role, desired in rows.values_list(*_COLUMNS):
        held.setdefault(key, set()).add(codename)
        roles.setdefault(key, set()).update({role} if role else set())
        states[key] = desired
    found = {
        key: Held(frozenset(names), frozenset(roles[key]), states[key])
        for key, names in held.items()
        if is_open(names, active=states[key] == "active")
    }
    return {**dict.fromkeys(environment_ids or (), NONE), **found}


def is_open(permissions: Collection[str], *, active: bool) -> bool:
    """Whether an environment is there for somebody who holds these permissions in it."""
    return active or "own" in permissions
