"""Who asks, what they may do where, and why not: `Actor`, `Verdict`, `can` and `available`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from guardian.shortcuts import get_objects_for_user

from apps.accounts.models import ApiKey, Session, User
from apps.core.models import Managed
from apps.environments.models import Environment, EnvironmentGroupPermission, KeyScope, Member
from apps.environments.roles import PERMISSIONS, ROLES, highest

NOTHING: frozenset[str] = frozenset()
FRESH = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer that is false *with a reason* fit to show; `by_role` when it is the asker who lacks something."""

    allowed: bool
    reason: str = ""
    by_role: bool = False

    def __bool__(self) -> bool:
        return self.allowed


YES = Verdict(allowed=True)


@dataclass(frozen=True)
class Actor:
    """Who asks and by which door: made at the door (API, console, WebSocket, loop), passed down, never looked up.

    `user` is None for the loop itself. `scope` pins an environment key to its environment. `session` is
    the log-in that a person acts through. What was found out about permissions is kept for the actor's (one request's)
    life.
    """

    user: User | None
    via: str
    api_key: ApiKey | None = None
    scope: KeyScope | None = None
    address: str = ""
    request_id: str = ""
    auth_type: str = ""
    session: Session | None = field(default=None, compare=False, repr=False)
    _known: dict[int, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether site-wide things are open: an admin account, not through an environment key."""
        return self.user is not None and self.user.is_admin and self.scope is None

    @property
    def is_system(self) -> bool:
        """Whether the loop itself asks."""
        return self.user is None and self.via in {"system", "clock"}

    @property
    def is_fresh(self) -> bool:
        """Whether the asker proved just now who they are: by a key, at the machine itself, or by a recent password.

        What decides over the door itself (access control, providers, open mode) is for the fresh only.
        """
        if self.user is None or self.api_key is not None or self.via == "cli":
            return self.is_system or self.api_key is not None or self.via == "cli"
        proved = self.session.confirmed if self.session is not None else None
        return proved is not None and timezone.now() - proved < FRESH

    def permissions(self, environment_id: int) -> frozenset[str]:
        """What this actor may do in an environment; empty when it is foreign."""
        if environment_id not in self._known:
            self._known[environment_id] = self._find(environment_id)
        return self._known[environment_id]

    def learn(self, environment_ids: Iterable[int]) -> None:
        """Find out about several environments in one query, before `permissions` asks for each of them."""
        unknown = set(environment_ids) - self._known.keys()
        if len(unknown) > 1 and self.user is not None and not self.user.is_admin and self.scope is None:
            self._known.update(_granted(self.user, unknown))

    def _find(self, environment_id: int) -> frozenset[str]:
        if self.is_system:
            return frozenset(PERMISSIONS)
        if self.user is None:
            return NOTHING
        if self.scope is not None and self.scope.environment_id != environment_id:
            return NOTHING
        granted = (
            frozenset(PERMISSIONS) if self.user.is_admin else _granted(self.user, [environment_id])[environment_id]
        )
        return granted & ROLES.get(self.scope.role, NOTHING) if self.scope else granted

    def role(self, environment_id: int) -> str | None:
        """The name of the role those permissions amount to: the smallest that covers them."""
        held = self.permissions(environment_id)
        return highest([role for role, needs in ROLES.items() if needs <= held]) if held else None

    def environments(self, permission: str = "view", *, everything: bool = False) -> list[int]:
        """The keys of the environments where this actor holds `permission`.

        An admin gets those it is a member of, or all of them with `everything`.
        """
        if self.user is None:
            return list(Environment.objects.values_list("pk", flat=True)) if self.is_system else []
        if self.scope is not None:
            mine = self.scope.environment_id
            return [mine] if permission in self.permissions(mine) else []
        if self.is_admin and everything:
            return list(Environment.objects.exclude(desired="purged").values_list("pk", flat=True))
        held = get_objects_for_user(
            self.user, permission, klass=Environment, accept_global_perms=False, with_superuser=False
        )
        return sorted(pk for pk, desired in held.values_list("pk", "desired") if self._open(pk, desired))

    def _open(self, environment_id: int, desired: str) -> bool:
        return desired == "active" or (desired == "inactive" and "own" in self.permissions(environment_id))


SYSTEM = Actor(None, "system")


def actor_of_user(
    user: User, via: str, *, address: str = "", request_id: str = "", session: Session | None = None
) -> Actor:
    """The actor behind a log-in session, or who acts as an account without one."""
    return Actor(user, via, address=address, request_id=request_id, auth_type="TokenAuth", session=session)


def actor_of_key(key: ApiKey, via: str, *, address: str = "", request_id: str = "") -> Actor:
    """The actor behind an API key; an environment key is pinned to its environment."""
    scope = KeyScope.objects.filter(key=key).first()
    return Actor(key.account, via, key, scope, address=address, request_id=request_id, auth_type="BasicAuth")


def _granted(user: User, environment_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """What the groups of this account give it; an environment that is not active is there for its owners only."""
    rows = EnvironmentGroupPermission.objects.filter(group__user=user, content_object_id__in=environment_ids)
    held: dict[int, set[str]] = {key: set() for key in environment_ids}
    active: set[int] = set()
    for key, codename, desired in rows.values_list(
        "content_object_id", "permission__codename", "content_object__desired"
    ):
        held[key].add(codename)
        active |= {key} if desired == "active" else set()
    return {key: frozenset(found) if key in active or "own" in found else NOTHING for key, found in held.items()}


def can(actor: Actor, permission: str, environment_id: int | None) -> Verdict:
    """Whether the actor holds `permission` in the environment (None: site-wide, admins only), and if not, why."""
    if actor.is_system:
        return YES
    if environment_id is None or permission == "admin":
        return YES if actor.is_admin else _no(_("Only administrators may do this."))
    if permission in actor.permissions(environment_id):
        return YES
    role = actor.role(environment_id)
    if role is None:
        return _no(_("You are not a member of this environment."))
    return _no(_("Your role here (%(role)s) may not do this.") % {"role": role})


def _no(reason: str) -> Verdict:
    return Verdict(allowed=False, reason=reason, by_role=True)


def environment_of(row: Managed) -> int | None:
    """The environment a row belongs to: its own key for an environment, None for site-wide rows."""
    if isinstance(row, Environment):
        return row.pk
    scope = getattr(row, "scope", None) if isinstance(row, ApiKey) else None
    return scope.environment_id if scope else getattr(row, "environment_id", None)


def _own_thing(actor: Actor, row: Managed) -> bool:
    """Account keys are their account's own."""
    return isinstance(row, ApiKey) and environment_of(row) is None and actor.user == row.account and not actor.scope


def verdict(actor: Actor, action: str, row: Managed) -> Verdict:
    """Whether `action` is possible on `row` now, for this actor: life cycle and role together."""
    transition = row.LIFECYCLE.transitions.get(action)
    if transition is None:
        return Verdict(allowed=False, reason=_("There is no such action."))
    if not _own_thing(actor, row):
        allowed = can(actor, transition.permission, environment_of(row))
        if not allowed:
            return allowed
    if row.shown not in transition.start:
        return Verdict(allowed=False, reason=_("Not possible while it is %(state)s.") % {"state": row.shown})
    return YES


def available(row: Managed, actor: Actor) -> dict[str, Verdict]:
    """Every action of the row's life cycle but its birth, with a verdict: feeds API actions, buttons and refusals."""
    return {name: verdict(actor, name, row) for name in row.LIFECYCLE.transitions if name != row.LIFECYCLE.born}


def members_of(environment_ids: Iterable[int]) -> dict[int, list[Member]]:
    """The members of several environments in one query."""
    found: dict[int, list[Member]] = {key: [] for key in environment_ids}
    for member in Member.objects.filter(environment__in=list(found)).select_related("account"):
        found[member.environment_id].append(member)
    return found
