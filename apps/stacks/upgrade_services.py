"""Upgrading a service: to another launch configuration, back again, or no further (v1 contract, section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import fixed_ports
from apps.containers.policy.enforce import enforce_policy
from apps.containers.reservations import check_reservations
from apps.control.services import request_change
from apps.core.errors import Conflict, Invalid
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.service_options import NO_IMAGE, is_without_image
from apps.stacks.upgrade import CANCELED, CANCELED_ROLLBACK, ROLLING_BACK, UPGRADING

MAX_BATCH, MAX_INTERVAL = 1000, 24 * 60 * 60 * 1000
PHASES = {
    "cancelupgrade": CANCELED,
    "cancelrollback": CANCELED_ROLLBACK,
    "rollback": ROLLING_BACK,
    "finishupgrade": "",
}


@dataclass(frozen=True, slots=True)
class UpgradeStrategy:
    """How many containers at a time, how long between two batches, and whether new ones start before old ones stop."""

    batch_size: int = 1
    interval_ms: int = 2000
    start_first: bool = False

    def __post_init__(self) -> None:
        """Check the limits. Raises `Invalid`."""
        for field, value, low, high in (
            ("batchSize", self.batch_size, 1, MAX_BATCH),
            ("intervalMillis", self.interval_ms, 100, MAX_INTERVAL),
        ):
            if isinstance(value, bool) or not isinstance(value, int):
                raise Invalid(field, "InvalidFormat", f"{field} is a whole number.")
            if value < low:
                raise Invalid(field, "MinLimitExceeded", f"{field} is at least {low}.")
            if value > high:
                raise Invalid(field, "MaxLimitExceeded", f"{field} is at most {high}.")


def service_upgrade(
    row: Service, *, actor: Actor, config: LaunchConfig, strategy: UpgradeStrategy, at: str = "launchConfig."
) -> Service:
    """Have the service's containers replaced, in batches, by ones of `config`; the old ones are kept until `finish`.

    The configuration is a new revision of the service at once. Raises `Invalid` (reservation, host policy, an order
    that the host ports leave no room for), `Forbidden`, `ActionNotAvailable`, `Conflict`.
    """
    check_reservations(config, row.environment_id, at=at)
    if is_without_image(config.image) and row.has_containers:
        reason = f"{NO_IMAGE} stands for no containers; stop or remove the service instead."
        raise Invalid(f"{at}imageUuid", "InvalidOption", reason)
    enforce_policy(config, row.environment_id, at=at, subject=row.name)
    if strategy.start_first:
        _require_room(row, config)
    settings = {
        "batchSize": strategy.batch_size,
        "intervalMillis": strategy.interval_ms,
        "startFirst": strategy.start_first,
    }
    try:
        with transaction.atomic():
            number = _next_number(row)
            columns = {
                "spec": config.to_json(),
                "image": config.image[:512],
                "revision": number,
                "previous_revision": row.revision,
                "upgrade": {"phase": UPGRADING, **settings},
            }
            _save_revision(row, row.revision, row.config, None)
            _save_revision(row, number, config, actor)
            request = {**settings, "revision": number, "launchConfig": config.to_json()}
            request_change(row, "upgrade", actor=actor, changes=columns, request=request)
    except IntegrityError:  # two upgrades took the same number in the same moment
        raise Conflict(f"{row.name} was upgraded by somebody else just now; look again and retry.") from None
    return row


def service_upgrade_step(row: Service, action: str, *, actor: Actor) -> Service:
    """Finish, cancel or roll back the upgrade, or cancel the rollback (`finishupgrade`, `cancelupgrade`, ...)."""
    changes: dict[str, Any] = {"upgrade": {**row.upgrade, "phase": PHASES[action]}}
    request = {}
    if action == "rollback":
        before = ServiceRevision.objects.filter(service=row, number=row.previous_revision or 0).first()
        if before is None:
            raise Invalid("action", "InvalidState", "There is no revision to roll back to.")
        changes |= {
            "spec": before.spec,
            "image": before.image,
            "revision": before.number,
            "previous_revision": row.revision,
        }
        request = {"revision": before.number}
    request_change(row, action, actor=actor, changes=changes, request=request)
    return row


def _next_number(row: Service) -> int:
    last = ServiceRevision.objects.filter(service=row).aggregate(last=Max("number"))["last"]
    return max(row.revision, last or 0) + 1


def _save_revision(row: Service, number: int, config: LaunchConfig, actor: Actor | None) -> None:
    """Keep a configuration under its number, unless it is kept already."""
    if ServiceRevision.objects.filter(service=row, number=number).exists():
        return
    times = {} if actor is not None else {"created": row.created}
    ServiceRevision.objects.create(
        service=row,
        number=number,
        spec=config.to_json(),
        image=config.image[:512],
        account=actor.user if actor is not None else None,
        **times,
    )


def _require_room(row: Service, config: LaunchConfig) -> None:
    """Refuse to start the new containers first where their fixed host ports are held by those that they replace."""
    if not fixed_ports(config.published):
        return
    hosts = Host.all_objects.filter(environment=row.environment_id, removed=None, state="active", desired="active")
    if hosts.count() <= row.scale:
        ports = ", ".join(str(port[1]) for port in sorted(fixed_ports(config.published)))
        raise Invalid(
            "startFirst",
            "InvalidOption",
            f"Starting first needs a host where host port {ports} is free, and the {row.scale} containers that are "
            f"replaced hold it on {hosts.count()} hosts: stop the old ones first, or let the engine choose the port.",
        )
