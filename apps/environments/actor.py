"""Who acts: `Actor`, made where a request comes in and passed down, and the grants it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import ApiKey, Session, User
from apps.core.result import RevokedCounts
from apps.environments.models import Environment, EnvironmentGroupPermission, KeyScope, Role
from apps.environments.roles import PERMISSIONS, permissions_label


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions in one environment, and the roles that they come from; `desired` is the environment's own state."""

    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    desired: str = ""


NO_GRANT = Grant()
_GRANT_COLUMNS = ("content_object_id", "permission__codename", "group__rolegroup__role", "content_object__desired")


def grants_of(user: User, environment_ids: Collection[int] | None = None) -> dict[int, Grant]:
    """What the account holds in each of these environments, in one query; None: wherever it holds anything.

    An environment that is not active is there for its owners only.
    """
    rows = EnvironmentGroupPermission.objects.filter(group__user=user)
    if environment_ids is not None:
        rows = rows.filter(content_object_id__in=environment_ids)
    held: dict[int, set[str]] = {}
    roles: dict[int, set[str]] = {}
    states: dict[int, str] = {}
    for key, codename, role, desired in rows.values_list(*_GRANT_COLUMNS):
        held.setdefault(key, set()).add(codename)
        roles.setdefault(key, set()).update({role} if role else set())
        states[key] = desired
    found = {
        key: Grant(frozenset(names), frozenset(roles[key]), states[key])
        for key, names in held.items()
        if is_visible(names, active=states[key] == "active")
    }
    return {**dict.fromkeys(environment_ids or (), NO_GRANT), **found}


def is_visible(permissions: Collection[str], *, active: bool) -> bool:
    """Whether an environment is there for somebody who holds these permissions in it."""
    return active or "own" in permissions


RECENT_AUTH = timedelta(minutes=10)
ANONYMOUS = "open"
_FULL_GRANT = Grant(frozenset(PERMISSIONS), frozenset({"owner"}))


