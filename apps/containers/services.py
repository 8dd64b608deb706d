"""Changes to containers and pulls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.containers.images.inventory import take_inventory
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.unsupported import check_supported
from apps.containers.launch.values import fixed_ports
from apps.containers.managed_network import check_requested_address, reserve_requested_address
from apps.containers.models import Container, Pull
from apps.containers.policy.enforce import enforce_current_policy, enforce_policy
from apps.containers.reservations import check_reservations
from apps.control.models import Operation
from apps.control.services import create, record, request_change
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from apps.core.ids import row_number
from apps.core.unique import unique_or
from apps.drivers.base import EngineError, EngineNotFound
from apps.environments.access import can
from apps.environments.actor import SYSTEM, Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")


def check_name(name: Any) -> str:
    """A container's name: what engines accept (2 to 128 characters).

    Several may have one name, as in v1: on an engine where it is taken the name gets a piece of the row's uuid.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Invalid(
            "name",
            "InvalidCharacters",
            "A name has 2 to 128 letters, digits, '-', '_' and '.', a letter or digit first.",
        )
    return name


def build_container(
    *, environment: Environment, config: LaunchConfig, name: str, description: str = "", **columns: Any
) -> Container:
    """An unsaved row for `config`; `columns` are further desired columns of the model."""
    return Container(
        environment=environment,
        name=name,
        description=description,
        desired="running" if config.start_on_create else "stopped",
        spec=config.to_json(),
        image=config.image[:512],
        network_check=config.health_check.to_wire() if config.health_check else None,
        fixed_ports=sorted(list(port) for port in fixed_ports(config.published)),
        reserved_memory=config.memory_reservation or 0,
        reserved_milli_cpu=config.milli_cpu_reservation or 0,
        **columns,
    )


def container_create(
    *, actor: Actor, environment: Environment, config: LaunchConfig, name: str = "", description: str = ""
) -> Container:
    """A new standalone container. Raises `Invalid` for a bad name and for dangling references."""
    check_supported(config)
    check_references(config, environment.pk)
    check_reservations(config, environment.pk)
    enforce_policy(config, environment.pk)
    row = build_container(
        environment=environment,
        config=config,
        name=check_name(name) if name else "",
        description=description,
        requested_host=requested_host(config, environment.pk),
    )
    row.name = row.name or f"c-{str(row.uuid)[:8]}"
    with transaction.atomic():
        create(row, actor=actor, request={"name": row.name, "launchConfig": config.to_json()})
        reserve_requested_address(row, config)
    return row


def requested_host(config: LaunchConfig, environment_id: int) -> Host | None:
    """The host that the configuration asks for, if it is there."""
    if config.requested_host_id is None:
        return None
    rows = Host.all_objects.filter(environment=environment_id, removed=None)
    found: Host | None = rows.filter(pk=row_number(config.requested_host_id) or 0).first()
    return found


def check_references(config: LaunchConfig, environment_id: int, at: str = "") -> None:
    """Raise `Invalid` unless every host and container that the configuration refers to is here and stays,
    and the address that it asks for can be had.

    `at` is what fields are called in the request (`launchConfig.`).
    """
    named: list[tuple[str, str]] = [("dataVolumesFrom", text) for text in config.data_volumes_from]
    if config.network_container_id:
        named.append(("networkContainerId", config.network_container_id))
    for field, text in named:
        rows = Container.all_objects.filter(environment=environment_id, removed=None, pk=row_number(text) or 0)
        if not rows.exclude(desired__in=("removed", "purged")).exists():
            raise Invalid(at + field, "InvalidReference", f"There is no container {text[:100]!r} here.")
    check_requested_address(config, environment_id, at)
    if config.requested_host_id is not None and requested_host(config, environment_id) is None:
        why = f"There is no host {config.requested_host_id[:100]!r} here."
        raise Invalid(f"{at}requestedHostId", "InvalidReference", why)


def container_act(
    row: Container, action: str, *, actor: Actor, parent: Operation | None = None, timeout: int | None = None
) -> Container:
    """Start, stop, restart, remove or purge a container; `timeout` is the grace of a stop in seconds.

    Raises `Invalid` for a start of one that violates the host policy; what the portal itself requests is refused by
    the loop instead.
    """
    if action in {"start", "restart"} and actor is not SYSTEM:
        enforce_current_policy(row, f"{action}ed")
    changes: dict[str, Any] = {"restart_mark": F("restart_mark") + 1} if action == "restart" else {}
    if action == "start" or (action == "stop" and actor is not SYSTEM):
        # A job that somebody stops has been started once; one that stops with its service goes on with it.
        changes["is_ended_by_stop"] = action == "stop" and row.is_job
    if timeout is not None and action in {"stop", "restart"}:
        changes["spec"] = {**row.spec, "stopTimeout": max(0, min(timeout, 600))}
    request_change(
        row, action, actor=actor, changes=changes, request={"timeout": timeout} if timeout else {}, parent=parent
    )
    return row


def container_update(row: Container, *, actor: Actor, **changes: Any) -> Container:
    """Change a container's name or description."""
    allowed = {k: v for k, v in changes.items() if k in {"name", "description"} and v is not None}
    if allowed.get("name", row.name) != row.name:
        allowed["name"] = check_name(allowed["name"])
    else:
        allowed.pop("name", None)
    request_change(row, "update", actor=actor, changes=allowed, request=allowed)
    return row


