"""Keys that act in one environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.key_limits import changed_limits, widens_limits
from apps.accounts.models import ApiKey, User
from apps.accounts.services import NewKey, key_create, key_update
from apps.accounts.services import key_act as account_key_act
from apps.core.errors import Forbidden, Invalid
from apps.core.services import require_recent_auth
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment, KeyScope, Role
from apps.environments.roles import PERMISSIONS, largest_role_within
from apps.environments.services.members import lock_roles
from apps.environments.services.revocation import revoking


def environment_key_create(*, actor: Actor, environment: Environment, role: str = "", **more: Any) -> NewKey:
    """A new key that acts in this environment only, with its maker's role there, or a lower one, and never more.

    `more` is what `key_create` takes. Raises `Forbidden`, and `Invalid` for a role that is more than the maker's.
    """
    allowed = can(actor, "keys", environment.pk)
    if not allowed or actor.user is None:
        raise Forbidden(allowed.reason or "Only an account can own a key.")
    with transaction.atomic():
        limit = choose_key_role(actor.permissions(environment.pk), role)
        lock_roles([limit])
        made = key_create(actor=actor, account=actor.user, environment=environment, **more)
        KeyScope.objects.create(key=made.key, environment=environment, role=limit)
    return made


def account_key_create(*, actor: Actor, account: User | None = None, role: str = "", **more: Any) -> NewKey:
    """A new key that acts as its maker's account (administrators: as any `account`), or with at most this role there.

    Raises `Forbidden` where there is no account, `Invalid` for a role that is unknown or more than the making key's,
    `ReauthenticationRequired` for a key that opens what takes a recent authentication.
    """
    if actor.user is None or actor.scope is not None:
        raise Forbidden("Only an account can own a key.")
    owner = account or actor.user
    if owner != actor.user and not actor.is_admin:
        raise Forbidden("Only administrators may make a key of somebody else's account.")
    require_may_make_key(actor, owner, role)
    if actor.limit is not None:
        _require_keys_permission(actor.limit)
        role = choose_key_role(actor.limit, role or actor.limit_role)
    elif role:
        role = choose_key_role(frozenset(PERMISSIONS), role)
    with transaction.atomic():
        lock_roles([role])
        return key_create(actor=actor, account=owner, role=role, **more)


def key_create_for(number: int | None, *, actor: Actor, **more: Any) -> NewKey:
    """A new key of the account or the environment with this number; they share their numbers.

    Raises `Invalid` at `accountId` where there is neither, or none that this actor may make a key of.
    """
    environment = Environment.objects.filter(pk=number or 0, removed=None).first()
    if environment is not None and actor.permissions(environment.pk):
        return environment_key_create(actor=actor, environment=environment, **more)
    account = User.objects.filter(pk=number or 0, desired="active").first()
    if account is None or not (account == actor.user or actor.is_admin):
        raise Invalid("accountId", "InvalidReference", "There is no such account or environment; leave accountId out.")
    return account_key_create(actor=actor, account=account, **more)


def require_may_make_key(actor: Actor, owner: User, role: str) -> None:
    """Require a recent authentication for a key of an administrator that no role limits, or of somebody else.

    Such a key passes where a session must confirm its password; a stolen session must not make itself one. In open
    mode there is no password to confirm, and everything is open already.
    """
    is_sensitive = owner != actor.user or (owner.is_admin and not role)
    if is_sensitive and not actor.is_anonymous:
        require_recent_auth(actor)


def key_change(key: ApiKey, *, actor: Actor, **changes: Any) -> ApiKey:
    """Change a key's `name`, `description`, `expires` (None: never) or `addresses`, or narrow its `role`.

    Sockets that it opened and no longer may are closed at once. Raises `Forbidden`, and `Invalid` for a role that is
    more than the key has, for malformed limits, and for wider ones than the actor could give.
    """
    scope: KeyScope | None = getattr(key, "scope", None)
    role = _narrowed_role(scope.role if scope else key.role, changes.pop("role", None))
    texts = {name: changes[name] for name in ("name", "description") if name in changes}
    limits = changed_limits(key, actor.api_key, changes)
    if widens_limits(key, limits):
        _require_may_widen(key, actor, next(iter(limits)))
    column = {"role": role} if role and scope is None else {}
    with transaction.atomic(), revoking(actor, keys=[key.pk]):
        lock_roles([role])
        details = {"role": role} if role else {}
        place = scope.environment if scope else None
        key_update(key, actor=actor, environment=place, details=details, **texts, **limits, **column)
        if role and scope is not None:
            scope.role = role
            scope.save(update_fields=["role"])
    return key


def key_act(key: ApiKey, action: str, *, actor: Actor, environment: Environment | None = None) -> ApiKey:
    """Activate, deactivate, remove or purge a key. Raises `Invalid` for a key that would bring back a broader one."""
    if action in {"activate", "restore"} and actor.api_key is not None:
        _require_may_widen(key, actor, "action")
    return account_key_act(key, action, actor=actor, environment=environment)


def _narrowed_role(has: str, wanted: str | None) -> str:
    """The wanted role if it is less than the key has; empty where nothing else is wanted."""
    if not wanted or wanted == has:
        return ""
    known = Role.permissions_by_role()
    if wanted not in known:
        raise Invalid("role", "InvalidOption", f"There is no role {wanted[:40]!r}; there are {', '.join(known)}.")
    if not known[wanted] <= _permissions_of_role(has, known):
        raise Invalid("role", "InvalidOption", f"The role {wanted} may do more than this key; make another key for it.")
    return wanted


def _require_may_widen(key: ApiKey, actor: Actor, field: str) -> None:
    """Only who may do as much as the key can let it work for longer or from more addresses."""
    scope: KeyScope | None = getattr(key, "scope", None)
    mine = actor.permissions(scope.environment_id) if scope else actor.limit
    if (
        mine is not None
        and not _permissions_of_role(scope.role if scope else key.role, Role.permissions_by_role()) <= mine
    ):
        why = "This key may do more than you: you can limit it further, not activate it or give it time or addresses."
        raise Invalid(field, "InvalidOption", why)


def _permissions_of_role(role: str, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    # A key without a role may be an administrator's, which no role makes up for.
    return known.get(role, frozenset()) if role else frozenset({*PERMISSIONS, "admin"})


def _require_keys_permission(limit: frozenset[str]) -> None:
    if "keys" not in limit:
        raise Forbidden("This key may not manage keys; its role has no such permission.")


def choose_key_role(held: frozenset[str], wanted: str) -> str:
    """The wanted role if `held` covers it; else the largest role that it covers. Raises `Forbidden`, `Invalid`."""
    known = Role.permissions_by_role()
    if not wanted:
        found = largest_role_within(held, known)
        if found is None:
            raise Forbidden("Your permissions here make up no role, so a key cannot have one.")
        return found
    if wanted not in known:
        raise Invalid("role", "InvalidOption", f"There is no role {wanted[:40]!r}; there are {', '.join(known)}.")
    if not known[wanted] <= held:
        raise Invalid("role", "InvalidOption", f"The role {wanted} may do more than you; choose a lower one.")
    return wanted
