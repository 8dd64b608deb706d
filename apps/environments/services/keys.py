"""Keys that act in one environment."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.accounts.services import NewKey, key_create
from apps.core.errors import Forbidden, Invalid
from apps.environments.access import Actor, can
from apps.environments.models import Environment, KeyScope, Role
from apps.environments.roles import PERMISSIONS, largest_within


def environment_key_create(*, actor: Actor, environment: Environment, role: str = "", **more: Any) -> NewKey:
    """A new key that acts in this environment only, with its maker's role there, or a lower one, and never more.

    `more` is what `key_create` takes. Raises `Forbidden`, and `Invalid` for a role that is more than the maker's.
    """
    allowed = can(actor, "keys", environment.pk)
    if not allowed or actor.user is None:
        raise Forbidden(allowed.reason or "Only an account can own a key.")
    with transaction.atomic():
        limit = _role_of_key(actor.permissions(environment.pk), role)
        made = key_create(actor=actor, account=actor.user, environment=environment, **more)
        KeyScope.objects.create(key=made.key, environment=environment, role=limit)
    return made


def account_key_create(*, actor: Actor, role: str = "", **more: Any) -> NewKey:
    """A new key that acts as its maker's account, wherever that may, or with at most this role there.

    Raises `Forbidden` where there is no account, `Invalid` for a role that is unknown or more than the making key's.
    """
    if actor.user is None or actor.scope is not None:
        raise Forbidden("Only an account can own a key.")
    if actor.limit is not None:
        _may_make_keys(actor.limit)
        role = _role_of_key(actor.limit, role or actor.limit_name)
    elif role:
        role = _role_of_key(frozenset(PERMISSIONS), role)
    return key_create(actor=actor, account=actor.user, role=role, **more)


def _may_make_keys(limit: frozenset[str]) -> None:
    if "keys" not in limit:
        raise Forbidden("This key may not manage keys; its role has no such permission.")


def _role_of_key(held: frozenset[str], wanted: str) -> str:
    """The wanted role if `held` covers it; else the largest role that it covers."""
    known = Role.every()
    if not wanted:
        found = largest_within(held, known)
        if found is None:
            raise Forbidden("Your permissions here make up no role, so a key cannot have one.")
        return found
    if wanted not in known:
        raise Invalid("role", "InvalidOption", f"There is no role {wanted[:40]!r}; there are {', '.join(known)}.")
    if not known[wanted] <= held:
        raise Invalid("role", "InvalidOption", f"The role {wanted} may do more than you; choose a lower one.")
    return wanted
