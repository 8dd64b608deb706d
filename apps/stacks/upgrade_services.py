"""Upgrading a service: to another launch configuration, back again, or no further (v1 contract, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from apps.containers.launch.config import LaunchConfig
from apps.control.kinds import DEADLINE
from apps.control.models import Operation
from apps.control.services import request_change
from apps.core.errors import ActionNotAvailable, Conflict, Invalid
from apps.environments.actor import Actor
from apps.stacks.balancer.services import next_balancer
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.handover_services import handover_columns, links_back
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.new_services import check_launchable, check_scale_policy, check_unit_fits
from apps.stacks.revision_links import keep_links, links_of_revision, selector_of_revision
from apps.stacks.revisions import (
    check_note,
    columns_as_of,
    columns_of,
    keep_verdict,
    next_number,
    save_revision,
    verdict_of,
)
from apps.stacks.scheduled_services import check_schedulable
from apps.stacks.service_options import NO_IMAGE, is_without_image
from apps.stacks.sidekick_changes import check_new_names, sidekicks_of_next
from apps.stacks.sidekicks import Sidekick, check_unit, names_of, with_label
from apps.stacks.stack_history import StackRevision
from apps.stacks.start_first import check_start_first
from apps.stacks.updates.pins import kept_pins
from apps.stacks.upgrade import CANCELED, CANCELED_ROLLBACK, ROLLING_BACK, UPGRADING
from apps.stacks.upgrade_in_place import is_unfinished
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.settings import MOST_WINDOWS, VerdictSettings, parse_verdict

HANDOVER_DEADLINE = 24 * 3600.0  # it waits for the containers of every batch, and for the pauses between them

PHASES = {
    "cancelupgrade": CANCELED,
    "cancelrollback": CANCELED_ROLLBACK,
    "rollback": ROLLING_BACK,
    "finishupgrade": "",
}


_KEPT = frozenset({"verdict_settings"})  # what is said along with a rollback counts, not what it was at the time


@dataclass(frozen=True, slots=True)
class PreparedUpgrade:
    """An upgrade that was checked: the columns of the next revision, and how it goes on."""

    number: int
    spec: Mapping[str, Any]
    sidekicks: tuple[Sidekick, ...]
    settings: Mapping[str, Any]
    request: Mapping[str, Any]
    keeps_verdict: bool = False


def service_upgrade(
    row: Service,
    *,
    actor: Actor,
    config: LaunchConfig | None,
    strategy: UpgradeStrategy,
    at: str = "launchConfig.",
    sidekicks: Sequence[Sidekick] = (),
    note: str = "",
    is_whole: bool = False,
    balancer: BalancerSettings | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Service:
    """Have the service's containers replaced, in batches, by ones of `config`; the old ones are kept until `finish`.

    `sidekicks` are those that change, or with `is_whole` all that there are to be: others are removed, and new ones
    added to each unit. Without a `config` the primary containers stay, unless these are the service's first sidekicks:
    its containers are in no units yet. `balancer` are the settings that come with it, and `columns` those of the
    service that change along, such as the digests that images are held to; else those that stay keep theirs.
    The configurations are a new revision at once. Raises `Invalid` (what `check_launchable`
    refuses, a name that is taken, an order that the host ports leave no room for), `Forbidden`, `ActionNotAvailable`,
    `Conflict`.
    """
    number, note = next_number(row), check_note(note)
    config = row.config if config is None and is_whole and sidekicks and not row.secondary else config
    pins = (columns or {}).get("image_pins")
    all_sidekicks = sidekicks_of_next(row, sidekicks, number, is_whole=is_whole)
    prepared = prepare_upgrade(
        row, number, config=config, sidekicks=all_sidekicks, strategy=strategy, at=at, balancer=balancer, pins=pins
    )
    write_upgrade(row, prepared, actor=actor, note=note, columns=columns)
    return row


def prepare_upgrade(
    row: Service,
    number: int,
    *,
    config: LaunchConfig | None,
    sidekicks: Sequence[Sidekick],
    strategy: UpgradeStrategy,
    at: str = "launchConfig.",
    balancer: BalancerSettings | None = None,
    pins: Mapping[str, str] | None = None,
    retains_addresses: bool | None = None,
) -> PreparedUpgrade:
    """Check an upgrade to revision `number`; `sidekicks` are all that the service has then. Raises `Invalid`.

    `retains_addresses` is what the service does after the upgrade; None is what it does now.
    """
    config = next_balancer(row, config, balancer) if config is not None else None
    primary, stored = _next_configs(row, config, sidekicks, number, at)
    if strategy.start_first:
        keeps = bool(row.address_settings.get("retainIp")) if retains_addresses is None else retains_addresses
        check_start_first(row, primary, stored, retains_addresses=keeps)
    spec = _spec_of(primary, stored, None if config is not None else row.current_version)
    spec["balancer"] = balancer.to_json() if balancer is not None else row.balancer
    configs = [primary, *(each.config for each in stored)]
    spec["image_pins"] = dict(pins) if pins is not None else kept_pins(row.image_pins, configs)
    settings = strategy.to_json() | _how_judged(row, strategy)
    request = {**settings, "revision": number, **_described(primary, stored)}
    return PreparedUpgrade(number, spec, stored, settings, request, strategy.keeps_verdict)


def write_upgrade(
    row: Service,
    prepared: PreparedUpgrade,
    *,
    actor: Actor,
    note: str = "",
    columns: Mapping[str, Any] | None = None,
    parent: Operation | None = None,
    stack_revision: StackRevision | None = None,
) -> None:
    """Request a prepared upgrade, with other desired `columns` that change along, maybe as a part of its stack's."""
    if row.upgrade_target_id is not None and row.upgrade_phase:
        why = f"{row.name} is handing over to another service: cancel that, and take it back or finish it, first."
        raise ActionNotAvailable(why, field="action")
    numbers = {"revision": prepared.number, "previous_revision": way_back_of(row)}
    changes = {**(columns or {}), **prepared.spec, **numbers, **_upgrade_columns(prepared), "upgrade_target": None}
    with _no_other_upgrade(row), transaction.atomic():
        check_new_names(row, prepared.sidekicks)
        save_revision(row, row.revision, columns_of(row), None)
        keep_links(row)
        keep_verdict(row)
        save_revision(row, prepared.number, prepared.spec, actor, note, stack_revision)
        request_change(row, "upgrade", actor=actor, changes=changes, request=prepared.request, parent=parent)
        _begin_observation(row)


