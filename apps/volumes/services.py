"""What people ask of volumes: to make, remove and prune them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.containers.policy.storage import check_volume
from apps.containers.selectors import policy_of
from apps.control.services import create_all, request_change
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden, Invalid
from apps.core.fields import map_text, mapping, text
from apps.core.unique import unique_or
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.volumes.listing import users_of, users_on
from apps.volumes.models import Volume, name_users
from apps.volumes.scope import ENVIRONMENT, RESERVED_LABELS, is_unnamed

MAX_HOSTS = 500
MAX_PRUNED = 1000
NAME_ONCE = ("volume_name_once", "volumes_volume.name")
_name = text(
    low=2,
    high=255,
    pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    hint="it begins with a letter or digit; then letters, digits, _ . and - follow",
)
_driver = text(low=1, high=255, pattern=r"[A-Za-z0-9][A-Za-z0-9_./:-]*", hint="such as local")
_key = text(low=1, high=255)
_pairs = mapping(map_text(4096), _key, 100)


def volumes_create(
    *,
    actor: Actor,
    environment: Environment,
    hosts: Sequence[Host],
    name: str,
    driver: str = "local",
    options: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    description: str = "",
) -> list[Volume]:
    """Make a volume of this name on each of the hosts, all or none of them.

    Raises `Forbidden`, and `Invalid` for names, drivers and options that engines or the host policy refuse, and for a
    name that one of the hosts has already. The values of options may be passwords: the audit log has their names only.
    """
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    columns = _checked_columns(environment, name, driver, options or {}, labels or {})
    _require_hosts(environment, hosts)
    used = _name_used(columns["name"], hosts)
    if used is not None:
        raise used
    columns |= {"description": description, "scope": ENVIRONMENT, "environment": environment}
    rows = [Volume(host=host, **columns) for host in hosts]
    requests = [
        {
            "name": row.name,
            "driver": row.driver,
            "host": str(row.host),
            "driverOpts": sorted(row.options),
            "labels": row.labels,
        }
        for row in rows
    ]
    somebody_else = Conflict(f"Somebody else made a volume {columns['name']} just now; look again and retry.")
    with unique_or(somebody_else, *NAME_ONCE):
        create_all(rows, actor=actor, requests=requests)
    return rows


def _checked_columns(
    environment: Environment, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    columns = {
        "name": _name("name", name),
        "driver": _driver("driver", driver or "local"),
        "options": dict(_pairs("driverOpts", options)),
        "labels": dict(_pairs("labels", labels)),
    }
    reserved = [each for each in columns["labels"] if each.lower().startswith(RESERVED_LABELS)]
    if reserved:
        raise Invalid("labels", "InvalidOption", f"labels: {reserved[0][:80]!r} is Corral's own; take another name.")
    refused = next(iter(check_volume(policy_of(environment.pk), columns["driver"], columns["options"])), "")
    if refused:
        field = "driver" if "driver '" in refused else "driverOpts"
        remedy = "Leave it out, or ask an administrator to allow it (Environment, Host policy)."
        message = f"{field}: the host policy of this environment does not allow it: {refused}. {remedy}"
        raise Invalid(field, "PolicyViolation", message)
    return columns


def _require_hosts(environment: Environment, hosts: Sequence[Host]) -> None:
    if not hosts:
        raise Invalid("hostId", "MissingRequired", "hostId: no host of this environment is meant; add one first.")
    if len(hosts) > MAX_HOSTS:
        raise Invalid("hostId", "MaxLengthExceeded", f"hostId: at most {MAX_HOSTS} hosts at once.")
    for host in hosts:
        if host.environment_id != environment.pk or host.removal_requested:
            raise Invalid("hostId", "InvalidReference", "hostId: it is no host of this environment.")


def _name_used(name: str, hosts: Sequence[Host]) -> Invalid | None:
    rows = Volume.all_objects.filter(host__in=[each.pk for each in hosts], name=name, removed=None)
    used = sorted(str(row.host) for row in rows.select_related("host"))
    if not used:
        return None
    message = f"name: there is a volume {name} on {name_users(used)} already; take another name."
    return Invalid("name", "NotUnique", message)


def volume_act(row: Volume, action: str, *, actor: Actor, users: Sequence[str] | None = None) -> Volume:
    """Remove or purge it. Raises `ActionNotAvailable` naming the containers that use it.

    Whoever removes many says which `users` each has, as those of a host are read together.
    """
    if action == "remove":
        users = list(users_of(row) if users is None else users)
        if users:
            message = f"{row.short_name} is used by {name_users(users)}. Remove what uses it first."
            raise ActionNotAvailable(message, field="action")
        row.users = []  # as they are now: those of the last listing may be gone
    request_change(row, action, actor=actor, request={"name": row.name, "host": str(row.host), "size": row.size})
    return row


def volumes_prune(
    *,
    actor: Actor,
    environment: Environment,
    host: Host | None = None,
    only: Collection[int] | None = None,
    with_named: bool = False,
) -> list[Volume]:
    """Remove the volumes that nothing mounts: those of `only` (keys) if given, else the unnamed ones, or all of them.

    Raises `Forbidden`. One that came into use meanwhile is left, as are those beyond the first thousand.
    """
    allowed = can(actor, "delete", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    rows = unused_volumes(environment.pk, host.pk if host else None)
    chosen = [row for row in rows if (row.pk in only if only is not None else with_named or _is_unnamed(row))]
    removed = []
    users = {row.host_id: users_on(row.host) for row in {each.host_id: each for each in chosen}.values()}
    with transaction.atomic():
        for row in chosen[:MAX_PRUNED]:
            try:
                removed.append(volume_act(row, "remove", actor=actor, users=users[row.host_id].get(row.name, ())))
            except (ActionNotAvailable, Conflict):
                continue
    return removed


def _is_unnamed(row: Volume) -> bool:
    return is_unnamed(row.name, row.labels)


def unused_volumes(environment_id: int, host: int | None = None) -> list[Volume]:
    """The volumes that nothing mounts as of the last listing, the largest first."""
    rows = Volume.all_objects.filter(environment=environment_id, removed=None, state="inactive", desired="inactive")
    found = list((rows.filter(host=host) if host else rows).select_related("host"))
    return sorted((row for row in found if not row.users), key=lambda row: (-(row.size or 0), row.name))
