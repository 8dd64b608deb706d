"""Whether an actor may do something, and if not, why: `can`, `verdict` and `available`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey
from apps.core.hooks import hooks
from apps.core.models import Managed
from apps.environments.actor import (
    Actor,
)
from apps.environments.models import Environment


def environment_of(row: Managed) -> int | None:
    """The environment a row belongs to: its own key for an environment, None for site-wide rows."""
    if isinstance(row, Environment):
        return row.pk
    scope = getattr(row, "scope", None) if isinstance(row, ApiKey) else None
    return scope.environment_id if scope else getattr(row, "environment_id", None)


def is_own_key(actor: Actor, row: Managed) -> bool:
    """Account keys are managed by their account, but not through a key whose role lacks the permission `keys`."""
    mine = isinstance(row, ApiKey) and environment_of(row) is None and actor.user == row.account and not actor.scope
    return mine and (actor.limit is None or "keys" in actor.limit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer that is false *with a reason* fit to show.

    `is_forbidden` when the actor lacks a permission, `is_locked` when somebody locked the row.
    """

    allowed: bool
    reason: str = ""
    is_forbidden: bool = False
    is_locked: bool = False

    def __bool__(self) -> bool:
        return self.allowed


ALLOWED = Verdict(allowed=True)


def can(actor: Actor, permission: str, environment_id: int | None) -> Verdict:
    """Whether the actor holds `permission` in the environment (None: site-wide, admins only), and if not, why."""
    if actor.is_system:
        return ALLOWED
    if environment_id is None or permission == "admin":
        return ALLOWED if actor.is_admin else _refuse(_("Only administrators may do this."))
    if permission in actor.permissions(environment_id):
        return ALLOWED
    role = actor.role(environment_id)
    if role is None:
        return _refuse(_("You are not a member of this environment."))
    words = {"role": role, "permission": permission}
    return _refuse(_("Your role here (%(role)s) may not do this: it lacks the permission %(permission)s.") % words)


def _refuse(reason: str) -> Verdict:
    return Verdict(allowed=False, reason=reason, is_forbidden=True)


def verdict(actor: Actor, action: str, row: Managed) -> Verdict:
    """Whether `action` is possible on `row` now, for this actor: life cycle and role together."""
    transition = row.LIFECYCLE.transitions.get(action)
    if transition is None:
        return Verdict(allowed=False, reason=_("There is no such action."))
    if not is_own_key(actor, row):
        allowed = can(actor, transition.permission, environment_of(row))
        if not allowed:
            return allowed
    if reason := hooks.lock_refusal(actor, action, row):
        return Verdict(allowed=False, reason=reason, is_locked=True)
    if row.display_state not in transition.start:
        return Verdict(allowed=False, reason=state_refusal(row, action, transition.start))
    if reason := row.refusal(action) or hooks.owner_refusal(actor, action, row):
        return Verdict(allowed=False, reason=reason)
    return ALLOWED


def state_refusal(row: Any, action: str, start: Collection[str]) -> str:
    """Why `action`, which starts from the states `start`, is not possible in the row's state, and what to do first."""
    reason = _("Not possible while it is %(state)s.") % {"state": row.display_state}
    remedy = row.LIFECYCLE.remedy(action, row.display_state, start) if isinstance(row, Managed) else None
    return f"{reason} {_(remedy.text)}" if remedy is not None else reason


def available(row: Managed, actor: Actor) -> dict[str, Verdict]:
    """A verdict on every action of the row's life cycle but creation: feeds API actions, buttons and refusals."""
    return {
        name: verdict(actor, name, row) for name in row.LIFECYCLE.transitions if name != row.LIFECYCLE.create_action
    }