def way_back_of(row: Service) -> int:
    """The revision that a rollback of the next upgrade leads to: one that replaces an unfinished upgrade keeps its."""
    return row.previous_revision or row.revision if is_unfinished(row) else row.revision


def _spec_of(primary: LaunchConfig, sidekicks: Sequence[Sidekick], primary_version: int | None) -> dict[str, Any]:
    """The columns that a service and its revision have of them."""
    return {
        "spec": primary.to_json(),
        "image": primary.image[:512],
        "secondary": [each.to_json() for each in sidekicks],
        "primary_version": primary_version,
    }


def _described(primary: LaunchConfig, sidekicks: Sequence[Sidekick]) -> dict[str, Any]:
    """What the containers are to become, for the operation and the audit log."""
    secondary = {each.name: each.config.to_json() for each in sidekicks}
    return {"launchConfig": primary.to_json(), "secondaryLaunchConfigs": secondary}


def _how_judged(row: Service, strategy: UpgradeStrategy) -> dict[str, Any]:
    """What the upgrade keeps of how it is judged; empty where it is not. Raises `Invalid`."""
    found = VerdictSettings.from_json(row.verdict_settings)
    if strategy.verdict is not None:
        found = parse_verdict(strategy.verdict)
    return {"verdict": found.to_json()} if found else {}


def _upgrade_columns(prepared: PreparedUpgrade) -> dict[str, Any]:
    kept = {"verdict_settings": prepared.settings.get("verdict", {})} if prepared.keeps_verdict else {}
    names = names_of(prepared.sidekicks)
    return {"upgrade": {"phase": UPGRADING, **prepared.settings}, "sidekick_names": names, **kept}


def _begin_observation(row: Service) -> None:
    if row.upgrade.get("verdict"):
        UpgradeObservation.objects.create(service=row, revision=row.revision, settings=row.upgrade["verdict"])


