"""Changes to hosts and registration tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.control.services import create, request_change
from apps.core.errors import Forbidden, Invalid
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.engine_ownership import ENGINE_NAMELESS, ENGINE_TAKEN, owner_of
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.probe import probe_engine
from apps.hosts.system_container.switch import check_switch, initial_switch
from apps.hosts.validation import (
    REMOTE_SCHEMES,
    add_user,
    validate_credentials,
    validate_url,
)


def _check_labels(labels: Any) -> dict[str, str]:
    if not isinstance(labels, Mapping) or not all(isinstance(v, str) for v in labels.values()):
        raise Invalid("labels", "InvalidFormat", "Labels are a map of texts to texts.")
    return {str(k): v for k, v in labels.items()}


_MIB = 1024 * 1024
_LIMITS = {
    "memory_limit": ("memory", 4 * _MIB, 2**50),
    "milli_cpu_limit": ("milliCpu", 1, 10**6),
}


def _check_limit(field: str, value: Any, low: int, high: int) -> int | None:
    if value in {None, 0}:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field, "InvalidFormat", f"{field} is a whole number.")
    if value < low:
        raise Invalid(field, "MinLimitExceeded", f"{field} is at least {low}; leave it out to allow the whole host.")
    if value > high:
        raise Invalid(field, "MaxLimitExceeded", f"{field} is at most {high}.")
    return value


def host_create(
    *,
    actor: Actor | None,
    environment: Environment,
    url: str,
    name: str = "",
    description: str = "",
    labels: Mapping[str, str] | None = None,
    tls: Mapping[str, str] | None = None,
    address: str = "",
    system_container: bool | None = None,
    probe: bool = True,
) -> Host:
    """A new host behind an engine endpoint; tried before it is saved when `probe`.

    `tls` holds what opens the engine: ca, cert and key as PEM, or host_key, private_key and password for SSH, where
    the `user` may be given apart from the address. Remote engines get a `system_container` unless it is said otherwise.
    Local sockets are root on the portal's own machine: only administrators (or the portal itself) may add them.
    Raises `Invalid`, `Forbidden`.
    """
    credentials = dict(tls or {})
    checked = add_user(validate_url(url), credentials.pop("user", ""))
    _require_remote_or_admin(checked, actor)
    row = Host(
        environment=environment,
        name=name,
        description=description,
        url=checked,
        tls=validate_credentials(checked, credentials),
        labels=_check_labels(labels or {}),
        address=address,
        system_container=initial_switch(checked, wanted=system_container),
        desired="active",
    )
    if probe:
        _probe(row, actor)
    _create_unless_taken(row, actor, {"url": checked, "name": name, "labels": dict(labels or {})})
    return row


def _require_remote_or_admin(url: str, actor: Actor | None) -> None:
    if actor is not None and urlsplit(url).scheme not in REMOTE_SCHEMES and not actor.is_admin:
        raise Forbidden(
            "Only administrators may add an engine of the portal's own machine; use tcp:// with TLS or ssh://."
        )


def _create_unless_taken(row: Host, actor: Actor | None, request: Mapping[str, Any]) -> None:
    try:
        create(row, actor=actor, request=request)
    except IntegrityError:  # somebody else added the same engine since it was probed
        _require_free(row)
        raise


def _probe(row: Host, actor: Actor | None) -> None:
    """Refuse before anything is saved, but let nobody without the permission scan what answers where."""
    if actor is not None and not can(actor, "hosts", row.environment_id):
        raise Forbidden(can(actor, "hosts", row.environment_id).reason)
    info = probe_engine(row, detailed=actor is None or actor.is_admin)
    row.name = row.name or info.name
    if not info.engine_id:
        raise Invalid("url", "InvalidReference", ENGINE_NAMELESS)
    row.engine_id = info.engine_id
    _require_free(row)


def _require_free(row: Host) -> None:
    """Raise `Invalid` when the engine belongs to another host; whose it is only its own environment learns."""
    owner = owner_of(row.engine_id)
    if owner is None:
        return
    if owner.environment_id == row.environment_id:
        going = " and is being removed; try again when it is gone" if owner.removal_requested else ""
        raise Invalid("url", "NotUnique", f"This engine is already here as the host {owner.name!r}{going}.")
    raise Invalid("url", "NotUnique", ENGINE_TAKEN)


def host_update(row: Host, *, actor: Actor, **changes: Any) -> Host:
    """Change a host's name, description, labels or address, its system container, or how much containers may reserve.

    `system_container` says whether the portal keeps one there. A limit of None or 0 takes the limit away: then it is
    what the engine reports.
    """
    allowed = {k: v for k, v in changes.items() if k in {"name", "description", "labels", "address"} and v is not None}
    for column, (field, low, high) in _LIMITS.items():
        if column in changes:
            allowed[column] = _check_limit(field, changes[column], low, high)
    if (wanted := changes.get("system_container")) is not None:
        allowed["system_container"] = check_switch(row, wanted, actor=actor)
    if "labels" in allowed:
        allowed["labels"] = _check_labels(allowed["labels"])
    request_change(row, "update", actor=actor, changes=allowed, request=allowed)
    return row


def host_act(row: Host, action: str, *, actor: Actor) -> Host:
    """Activate, deactivate (no new containers), evacuate, remove or purge a host; a drain that was going on ends."""
    if action == "evacuate":
        return host_drain(row, actor=actor)
    request_change(row, action, actor=actor, changes={"drain": {}} if action in {"activate", "deactivate"} else {})
    return row


def host_drain(row: Host, *, actor: Actor, stop_standalone: bool = False) -> Host:
    """Move the containers of services to other hosts, each once its replacement runs.

    No new ones come. Standalone containers stay as they are, or are stopped; the portal's and the agent's own never
    are. Activating or deactivating the host ends it at any time: what has moved stays where it is.
    """
    drain_request = {"asked": timezone.now().isoformat(), "stopStandalone": stop_standalone}
    request_change(
        row, "evacuate", actor=actor, changes={"drain": drain_request}, request={"stopStandalone": stop_standalone}
    )
    return row


def token_create(*, actor: Actor, environment: Environment) -> RegistrationToken:
    """A new registration token of an environment."""
    row = RegistrationToken(
        environment=environment,
        **_token_values(),
        desired="active",
    )
    create(row, actor=actor, request={})
    return row


def token_rotate(row: RegistrationToken, *, actor: Actor) -> RegistrationToken:
    """Give a token new values: commands made from the old ones stop working, hosts that registered with it stay."""
    request_change(row, "update", actor=actor, changes=_token_values(), request={"rotated": True})
    return row


def token_act(row: RegistrationToken, action: str, *, actor: Actor) -> RegistrationToken:
    """Activate, deactivate (no more hosts), remove or purge a token."""
    request_change(row, action, actor=actor)
    return row


def _token_values() -> dict[str, str]:
    return {"public_value": secrets.token_hex(10).upper(), "secret_value": secrets.token_urlsafe(32)}


def token_ensure(*, actor: Actor, environment: Environment) -> None:
    """Create the environment's registration token when the first actor with the permission lists them."""
    tokens = RegistrationToken.all_objects.filter(environment=environment, removed=None)
    if tokens.exists() or not can(actor, "hosts", environment.pk):
        return
    with transaction.atomic():
        # Of two that list them at once, one makes it.
        Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
        if not tokens.all().exists():
            token_create(actor=actor, environment=environment)


def remove_environment_hosts(environment_id: int) -> int:
    """Request the removal of every host of an environment that is being removed; return how many are left."""
    left = 0
    for row in Host.all_objects.filter(environment=environment_id).exclude(state__in=("removed", "purged")):
        left += 1
        if row.removal_requested:
            continue
        if row.display_state not in row.LIFECYCLE.transitions["remove"].start:
            request_change(row, "deactivate", actor=None) if row.desired == "active" else None
        else:
            request_change(row, "remove", actor=None)
    return left
