"""Who asks: `Actor`, made at the door and passed down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import ApiKey, Session, User
from apps.core.result import Loss
from apps.environments.access.held import NONE, Held, granted
from apps.environments.models import Environment, KeyScope, Role
from apps.environments.roles import PERMISSIONS, named

FRESH = timedelta(minutes=10)
STRANGER = "open"
_EVERYTHING = Held(frozenset(PERMISSIONS), frozenset({"owner"}))


@dataclass(frozen=True)
class Actor:
    """Who asks and by which door: made at the door (API, console, WebSocket, loop), passed down, never looked up.

    `user` is None for the loop itself. `session` is the log-in that a person acts through, `proved` when they typed
    their password last. `scope` pins an environment key to its environment, `limit` is what a key's role leaves of its
    maker's permissions (None: all of them). What was found out about permissions is kept for the actor's (one
    request's) life; `losses` collects what its changes took, `written` the audit lines that the door completes when it
    has answered.
    """

    user: User | None
    via: str
    api_key: ApiKey | None = None
    scope: KeyScope | None = None
    address: str = ""
    request_id: str = ""
    auth_type: str = ""
    session: Session | None = field(default=None, compare=False, repr=False)
    proved: datetime | None = field(default=None, compare=False, repr=False)
    limit: frozenset[str] | None = None
    losses: list[Loss] = field(default_factory=list, compare=False, repr=False)
    written: list[Any] = field(default_factory=list, compare=False, repr=False)
    _known: dict[int, Held] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether site-wide things are open: an admin account, not through a key that is held to less."""
        return self._rules and self.limit is None

    @property
    def _rules(self) -> bool:
        return self.user is not None and self.user.is_admin and self.scope is None

    @property
    def is_system(self) -> bool:
        """Whether the loop itself asks."""
        return self.user is None and self.via in {"system", "clock"}

    @property
    def is_stranger(self) -> bool:
        """Whether nothing but open mode lets the asker in."""
        return self.auth_type == STRANGER

    @property
    def is_fresh(self) -> bool:
        """Whether the asker proved just now who they are: by a key, at the machine itself, or by a recent password.

        What decides over the door itself (access control, providers, open mode) is for the fresh only.
        """
        if self.user is None or self.api_key is not None or self.via == "cli":
            return self.is_system or self.api_key is not None or self.via == "cli"
        return self.proved is not None and timezone.now() - self.proved < FRESH

    def permissions(self, environment_id: int) -> frozenset[str]:
        """What this actor may do in an environment; empty when it is foreign."""
        held = self._held(environment_id).permissions
        return held if self.limit is None else held & self.limit

    def _held(self, environment_id: int) -> Held:
        if environment_id not in self._known:
            self._known[environment_id] = self._find(environment_id)
        return self._known[environment_id]

    def learn(self, environment_ids: Iterable[int]) -> None:
        """Find out about several environments in one query, before `permissions` asks for each of them."""
        unknown = set(environment_ids) - self._known.keys()
        if len(unknown) > 1 and self.user is not None and not self.user.is_admin and self.scope is None:
            self._known.update(granted(self.user, unknown))

    def forget(self) -> None:
        """Look anew: something about permissions was changed."""
        self._known.clear()

    def _find(self, environment_id: int) -> Held:
        if self.is_system:
            return _EVERYTHING
        if self.user is None or (self.scope is not None and self.scope.environment_id != environment_id):
            return NONE
        return _EVERYTHING if self.user.is_admin else granted(self.user, [environment_id])[environment_id]

    def role(self, environment_id: int) -> str | None:
        """What to call those permissions: a built-in role's name, or the roles that they come from."""
        held = self.permissions(environment_id)
        if not held:
            return None
        mine = self._held(environment_id)
        if held == mine.permissions:
            return named(held, mine.roles)
        return named(held, [self.limit_name] if held == self.limit else ())

    @property
    def limit_name(self) -> str:
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
        if self._rules and everything:
            return list(Environment.objects.exclude(desired="purged").values_list("pk", flat=True))
        everywhere = granted(self.user)
        if not self.user.is_admin:
            self._known.update(everywhere)
        living = [key for key, held in everywhere.items() if held.desired in {"active", "inactive"}]
        return sorted(key for key in living if permission in everywhere[key].permissions)


SYSTEM = Actor(None, "system")


def actor_of_user(
    user: User, via: str, *, address: str = "", request_id: str = "", session: Session | None = None
) -> Actor:
    """The actor behind a log-in session, or who acts as an account without one."""
    proved = session.confirmed if session is not None else None
    return Actor(
        user, via, address=address, request_id=request_id, auth_type="TokenAuth", session=session, proved=proved
    )


def actor_of_stranger(user: User, via: str, *, address: str = "") -> Actor:
    """Who proved nothing and acts as `user` because access control is off."""
    return Actor(user, via, address=address, auth_type=STRANGER)


def actor_of_key(key: ApiKey, via: str, *, address: str = "", request_id: str = "") -> Actor:
    """The actor behind an API key; an environment key is pinned to its environment, either may be held to a role."""
    scope = KeyScope.objects.filter(key=key).first()
    name = scope.role if scope else key.role
    limit = Role.permissions_of(name) if name else None
    return Actor(key.account, via, key, scope, address, request_id, auth_type="BasicAuth", limit=limit)