def pull_ensure(container: Container, host: Host, image: str) -> Pull:
    """The pull of `image` to `host` for the container's platform, created if there is none."""
    platform = container.config.platform or ""
    rows = Pull.all_objects.filter(host=host, image=image, platform=platform)
    known: Pull | None = rows.first()
    if known is not None:
        return known
    row = Pull(environment=container.environment, host=host, image=image, name=image[:255], desired="pulled")
    row.platform = platform
    try:
        create(row, actor=None, request={"image": image})
    except IntegrityError:  # another container's reconcile requested it in the same moment
        row = rows.get()
    return row


def pull_again(row: Pull) -> None:
    """Pull once more, unless that is in progress or was requested in the same moment."""
    if row.display_state in {"pulled", "error"}:
        with suppress(Conflict):
            request_change(row, "again", actor=None, changes={"source": None})


def pulls_retry(*, actor: Actor, environment_id: int, image: str) -> int:
    """Pull an image again now wherever in the environment it failed; how many pulls that are.

    Raises `Forbidden`, and `NotFound` when no pull of it failed.
    """
    allowed = can(actor, "operate", environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    rows = list(Pull.all_objects.filter(environment=environment_id, image=image, state="error"))
    if not rows:
        raise NotFound(f"No pull of {image[:100]} has failed; it may be on its way already.")
    for row in rows:
        with suppress(Conflict):
            request_change(row, "again", actor=actor, changes={"source": None}, request={"image": image})
    return len(rows)


def image_copy(*, actor: Actor, source: Host, image: str, targets: Sequence[Host]) -> list[Pull]:
    """Have `source` send the image to other hosts of its environment, one after the other; the rows to watch.

    Raises `Forbidden`, and `Invalid` for a host that is the source itself, not here, or already being sent it.
    """
    _require_hosts_permission(actor, source)
    if not image or len(image) > 512:
        raise Invalid("image", "MissingRequired", "Name the image, such as web:1.")
    if not targets:
        raise Invalid("hostIds", "MissingRequired", "Choose the hosts to copy it to.")
    with transaction.atomic():
        return [_request_copy(actor, source, image, host) for host in targets]


def _require_hosts_permission(actor: Actor, host: Host) -> None:
    allowed = can(actor, "hosts", host.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)


def _request_copy(actor: Actor, source: Host, image: str, host: Host) -> Pull:
    if host.environment_id != source.environment_id or host.removed is not None:
        raise Invalid("hostIds", "InvalidReference", "There is no such host here.")
    if host.pk == source.pk:
        raise Invalid("hostIds", "InvalidOption", f"{host} is where the image is.")
    row = Pull.all_objects.filter(host=host, image=image, platform="").first()
    details = {"image": image, "from": str(source), "to": str(host)}
    if row is None:
        row = Pull(environment=source.environment, host=host, image=image, name=image[:255], desired="pulled")
        row.source = source
        with unique_or(_on_its_way(image, host), "containers_pull"):
            create(row, actor=actor, request=details)
    elif row.display_state not in {"pulled", "error"}:
        raise _on_its_way(image, host)
    else:
        request_change(row, "again", actor=actor, changes={"source": source}, request=details)
    return row


def pull_cancel(row: Pull, *, actor: Actor) -> None:
    """Stop a pull or a copy; what the engine has of it stays for the next attempt.

    Raises `Forbidden`, and `ActionNotAvailable` when it is over.
    """
    request_change(row, "cancel", actor=actor, request={"image": row.image, "host": str(row.host)})


def _on_its_way(image: str, host: Host) -> Invalid:
    return Invalid("hostIds", "InvalidOption", f"{image} is on its way to {host} already.")


def image_remove(*, actor: Actor, host: Host, image: str) -> None:
    """Remove an image from a host, now. Raises `Forbidden`, `Conflict` while containers use it, `NotFound`."""
    _require_hosts_permission(actor, host)
    try:
        driver_of(host).remove_image(image)
    except EngineNotFound:
        raise NotFound(f"{host} does not have {image}.") from None
    except EngineError as error:
        raise Conflict(f"{host} keeps {image}: {error}") from None
    record("image.remove", actor=actor, row=host, environment_id=host.environment_id, request={"image": image})
    with suppress(EngineError):  # it is gone; the next scan sees that too
        take_inventory(host)


def remove_host_containers(host: Host) -> int:
    """Request the removal of the containers of a host that is being removed; return how many are left.

    Nothing is touched on the engine, which may be gone: `reconcile` skips it for a removed host.
    """
    return _remove_all(Container.all_objects.filter(host=host, removed=None))


def remove_environment_containers(environment_id: int) -> int:
    """Request the removal of every container that Corral created in an environment; return how many are left.

    Those created outside Corral stay on their engines: their rows go with their host.
    """
    return _remove_all(Container.all_objects.filter(environment=environment_id, removed=None, native=False))


def _remove_all(rows: Iterable[Container]) -> int:
    left = 0
    for row in rows:
        left += 1
        if not row.removal_requested:
            request_change(row, "remove", actor=None)
    return left