@dataclass(frozen=True)
class Actor:
    """Who asks and by which door: made at the door (API, console, WebSocket, loop), passed down, never looked up.

    `user` is None for the loop itself. `session` is the log-in that a person acts through, `password_confirmed_at`
    when they typed their password last. `scope` pins an environment key to its environment, `limit` is what a key's
    role leaves of its maker's permissions (None: all of them). What was found out about permissions is kept for the
    actor's (one request's) life; `revoked_counts` collects what its changes took, `audit_entries` the audit lines that
    the door completes when it has answered.
    """

    user: User | None
    via: str
    api_key: ApiKey | None = None
    scope: KeyScope | None = None
    address: str = ""
    request_id: str = ""
    auth_type: str = ""
    session: Session | None = field(default=None, compare=False, repr=False)
    password_confirmed_at: datetime | None = field(default=None, compare=False, repr=False)
    limit: frozenset[str] | None = None
    revoked_counts: list[RevokedCounts] = field(default_factory=list, compare=False, repr=False)
    audit_entries: list[Any] = field(default_factory=list, compare=False, repr=False)
    _grants: dict[int, Grant] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether site-wide things are open: an admin account, not through a key that is held to less."""
        return self._is_unscoped_admin and self.limit is None

    @property
    def _is_unscoped_admin(self) -> bool:
        return self.user is not None and self.user.is_admin and self.scope is None

    @property
    def is_system(self) -> bool:
        """Whether the loop itself asks."""
        return self.user is None and self.via in {"system", "clock"}

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing but open mode lets the asker in."""
        return self.auth_type == ANONYMOUS

    @property
    def recently_authenticated(self) -> bool:
        """Whether the asker proved just now who they are: by a key, at the machine itself, or by a recent password.

        What decides over the door itself (access control, providers, open mode) is for the fresh only.
        """
        if self.user is None or self.api_key is not None or self.via == "cli":
            return self.is_system or self.api_key is not None or self.via == "cli"
        return self.password_confirmed_at is not None and timezone.now() - self.password_confirmed_at < RECENT_AUTH

    def permissions(self, environment_id: int) -> frozenset[str]:
        """What this actor may do in an environment; empty when it is foreign."""
        held = self._grant(environment_id).permissions
        return held if self.limit is None else held & self.limit

    def _grant(self, environment_id: int) -> Grant:
        if environment_id not in self._grants:
            self._grants[environment_id] = self._load_grant(environment_id)
        return self._grants[environment_id]

    def prefetch_permissions(self, environment_ids: Iterable[int]) -> None:
        """Find out about several environments in one query, before `permissions` asks for each of them."""
        unknown = set(environment_ids) - self._grants.keys()
        if len(unknown) > 1 and self.user is not None and not self.user.is_admin and self.scope is None:
            self._grants.update(grants_of(self.user, unknown))

    def clear_permission_cache(self) -> None:
        """Look anew: something about permissions was changed."""
        self._grants.clear()

    def _load_grant(self, environment_id: int) -> Grant:
        if self.is_system:
            return _FULL_GRANT
        if self.user is None or (self.scope is not None and self.scope.environment_id != environment_id):
            return NO_GRANT
        return _FULL_GRANT if self.user.is_admin else grants_of(self.user, [environment_id])[environment_id]

    def role(self, environment_id: int) -> str | None:
        """What to call those permissions: a built-in role's name, or the roles that they come from."""
        held = self.permissions(environment_id)
        if not held:
            return None
        mine = self._grant(environment_id)
        if held == mine.permissions:
            return permissions_label(held, mine.roles)
        return permissions_label(held, [self.limit_role] if held == self.limit else ())

    @property
    def limit_role(self) -> str:
        """The role that a key is held to, empty for none."""
        if self.api_key is None:
            return ""
        return self.scope.role if self.scope else self.api_key.role

    def environments(self, permission: str = "view", *, everything: bool = False) -> list[int]:
        """The keys of the environments where this actor holds `permission`.

        An admin gets those it is a member of, or all of them with `everything`.
        """
        if self.user is None:
            return list(Environment.objects.values_list("pk", flat=True)) if self.is_system else []
        if self.limit is not None and permission not in self.limit:
            return []
        if self.scope is not None:
            mine = self.scope.environment_id
            return [mine] if permission in self.permissions(mine) else []
        if self._is_unscoped_admin and everything:
            return list(Environment.objects.exclude(desired="purged").values_list("pk", flat=True))
        grants = grants_of(self.user)
        if not self.user.is_admin:
            self._grants.update(grants)
        living = [key for key, held in grants.items() if held.desired in {"active", "inactive"}]
        return sorted(key for key in living if permission in grants[key].permissions)


SYSTEM = Actor(None, "system")


def actor_of_user(
    user: User, via: str, *, address: str = "", request_id: str = "", session: Session | None = None
) -> Actor:
    """The actor behind a log-in session, or who acts as an account without one."""
    password_confirmed_at = session.confirmed if session is not None else None
    return Actor(
        user,
        via,
        address=address,
        request_id=request_id,
        auth_type="TokenAuth",
        session=session,
        password_confirmed_at=password_confirmed_at,
    )


def actor_of_anonymous(user: User, via: str, *, address: str = "") -> Actor:
    """Who proved nothing and acts as `user` because access control is off."""
    return Actor(user, via, address=address, auth_type=ANONYMOUS)


def actor_of_key(key: ApiKey, via: str, *, address: str = "", request_id: str = "") -> Actor:
    """The actor behind an API key; an environment key is pinned to its environment, either may be held to a role."""
    scope = KeyScope.objects.filter(key=key).first()
    name = scope.role if scope else key.role
    limit = Role.permissions_of(name) if name else None
    return Actor(key.account, via, key, scope, address, request_id, auth_type="BasicAuth", limit=limit)
