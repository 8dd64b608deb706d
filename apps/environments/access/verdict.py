"""`can` and `available`: whether something may be done, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.core.models import Managed
from apps.environments.access.actor import Actor
from apps.environments.access.owned import environment_of, is_own_thing


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer that is false *with a reason* fit to show; `by_role` when it is the asker who lacks something."""

    allowed: bool
    reason: str = ""
    by_role: bool = False

    def __bool__(self) -> bool:
        return self.allowed


YES = Verdict(allowed=True)


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


def verdict(actor: Actor, action: str, row: Managed) -> Verdict:
    """Whether `action` is possible on `row` now, for this actor: life cycle and role together."""
    transition = row.LIFECYCLE.transitions.get(action)
    if transition is None:
        return Verdict(allowed=False, reason=_("There is no such action."))
    if not is_own_thing(actor, row):
        allowed = can(actor, transition.permission, environment_of(row))
        if not allowed:
            return allowed
    if row.shown not in transition.start:
        return Verdict(allowed=False, reason=_("Not possible while it is %(state)s.") % {"state": row.shown})
    return YES


def available(row: Managed, actor: Actor) -> dict[str, Verdict]:
    """Every action of the row's life cycle but its birth, with a verdict: feeds API actions, buttons and refusals."""
    return {name: verdict(actor, name, row) for name in row.LIFECYCLE.transitions if name != row.LIFECYCLE.born}