def _next_configs(
    row: Service, config: LaunchConfig | None, sidekicks: Sequence[Sidekick], number: int, at: str
) -> tuple[LaunchConfig, tuple[Sidekick, ...]]:
    """The configurations of the next revision, checked as those of a new service are."""
    wanted = config or row.config
    if {each.name for each in sidekicks} != {each.name for each in row.sidekicks}:
        wanted = with_label(wanted, [each.name for each in sidekicks])
    primary, stored = check_unit(row.name, wanted, sidekicks)
    upgraded = _upgraded(row, primary, stored)
    if config is None and stored == row.sidekicks:
        raise Invalid(at.removesuffix("."), "InvalidOption", "Nothing is to be upgraded: all is as it was.")
    if config is not None and is_without_image(config.image) and row.has_containers:
        reason = f"{NO_IMAGE} stands for no containers; stop or remove the service instead."
        raise Invalid(f"{at}imageUuid", "InvalidOption", reason)
    if config is not None:
        check_launchable(upgraded, primary, at=at, subject=row.name)
        check_scale_policy(row.scale_policy or None, primary)
    check_schedulable(upgraded)
    for each in stored:
        if each.version == number:
            field = f"secondaryLaunchConfigs.{each.name}."
            check_launchable(upgraded, each.config, at=field, subject=f"{row.name}, {each.name}")
    check_unit_fits(upgraded)
    return primary, stored


def _upgraded(row: Service, config: LaunchConfig, sidekicks: Sequence[Sidekick]) -> Service:
    """A copy of the service, not to be saved, as it would be."""
    upgraded = copy(row)
    upgraded.spec, upgraded.secondary = config.to_json(), [each.to_json() for each in sidekicks]
    return upgraded


def service_upgrade_step(
    row: Service,
    action: str,
    *,
    actor: Actor,
    reason: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    parent: Operation | None = None,
    stack_revision: StackRevision | None = None,
) -> Service:
    """Finish, cancel or roll back the upgrade, or cancel the rollback (`finishupgrade`, `cancelupgrade`, ...).

    A rollback is a new revision, which says the same as the one of before. `reason` goes into the audit log; other
    desired `columns` may change along. Raises `Invalid`, `Forbidden`, `ActionNotAvailable`, `Conflict`.
    """
    upgrade = {"upgrade": {**row.upgrade, "phase": PHASES[action]}}
    changes: dict[str, Any] = {**(columns or {}), **upgrade, **handover_columns(row, action)}
    request, before, number = dict(reason or {}), None, next_number(row)
    if action == "rollback" and row.upgrade_target_id is None:
        before = ServiceRevision.objects.filter(service=row, number=row.previous_revision or 0).first()
        if before is None:
            raise Invalid("action", "InvalidState", "There is no revision to roll back to.")
        changes |= {
            **_columns_of_rollback(row, before, number),
            **{name: changes[name] for name in _KEPT & changes.keys()},
        }
        request |= {"revision": number, "rolledBackTo": before.number}
    with _no_other_upgrade(row), transaction.atomic():
        if before is not None:
            keep_links(row)
            keep_verdict(row)
            note = f"Rolled back to revision {before.number}"
            columns = columns_as_of(before)
            save_revision(row, number, columns, actor, note, stack_revision, returns_to=before.number)
        request_change(row, action, actor=actor, changes=changes, request=request, parent=parent)
        links_back(row)
        if before is not None:
            links_of_revision(row, before)
    return row


def _columns_of_rollback(row: Service, before: ServiceRevision, number: int) -> dict[str, Any]:
    """The columns of the service at its revision `number`, which says the same as the one `before` the upgrade."""
    return {
        **columns_as_of(before),
        **selector_of_revision(before),
        **verdict_of(before),
        "sidekick_names": names_of(before.sidekicks),
        "revision": number,
        "previous_revision": row.revision,
    }


@contextmanager
def _no_other_upgrade(row: Service) -> Iterator[None]:
    """Raise `Conflict` where somebody else's upgrade took the number of the revision in the same moment."""
    try:
        yield
    except IntegrityError:
        raise Conflict(f"{row.name} was upgraded by somebody else just now; look again and retry.") from None


def upgrade_deadline(request: Mapping[str, Any]) -> float:
    """How many seconds an upgrade may take: one that is judged is held until its first batch has proved itself."""
    if "toServiceStrategy" in request:
        return HANDOVER_DEADLINE
    minutes: int = request.get("verdict", {}).get("minutes", 0)
    return DEADLINE + 60.0 * minutes * (MOST_WINDOWS + 1)
