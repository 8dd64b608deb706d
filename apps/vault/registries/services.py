"""Changes to an environment's registries and their credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.control.services import create, request_change
from apps.core.edits import BasedOn, require_current
from apps.core.errors import Conflict, Invalid
from apps.core.fields import text
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.vault.registries.addresses import RegistryAddress, parse_address, title_of
from apps.vault.registries.mirrors import mirror_domain, parse_mirror
from apps.vault.registries.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.selectors import shared_registries_for

# By its name in PostgreSQL, by its last column in SQLite.
ADDRESS_ONCE = ("registry_address_once", "vault_registry.domain")
ACTIVE_ONCE = ("registry_credential_active_once", "vault_registrycredential.registry_id")
PRESENT = ("active", "inactive")
MAX_SECRET = 32_768  # the key of a service account, which some registries take for a password, has 2,400 characters

WIRE_NAMES = {"public_value": "publicValue", "secret_value": "secretValue", "email": "email"}
_CHECKS = {
    "public_value": text(high=255),
    "secret_value": text(high=MAX_SECRET),
    "email": text(high=255),
}


class ServerAddressUsed(Invalid):
    """There is a registry of this address already; v1 says it with status 400."""

    status = 400

    def __init__(self, address: RegistryAddress) -> None:
        message = f"{address.text} is among the registries already; change that one, or its credential."
        super().__init__("serverAddress", "ServerAddressUsed", message)


def registry_create(
    *,
    actor: Actor,
    environment: Environment,
    server_address: str,
    mirror: str = "",
    name: str = "",
    description: str = "",
) -> Registry:
    """A new registry, pulled from through `mirror` if one is given.

    Raises `Invalid` (`ServerAddressUsed`: it is there already), `Forbidden`.
    """
    address = parse_address("serverAddress", server_address)
    used = ServerAddressUsed(address)
    if Registry.all_objects.filter(environment=environment, domain=address.domain, desired__in=PRESENT).exists():
        raise used
    texts = {"name": name, "description": description}
    columns = _check_mirror({"mirror": mirror}, address.domain, environment.pk)
    row = Registry(environment=environment, server_address=address.text, domain=address.domain, **columns, **texts)
    with unique_or(used, *ADDRESS_ONCE):
        create(row, actor=actor, request={"serverAddress": address.text, **describe_account(columns), **texts})
    return row


def registry_update(row: Registry, *, actor: Actor, **changes: str) -> Registry:
    """Change mirror, name and description; a registry at another address is another registry. Raises `Invalid`."""
    columns = _check_mirror(changes, row.domain, row.environment_id, row.mirror)
    require_current(row, {name: columns[name] for name in changes})
    row.based_on = None
    request_change(row, "update", actor=actor, changes=columns, request=describe_account(columns))
    return row


def _check_mirror(changes: Mapping[str, Any], domain: str, environment_id: int, before: str = "") -> dict[str, Any]:
    """The changes with the checked mirror, against the registries that the environment has or is lent."""
    if "mirror" not in changes:
        return dict(changes)
    own = Registry.all_objects.filter(environment=environment_id, desired__in=PRESENT).exclude(domain=domain)
    mirrors = {row.domain: row.mirror for row in shared_registries_for(environment_id) if row.domain != domain}
    mirrors |= {other: mirror for other, mirror in own.values_list("domain", "mirror") if mirror}
    return mirror_changes(changes, domain, mirrors, before)


def mirror_changes(
    changes: Mapping[str, Any], domain: str, mirrors: Mapping[str, str], before: str = ""
) -> dict[str, Any]:
    """The changes with the checked mirror of `domain`, and the time of its change; `mirrors` are those of the others.

    Raises `Invalid` for what is no address, for the registry itself, and for a chain: mirrors are not followed.
    """
    found = dict(changes)
    if "mirror" not in found:
        return found
    mirror = found["mirror"] = parse_mirror("mirror", found["mirror"], domain)
    if mirror == before:
        return found
    if mirror and (next_one := mirrors.get(mirror_domain(mirror))):
        here = title_of(mirror_domain(mirror))
        raise _chain(f"{here} has the mirror {next_one} itself", "name that one here, or take it away there")
    users = sorted(other for other, its in mirrors.items() if mirror_domain(its) == domain)
    if mirror and users:
        first = title_of(users[0])
        raise _chain(f"{title_of(domain)} is the mirror of {first}", f"give {first} another one first")
    found["mirror_changed_at"] = timezone.now()
    return found


def _chain(reason: str, remedy: str) -> Invalid:
    return Invalid("mirror", "InvalidOption", f"mirror: {reason}, and mirrors are not followed; {remedy}.")


def registry_act(row: Registry, action: str, *, actor: Actor | None) -> Registry:
    """Activate, deactivate, remove, purge or restore it; its credentials are removed with it."""
    used = ServerAddressUsed(RegistryAddress(row.server_address, row.domain))
    with transaction.atomic(), unique_or(used, *ADDRESS_ONCE):
        request_change(row, action, actor=actor)
        if action == "remove":
            for credential in RegistryCredential.all_objects.filter(registry=row, desired__in=PRESENT):
                _deactivate_and_remove(credential, actor)
    return row


def _deactivate_and_remove(row: Registry | RegistryCredential, actor: Actor | None) -> None:
    """Remove what goes with something else, in whatever state it is."""
    if row.LIFECYCLE.allows("deactivate", row.display_state):
        request_change(row, "deactivate", actor=actor)
    cleared = {"secret_value": ""} if isinstance(row, RegistryCredential) else {}
    request_change(row, "remove", actor=actor, changes=cleared)


def registry_add(
    *,
    actor: Actor,
    environment: Environment,
    server_address: str,
    public_value: str = "",
    secret_value: str = "",
    email: str = "",
    mirror: str = "",
    name: str = "",
) -> Registry:
    """A registry with its credential if one is given, both or neither."""
    account = {"public_value": public_value, "secret_value": secret_value, "email": email}
    with transaction.atomic():
        row = registry_create(
            actor=actor, environment=environment, server_address=server_address, mirror=mirror, name=name
        )
        if public_value or secret_value:
            registry_credential_create(actor=actor, registry=row, **account)
    return row


def registry_credential_create(
    *,
    actor: Actor,
    registry: Registry,
    public_value: str = "",
    secret_value: str = "",
    email: str = "",
    name: str = "",
    description: str = "",
) -> RegistryCredential:
    """A new credential of a registry; the one that was active until now is deactivated.

    Raises `Invalid`, `Forbidden`, `Conflict` when somebody else adds one at the same moment.
    """
    if registry.removal_requested:
        raise Invalid("registryId", "InvalidReference", f"registryId: {registry} is deleted; restore it first.")
    account = check_account({"public_value": public_value, "secret_value": secret_value, "email": email})
    texts = {"name": name, "description": description}
    row = RegistryCredential(environment=registry.environment, registry=registry, **account, **texts)
    request = {"serverAddress": registry.server_address, **describe_account(account), **texts}
    with transaction.atomic(), unique_or(_changed_at_once(registry), *ACTIVE_ONCE):
        _deactivate_others(registry, actor)
        create(row, actor=actor, request=request)
    return row


def _changed_at_once(registry: Registry) -> Conflict:
    return Conflict(f"Somebody else changed the credential of {registry} just now; look again and retry.")


def _deactivate_others(registry: Registry, actor: Actor, but: RegistryCredential | None = None) -> None:
    active = RegistryCredential.all_objects.filter(registry=registry, desired="active")
    for other in active.exclude(pk=but.pk if but else None):
        request_change(other, "deactivate", actor=actor)


def check_account(account: Mapping[str, object]) -> dict[str, str]:
    """The checked columns of an account at a registry. Raises `Invalid` at the wire's name."""
    found = {name: str(_CHECKS[name](WIRE_NAMES[name], value)) for name, value in account.items()}
    for name in ("public_value", "secret_value"):
        if any(letter in found.get(name, "") for letter in "\r\n"):
            raise Invalid(
                WIRE_NAMES[name], "InvalidCharacters", f"{WIRE_NAMES[name]} is one line; remove the line breaks."
            )
    if ":" in found.get("public_value", ""):
        # Registries are sent `user:password`, and cut it at the first colon.
        raise Invalid("publicValue", "InvalidCharacters", "publicValue: a user's name at a registry has no colon.")
    return found


