"""Who acts: `Actor`, made where a request comes in and passed down, with the permissions it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import ApiKey, Session, User
from apps.core.result import RevokedCounts
from apps.environments.evaluator import Decision, Holder, KeyLimit
from apps.environments.grants import decide_one, limit_of
from apps.environments.models import Environment, KeyScope
from apps.environments.roles import permissions_label

RECENT_AUTH = timedelta(minutes=10)
ANONYMOUS = "open"
_NOTHING = Decision()


@dataclass(frozen=True)
class Actor:
    """Who acts and through which interface: made by the API, the console, a WebSocket or the loop, and passed down.

    `user` is None for the loop itself. `session` is the log-in that a person acts through, `password_confirmed_at`
    when they typed their password last. `scope` pins an environment key to its environment, `limit` is what a key's
    role leaves of its maker's permissions (None: all of them). Permissions are read once in the actor's (one
    request's) life; `revoked_counts` collects what its changes revoked, `audit_entries` the audit entries that the
    interface completes when it has answered; `memo` is for what a higher app reads once in the actor's life.
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
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _decisions: dict[int, Decision] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether site-wide things are open: an admin account, not through a key that is limited."""
        return self._is_unscoped_admin and self.limit is None

    @property
    def _is_unscoped_admin(self) -> bool:
        return self.user is not None and self.user.is_admin and self.scope is None

    @property
    def is_system(self) -> bool:
        """Whether the loop itself acts."""
        return self.user is None and self.via in {"system", "clock"}

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing but open mode lets the actor in."""
        return self.auth_type == ANONYMOUS

    @property
    def recently_authenticated(self) -> bool:
        """Whether a person proved just now who they are, by a password or at the machine itself; no key does."""
        if not self.is_person or self.is_system or self.via == "cli":
            return self.is_system or self.via == "cli"
        return self.password_confirmed_at is not None and timezone.now() - self.password_confirmed_at < RECENT_AUTH

    @property
    def is_person(self) -> bool:
        """Whether somebody acts who logged in, or sits at the machine itself: neither a key nor an open door."""
        if self.user is None:
            return self.is_system or self.via == "cli"
        return self.api_key is None and not self.is_anonymous

    def permissions(self, environment_id: int) -> frozenset[str]:
        """What this actor may do in an environment; empty when it is foreign."""
        return self._decision(environment_id).held

    def _decision(self, environment_id: int) -> Decision:
        if environment_id not in self._decisions:
            self._load_decisions([environment_id])
        return self._decisions[environment_id]

    def _load_decisions(self, environment_ids: Collection[int]) -> None:
        found = decide_one(self._holder, environment_ids)
        self._decisions.update({key: found.get(key, _NOTHING) for key in environment_ids})

    @property
    def _holder(self) -> Holder:
        """The account as the evaluator takes it: who made the actor has found it, and its key, to be usable."""
        if self.user is None:
            return Holder(0, is_active=self.is_system, is_admin=self.is_system)
        limit = KeyLimit(permissions=self.limit, environment=self.scope.environment_id if self.scope else None)
        return Holder(self.user.pk, is_admin=self.user.is_admin, limit=limit)

    def prefetch_permissions(self, environment_ids: Iterable[int]) -> None:
        """Read the permissions in several environments in one query, before `permissions` asks for each of them."""
        unknown = set(environment_ids) - self._decisions.keys()
        if len(unknown) > 1:
            self._load_decisions(unknown)

    def clear_permission_cache(self) -> None:
        """Read permissions again: something about them was changed."""
        self._decisions.clear()

    def role(self, environment_id: int) -> str | None:
        """What to call those permissions: a built-in role's name, or the roles that they come from."""
        found = self._decision(environment_id)
        if not found.held:
            return None
        if not found.beyond_limit:
            return permissions_label(found.held, found.roles)
        return permissions_label(found.held, [self.limit_role] if found.held == self.limit else ())

    @property
    def is_whole_account(self) -> bool:
        """Whether nothing of the account is out of reach: no key acts, or one without a role and an environment."""
        return self.user is not None and self.scope is None and self.limit is None

    @property
    def limit_role(self) -> str:
        """The role that a key is limited to, empty for none."""
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
        found = decide_one(replace(self._holder, is_admin=False))
        if not self.user.is_admin:
            self._decisions.update(found)
        return sorted(key for key, decision in found.items() if permission in decision.held)


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
    """The actor behind an API key; an environment key is pinned to its environment, either may be limited to a role."""
    scope = KeyScope.objects.filter(key=key).first()
    limit = limit_of(key, scope).permissions
    return Actor(key.account, via, key, scope, address, request_id, auth_type="BasicAuth", limit=limit)
