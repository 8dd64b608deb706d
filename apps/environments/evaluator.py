"""The one rule by which an account or key may do something in an environment. Pure.

`grants` reads what it takes from the tables, for one actor or for many; `reasons` explains its decisions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from apps.environments.roles import PERMISSIONS

NO_PERMISSIONS: frozenset[str] = frozenset()

# Why nothing is held. The API shows these words, so they stay whatever the constants are called.
HOLDER_INACTIVE = "inactive"  # the account or its key
OTHER_ENVIRONMENT = "elsewhere"  # the key belongs to another environment
NOTHING_GRANTED = "stranger"
ENVIRONMENT_INACTIVE = "asleep"  # and the holder is no owner
BEYOND_KEY_LIMIT = "limit"  # the key's role covers none of it


@dataclass(frozen=True, slots=True)
class EnvironmentRef:
    """An environment; one that is not active is visible to its owners only."""

    environment: int
    name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """What a key leaves of its account's permissions: those of a role (None: all), in one environment (None: any)."""

    role: str = ""
    permissions: frozenset[str] | None = None
    environment: int | None = None
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class Holder:
    """An account that permissions are evaluated for: by itself, or through one of its keys (`limit`)."""

    account: int
    is_active: bool = True
    is_admin: bool = False
    limit: KeyLimit | None = None

    @property
    def is_unrestricted_admin(self) -> bool:
        """Whether the whole installation is open: an administrator, not through a key that is limited."""
        unlimited = self.limit is None or (self.limit.permissions is None and self.limit.environment is None)
        return self.is_effective and self.is_admin and unlimited

    @property
    def is_effective(self) -> bool:
        """Whether account and key count at all."""
        return self.is_active and (self.limit is None or self.limit.is_usable)


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions that an account has somewhere by its roles, and the names of these roles."""

    permissions: frozenset[str] = NO_PERMISSIONS
    roles: frozenset[str] = frozenset()


NO_GRANT = Grant()


@dataclass(frozen=True, slots=True)
class Decision:
    """What is held in an environment, `beyond_limit` what only the key's limit takes away, `roles` whence both come.

    Where nothing is held, `refused` is why, one of the reasons at the top of this module (empty otherwise).
    """

    held: frozenset[str] = NO_PERMISSIONS
    refused: str = ""
    beyond_limit: frozenset[str] = NO_PERMISSIONS
    roles: frozenset[str] = frozenset()


def evaluate(holder: Holder, ref: EnvironmentRef, grant: Grant) -> Decision:
    """What the holder may do in the environment where its account is given `grant`.

    A grant on something smaller than the environment would be one more `grant` to evaluate by the same rule: nothing
    but `ref` ties the decision to a whole environment.
    """
    if not holder.is_effective:
        return Decision(refused=HOLDER_INACTIVE)
    limit = holder.limit
    if limit is not None and limit.environment not in (None, ref.environment):
        return Decision(refused=OTHER_ENVIRONMENT)
    given = Grant(frozenset(PERMISSIONS), frozenset({"owner"})) if holder.is_admin else grant
    if not given.permissions:
        return Decision(refused=NOTHING_GRANTED)
    if not (holder.is_admin or is_visible(given.permissions, active=ref.is_active)):
        return Decision(refused=ENVIRONMENT_INACTIVE)
    covered = None if limit is None else limit.permissions
    held = given.permissions if covered is None else given.permissions & covered
    return Decision(held, "" if held else BEYOND_KEY_LIMIT, given.permissions - held, given.roles)


def is_visible(permissions: Collection[str], *, active: bool) -> bool:
    """Whether an environment exists for somebody who holds these permissions in it."""
    return active or "own" in permissions