def describe_account(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What was requested, by the wire's names, for the audit log; which blanks the secret."""
    hidden = {"changed_at", "mirror_changed_at"}
    return {WIRE_NAMES.get(name, name): value for name, value in columns.items() if name not in hidden}


def account_changes(row: RegistryCredential | SharedRegistry, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The checked columns to change; an empty secret keeps the one that is there.

    Raises `StaleEdit` here and not in `request_change`, whose refusal names each value that differs: a secret must not
    be among them.
    """
    account = {name: value for name, value in changes.items() if name in WIRE_NAMES}
    if not account.get("secret_value"):
        account.pop("secret_value", None)
    checked = check_account(account)
    hidden = {"secret_value", "mirror_changed_at"}
    require_current(row, {name: value for name, value in {**changes, **checked}.items() if name not in hidden})
    row.based_on = None
    others = {name: value for name, value in changes.items() if name not in WIRE_NAMES}
    return {**others, **checked, **({"changed_at": timezone.now()} if checked else {})}


def registry_credential_update(row: RegistryCredential, *, actor: Actor, **changes: Any) -> RegistryCredential:
    """Change account, password, e-mail address, name or description; the next pull uses it."""
    columns = account_changes(row, changes)
    request_change(row, "update", actor=actor, changes=columns, request=describe_account(columns))
    return row


def registry_credential_act(row: RegistryCredential, action: str, *, actor: Actor) -> RegistryCredential:
    """Activate (the registry's other one is deactivated), deactivate, remove or purge it."""
    changes: dict[str, Any] = {}
    if action == "remove":
        changes = {"secret_value": ""}
    if action == "activate":
        changes = {"changed_at": timezone.now()}
        if row.registry.removal_requested:
            raise Invalid("action", "InvalidAction", f"{row.registry} is deleted; restore it first.")
    with transaction.atomic(), unique_or(_changed_at_once(row.registry), *ACTIVE_ONCE):
        if action == "activate":
            _deactivate_others(row.registry, actor, but=row)
        request_change(row, action, actor=actor, changes=changes)
    return row


def remove_environment_registries(environment_id: int) -> int:
    """Request the removal of every registry of an environment that is being removed; return how many are left."""
    left = 0
    for model in (RegistryCredential, Registry):
        for row in model.all_objects.filter(environment=environment_id).exclude(state__in=("removed", "purged")):
            left += 1
            if not row.removal_requested:
                _deactivate_and_remove(row, None)
    return left


def registry_edit(row: Registry, *, actor: Actor, **changes: str) -> Registry:
    """Change a registry and its account in one go; a registry without an account gets one. Raises as both updates."""
    named = {name: value for name, value in changes.items() if name not in WIRE_NAMES}
    account = {name: value for name, value in changes.items() if name in WIRE_NAMES}
    credential = RegistryCredential.all_objects.filter(registry=row, desired="active").first()
    with transaction.atomic():
        if account and credential is not None:
            if row.based_on is not None:  # of the form, which shows both as one
                credential.based_on = BasedOn(None, row.based_on.values)
            registry_credential_update(credential, actor=actor, **account)
        elif account:
            registry_credential_create(actor=actor, registry=row, **account)
        if named:
            registry_update(row, actor=actor, **named)
    return row
