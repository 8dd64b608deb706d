"""Bringing a service back to one of its revisions: looked at first, then done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.containers.deployment_units import current_members
from apps.containers.models import Container
from apps.core.errors import Forbidden, Invalid, Problem
from apps.environments.access import can, verdict
from apps.environments.actor import Actor
from apps.stacks.balancer.revisions import changes_between, columns_in_place, return_in_place
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.plan import REMOVED_STATES
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.replaced_members import ReplacedMembers, replaced_members
from apps.stacks.revision_diff import FieldChange
from apps.stacks.revision_links import links_of_revision, selector_of_revision
from apps.stacks.revisions import check_note, find_revision, next_number, note_return, shown_unit, verdict_of
from apps.stacks.rollout import revision_of
from apps.stacks.sidekick_changes import check_new_names, sidekicks_of_next
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.stack_plan import UPGRADE, What
from apps.stacks.upgrade_services import PreparedUpgrade, prepare_upgrade, write_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy


@dataclass(frozen=True, slots=True)
class ReturnDraft:
    """What a return to `revision` would do to the service.

    `what` is `upgrade` where containers are made anew, `update` where it changes in place, `unchanged` where it is what
    the revision says. `replaced` is what becomes of the members of each unit, `containers` are the names of those that
    are made anew or go, both empty unless it is an upgrade. `problem` is why it is not possible now, `warnings` what
    would wait. `differences` have links and rules in them, and no secrets.
    """

    row: Service
    revision: ServiceRevision
    what: What
    differences: tuple[FieldChange, ...] = ()
    replaced: ReplacedMembers | None = None
    containers: tuple[str, ...] = ()
    upgrade: PreparedUpgrade | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def has_sidekicks(self) -> bool:
        """Whether it has sidekicks now or then, so that new containers cannot start before the old ones stop."""
        return bool(self.row.secondary or self.revision.secondary)

    @property
    def starts(self) -> bool:
        """Whether a service that is stopped now is started by it."""
        return self.what == UPGRADE and self.row.desired != "active"


def service_return_to(row: Service, number: int, *, actor: Actor, strategy: UpgradeStrategy, note: str = "") -> Service:
    """Upgrade the service to what its revision `number` was, as a new revision; also long after that one was replaced.

    Of a unit only the containers are replaced whose configuration was another one. Raises `Invalid` (no such revision,
    nothing would change, host policy of today), `Forbidden`, `ActionNotAvailable`.
    """
    found = find_revision(row, number)
    note = note.strip() or f"Back to revision {number}"
    with transaction.atomic():
        if _needs_upgrade(row, found):
            columns = {**selector_of_revision(found), **verdict_of(found)}
            write_upgrade(row, _prepare(row, found, strategy), actor=actor, note=check_note(note), columns=columns)
            links_of_revision(row, found)
            note_return(row, number)
        elif not return_in_place(row, found, actor, note):
            raise Invalid("revision", "InvalidOption", f"{row.name} is what revision {number} says already.")
    return row


def preview_service_return(row: Service, number: int, *, actor: Actor, strategy: UpgradeStrategy) -> ReturnDraft:
    """What `service_return_to` would do, and what stands in its way; nothing is changed.

    Raises `Forbidden`, `Invalid` (no such revision).
    """
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    found = find_revision(row, number)
    differences = changes_between(row, found)
    if not _needs_upgrade(row, found):
        if not columns_in_place(row, found):
            return ReturnDraft(row, found, "unchanged")
        return ReturnDraft(row, found, "update", differences, problem=verdict(actor, "update", row).reason)
    with_primary = not _has_same_primary(row, found)
    replaced = replaced_members(row.name, shown_unit(row), shown_unit(found), with_primary=with_primary)
    problem, prepared = verdict(actor, "upgrade", row).reason, None
    try:
        with transaction.atomic():
            prepared = _prepare(row, found, strategy)
            check_new_names(row, prepared.sidekicks)
    except Problem as refusal:
        problem = problem or refusal.message
    shortage = _port_shortage(row, prepared) if prepared is not None else ""
    return ReturnDraft(
        row,
        found,
        "upgrade",
        differences,
        replaced,
        _containers_made_anew(row, replaced),
        prepared,
        problem,
        (shortage,) if shortage else (),
    )


def _needs_upgrade(row: Service, found: ServiceRevision) -> bool:
    """Whether any container is another one then."""
    now, then = ([(each.name, each.config) for each in revision.sidekicks] for revision in (row, found))
    return not _has_same_primary(row, found) or now != then


def _has_same_primary(row: Service, found: ServiceRevision) -> bool:
    return (found.config, found.image_pins) == (row.config, row.image_pins)


def _prepare(row: Service, found: ServiceRevision, strategy: UpgradeStrategy) -> PreparedUpgrade:
    """The upgrade to what the revision was, checked. Raises `Invalid`."""
    number = next_number(row)
    is_first_unit = bool(found.sidekicks) and not row.secondary  # its containers are in no units yet
    config = found.config if is_first_unit or not _has_same_primary(row, found) else None
    return prepare_upgrade(
        row,
        number,
        config=config,
        sidekicks=sidekicks_of_next(row, found.sidekicks, number, is_whole=True),
        strategy=strategy,
        balancer=BalancerSettings.from_json(found.balancer) if found.balancer else None,
        pins=found.image_pins,
    )


def _containers_made_anew(row: Service, replaced: ReplacedMembers) -> tuple[str, ...]:
    """The containers of the service that are not kept as they are, by name: each primary one before its sidekicks."""
    slots = Slot.objects.filter(service=row, container__isnull=False).select_related("container").order_by("number")
    primaries = [slot.container for slot in slots if slot.container is not None]
    leaving = {*replaced.changed, *replaced.following, *replaced.removed}
    beside = _sidekicks_of(primaries, {each.name for each in row.sidekicks}) if leaving else {}
    names: list[str] = []
    for each in primaries:
        if replaced.primary or revision_of(each) != row.current_version:
            names.append(each.name)
        names += [mate.name for mate in beside.get(each.deployment_unit, ()) if mate.launch_name in leaving]
    return tuple(names)


def _sidekicks_of(primaries: Iterable[Container], names: Collection[str]) -> Mapping[str, Sequence[Container]]:
    """The current sidekicks beside these containers, by their deployment units, in one query.

    `names` are those of the service now: what else is stopped is kept for a rollback, like older ones of a name.
    """
    found: dict[str, list[Container]] = defaultdict(list)
    units = {each.deployment_unit for each in primaries if each.deployment_unit}
    rows = Container.all_objects.filter(deployment_unit__in=units, removed=None).exclude(desired__in=REMOVED_STATES)
    for mate in rows.exclude(launch_name__in=("", PRIMARY)) if units else ():
        if mate.launch_name in names or mate.desired != "stopped":
            found[mate.deployment_unit].append(mate)
    return {unit: sorted(current_members(mates).values(), key=lambda each: each.name) for unit, mates in found.items()}


def _port_shortage(row: Service, prepared: PreparedUpgrade) -> str:
    """Which host ports its containers would wait for."""
    then = copy(row)
    changed: Mapping[str, Any] = {name: prepared.spec[name] for name in ("spec", "image", "secondary", "balancer")}
    for name, value in changed.items():
        setattr(then, name, value)
    then.desired = "active"
    return service_port_shortage(then, before=row)
