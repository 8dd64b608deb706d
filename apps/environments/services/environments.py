"""Environments: created, changed and removed, and the default one that every installation has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import AccountNumber, User
from apps.core import hooks
from apps.core.errors import Forbidden, Invalid
from apps.core.ids import wire_id
from apps.environments.actor import Actor
from apps.environments.models import Environment, Member
from apps.environments.services.members import members_save, parse_members, role_groups_sync
from apps.environments.services.revocation import revoking


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise Invalid("name", "MissingRequired", "An environment needs a name.")
    if len(name.strip()) > 255:
        raise Invalid("name", "MaxLengthExceeded", "A name has at most 255 characters.")
    return name.strip()


def environment_create(
    *,
    actor: Actor,
    name: str | None,
    description: str = "",
    members: Iterable[Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Environment:
    """A new environment, owned by its maker unless `members` says otherwise; without a name (None) it gets one.

    `options` are what other apps make of it: `subnet`, `encryption` and `port_range` of its network. Raises `Forbidden`
    for an environment key, `Invalid` for a bad name or option, `Problem` (400) for a bad member list.
    """
    if actor.scope is not None or actor.user is None:
        raise Forbidden("An environment key cannot create environments; use an account's key.")
    if actor.limit is not None and "own" not in actor.limit:
        raise Forbidden("This key's role does not let it own an environment, so it cannot create one.")
    wanted = list(members or []) or [
        {"externalId": wire_id("a", actor.user.pk), "externalIdType": "rancher_id", "role": "owner"}
    ]
    row = Environment(name=_check_name(name) if name is not None else "", description=description or "")
    row.desired = "active"
    parsed = parse_members(wanted)
    with transaction.atomic():
        if name is None:  # v1 clients may leave it out, but a page needs something to show
            row.pk, row.wire_uuid = AccountNumber.allocate(), str(row.uuid)
            row.name = f"Environment {row.pk}"
        hooks.create(row, actor=actor, request={"name": row.name, "members": wanted, **(options or {})})
        hooks.environment_created(row, options or {})
        members_save(row, parsed)
    return row


def environment_update(row: Environment, *, actor: Actor, **changes: Any) -> Environment:
    """Rename or describe an environment; owners only."""
    allowed = {k: v for k, v in changes.items() if k in {"name", "description"} and v is not None}
    if "name" in allowed:
        allowed["name"] = _check_name(allowed["name"])
    hooks.request_change(row, "update", actor=actor, changes=allowed, request=allowed)
    return row


def environment_act(row: Environment, action: str, *, actor: Actor) -> Environment:
    """Activate, deactivate, remove, purge or restore; removal first removes everything inside."""
    with revoking(actor, environments=[row.pk]):
        hooks.request_change(row, action, actor=actor)
    return row


def ensure_default_environment() -> Environment:
    """The environment "Default" that every installation has, made on first need with a full set of role groups."""
    found: Environment | None = Environment.objects.filter(wire_uuid="adminProject").first()
    if found is not None:
        return found
    number = AccountNumber.DEFAULT_ENVIRONMENT
    row = Environment(pk=number, name="Default", desired="active", wire_uuid="adminProject")
    try:
        with transaction.atomic():
            hooks.create(row, actor=None, request={"name": "Default"})
            hooks.environment_created(row, {})
            role_groups_sync(row)
    except IntegrityError:  # another process made it in the same moment
        return Environment.objects.get(wire_uuid="adminProject")
    return row


def ensure_own_environment(account: User, *, actor: Actor) -> None:
    """Make an account that is a member of no environment the owner of one, as v1 does at its first log-in."""
    with transaction.atomic():
        # Of two log-ins at once, the second finds the first's.
        User.all_objects.select_for_update(no_key=True).get(pk=account.pk)
        if not Member.objects.filter(account=account).exists():
            environment_create(actor=actor, name=f"{account.login[:240]}-Default")
