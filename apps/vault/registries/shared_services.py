"""Changes to the registries that administrators lend to environments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from apps.control.services import create, request_change
from apps.core.errors import Forbidden, Invalid
from apps.core.unique import unique_or
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.vault.registries.addresses import parse_address
from apps.vault.registries.models import SharedRegistry
from apps.vault.registries.services import (
    PRESENT,
    ServerAddressUsed,
    account_changes,
    check_account,
    describe_account,
    mirror_changes,
)

SHARED_ONCE = ("shared_registry_address_once", "vault_sharedregistry.domain")


def shared_registry_create(
    *,
    actor: Actor,
    server_address: str,
    public_value: str,
    secret_value: str,
    email: str = "",
    lent_to: Collection[int] | None = None,
    mirror: str = "",
    name: str = "",
    description: str = "",
) -> SharedRegistry:
    """A registry with its account and mirror, lent to the environments `lent_to`, None for all. For administrators.

    Raises `Forbidden`, `Invalid`.
    """
    allowed = can(actor, "admin", None)
    if not allowed:
        raise Forbidden(allowed.reason)
    address = parse_address("serverAddress", server_address)
    used = ServerAddressUsed(address)
    if SharedRegistry.objects.filter(domain=address.domain, desired__in=PRESENT).exists():
        raise used
    account = check_account({"public_value": public_value, "secret_value": secret_value, "email": email})
    texts = {"name": name, "description": description}
    lent = _check_environments(lent_to)
    columns = {**account, **texts, "lent_to": lent, **mirror_changes({"mirror": mirror}, address.domain, _mirrors())}
    row = SharedRegistry(server_address=address.text, domain=address.domain, **columns)
    request = {"serverAddress": address.text, **_describe(columns)}
    with unique_or(used, *SHARED_ONCE):
        create(row, actor=actor, request=request)
    return row


def shared_registry_update(row: SharedRegistry, *, actor: Actor, **changes: Any) -> SharedRegistry:
    """Change the account, to whom it is lent, mirror, name or description; an empty secret keeps the one there is."""
    if "lent_to" in changes:
        changes["lent_to"] = _check_environments(changes["lent_to"])
    mirrors = {domain: mirror for domain, mirror in _mirrors().items() if domain != row.domain}
    columns = account_changes(row, mirror_changes(changes, row.domain, mirrors, row.mirror))
    request_change(row, "update", actor=actor, changes=columns, request=_describe(columns))
    return row


def shared_registry_act(row: SharedRegistry, action: str, *, actor: Actor) -> SharedRegistry:
    """Activate, deactivate, remove or purge it."""
    cleared = {"secret_value": ""} if action == "remove" else {}
    with unique_or(ServerAddressUsed(parse_address("serverAddress", row.server_address)), *SHARED_ONCE):
        request_change(row, action, actor=actor, changes=cleared)
    return row


def _mirrors() -> dict[str, str]:
    """The mirrors of the lent registries, by domain; environments may have others of their own, which go first."""
    return dict(SharedRegistry.objects.filter(desired__in=PRESENT).values_list("domain", "mirror"))


def _check_environments(keys: Collection[int] | None) -> list[int] | None:
    if keys is None:
        return None
    wanted = sorted(set(keys))
    known = set(Environment.objects.filter(pk__in=wanted, removed=None).values_list("pk", flat=True))
    if missing := [key for key in wanted if key not in known]:
        raise Invalid("lentTo", "InvalidReference", f"lentTo: there is no environment {missing[0]}.")
    return wanted


def _describe(columns: Mapping[str, Any]) -> dict[str, Any]:
    found = describe_account(columns)
    return {("lentTo" if name == "lent_to" else name): value for name, value in found.items()}
