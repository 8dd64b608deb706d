"""The deployment units of a service as rows: containers built for them, and the plan of their sidekicks carried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from uuid import uuid4

from django.db import models

from apps.containers.deployment_units import current_members
from apps.containers.launch.config import LaunchConfig
from apps.containers.managed_network import waits_for_address
from apps.containers.models import Container
from apps.containers.selectors import is_running
from apps.containers.services import build_container, requested_host
from apps.control.models import Operation
from apps.control.services import create_all
from apps.environments.actor import SYSTEM
from apps.stacks.drain import must_leave_host, unit_of
from apps.stacks.health import Unit, worst_of
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.plan import SlotView
from apps.stacks.readiness import ReadyRule, is_ready
from apps.stacks.rollout import REVISION_LABEL, request_if_allowed, revision_of
from apps.stacks.sidekicks import PRIMARY, Sidekick, creation_order
from apps.stacks.units import MemberView, UnitDemand, UnitPlan, plan_unit
from apps.stacks.updates.pins import with_pin
from apps.stacks.upgrade import PAUSED, ROLLING_BACK, UPGRADING


class ServiceUnits:
    """The sidekicks of a service's units: read once, in one query, and kept up to date while steps are taken."""

    def __init__(self, row: Service) -> None:
        self.row = row
        self.sidekicks = row.sidekicks
        self._is_paused = row.upgrade_phase in PAUSED
        self._versions = {each.name: each.version for each in self.sidekicks}
        self._made: set[str] = set()  # units of slots that are new as well
        self._members: dict[str, list[Container]] = defaultdict(list)
        if self.sidekicks or row.previous_revision:  # only upgrades and rollbacks leave some that are not wanted
            for each in sidekick_containers(row).select_related("host"):
                self.add(each)

    def add(self, container: Container) -> None:
        """Count a new sidekick."""
        self._members[container.deployment_unit].append(container)

    def members_of(self, primary: Container | None) -> list[Container]:
        """The current sidekicks beside a primary container."""
        unit = primary.deployment_unit if primary is not None else ""
        there = [each for each in self._members.get(unit, ()) if unit and not each.removal_requested]
        return list(current_members(each for each in there if not self._is_kept_for_rollback(each)).values())

    def _is_kept_for_rollback(self, container: Container) -> bool:
        """Whether it is stopped, and the service does without it: it serves nothing but a rollback."""
        return container.launch_name not in self._versions and container.desired == "stopped"

    def view(self, view: SlotView, slot: Slot, rule: ReadyRule) -> SlotView:
        """The slot's view with what the plans need to know of its sidekicks."""
        if not (self.sidekicks or self._members):
            return view
        outdated = self._to_be_replaced(slot.container)
        if slot.successor is not None and waits_for_address(slot.successor):
            return replace(view, sidekicks_outdated=bool(outdated), sidekicks_begun=_has_stopped(outdated))
        successors = [each for each in self.members_of(slot.successor) if each.launch_name in self._versions]
        return replace(
            view,
            sidekicks_outdated=bool(outdated),
            sidekicks_begun=_has_stopped(outdated),
            successor_ready=view.successor_ready
            and len(successors) >= len(self.sidekicks)
            and all(self._member_view(each).is_done and is_ready(each, rule) for each in successors),
        )

    def _to_be_replaced(self, primary: Container | None) -> list[Container]:
        """The sidekicks beside a primary container that its turn in an upgrade is about, those left out included."""
        if primary is None or not primary.deployment_unit or self._is_paused:
            return []
        current = [each for each in self.members_of(primary) if each.launch_name in self._versions]
        found = [each for each in current if self._member_view(each).is_outdated]
        for each in self._members.get(primary.deployment_unit, ()):
            if each.launch_name not in self._versions and not each.removal_requested:
                found += [] if self._member_view(each).is_at_rest else [each]
        return found

    def waiting(self, views: Iterable[SlotView], slots: Sequence[Slot]) -> int:
        """How many sidekicks beside containers that stay are not where they should be."""
        staying = {view.number for view in views if not view.is_empty and not view.must_leave}
        return sum(self._plan(slot.container).waiting for slot in slots if slot.number in staying)

    def apply(self, slots: Sequence[Slot], replaces: Sequence[int], operation: Operation | None) -> None:
        """Do the next steps for the sidekicks of all units, and remove those whose unit is not held any more."""
        held = set(self._made)
        for slot in slots:
            for primary in (slot.container, slot.successor):
                if primary is None or primary.removal_requested or not primary.deployment_unit:
                    continue
                held.add(primary.deployment_unit)
                is_next = slot.number in replaces and primary is slot.container
                self._carry_out(self._plan(primary, replaces=is_next), slot, primary, operation)
            kept = slot.previous
            if kept is not None and not kept.removal_requested and kept.deployment_unit not in {"", *held}:
                held.add(kept.deployment_unit)
                self._carry_out(self._plan_kept(kept), slot, kept, operation)
        for unit, members in self._members.items():
            for each in members if unit not in held else ():
                request_if_allowed(each, "remove", operation)

    def _plan(self, primary: Container | None, *, replaces: bool = False) -> UnitPlan:
        if primary is None or not primary.deployment_unit:
            return UnitPlan()
        demand = UnitDemand(
            self.row.desired,
            tuple(self._versions),
            replaces=replaces,
            keeps_previous=self.row.upgrade_phase == UPGRADING,
            is_paused=self._is_paused,
            awaits_primary=self._is_rolling_back and revision_of(primary) != self.row.current_version,
        )
        return plan_unit(demand, [self._member_view(each) for each in self._members[primary.deployment_unit]])

    def _plan_kept(self, primary: Container) -> UnitPlan:
        """For the sidekicks beside a container that is kept for a rollback, in a unit that no other one is in."""
        demand = UnitDemand(self.row.desired, (), replaces=True, is_paused=self._is_paused)
        return plan_unit(demand, [self._member_view(each) for each in self._members[primary.deployment_unit]])

    @property
    def _is_rolling_back(self) -> bool:
        return bool(self.row.upgrade_phase == ROLLING_BACK)

    @cached_property
    def _versions_of_rollback(self) -> Mapping[str, int]:
        """The sidekicks, with their versions, of what a rollback leads to; none once nothing is to be rolled back."""
        if self._is_rolling_back:
            return self._versions
        if self.row.upgrade_phase != UPGRADING:
            return {}
        before = ServiceRevision.objects.filter(service=self.row, number=self.row.previous_revision or 0).first()
        return {each.name: each.version for each in before.sidekicks} if before is not None else {}

    def _member_view(self, container: Container) -> MemberView:
        version, name = revision_of(container), container.launch_name
        return MemberView(
            container.pk,
            name,
            container.desired,
            container.display_state,
            is_finished=container.is_finished,
            is_outdated=version != self._versions.get(name) and not self._is_paused,
            serves_rollback=version == self._versions_of_rollback.get(name),
        )

    def _carry_out(self, plan: UnitPlan, slot: Slot, primary: Container, operation: Operation | None) -> None:
        by_id = {each.pk: each for each in self._members[primary.deployment_unit]}
        for action, keys in (("stop", plan.stop), ("remove", plan.remove), ("start", plan.start)):
            for key in keys:
                request_if_allowed(by_id[key], action, operation)
        created = [
            build_sidekick(self.row, slot.number, primary.deployment_unit, self._like_the_last(each, by_id.values()))
            for each in in_creation_order(self.row.config, self.sidekicks)
            if each.name in plan.create
        ]
        create_all(created, actor=SYSTEM, parent=operation)
        for each in created:
            self.add(each)

    def _like_the_last(self, wanted: Sidekick, members: Iterable[Container]) -> Sidekick:
        """While an upgrade or a rollback is paused, what is replaced is replaced by its like."""
        before = current_members(each for each in members if each.launch_name == wanted.name).get(wanted.name)
        if before is None or not self._is_paused or revision_of(before) == wanted.version:
            return wanted
        return self._made_from(before) or wanted

    def _made_from(self, container: Container) -> Sidekick | None:
        """What a sidekick was made from, by an earlier revision; None where that is not kept any more."""
        kept = ServiceRevision.objects.filter(service=self.row, number=revision_of(container)).first()
        like = next((each for each in kept.sidekicks if each.name == container.launch_name), None) if kept else None
        return replace(like, config=with_pin(like.config, kept.image_pins)) if kept and like else None

    def _of_new_unit(self, previous: Container | None) -> list[Sidekick]:
        """The sidekicks of a unit that takes the place of another; while an upgrade is paused they are its like."""
        before = self.members_of(previous) if self._is_paused else []
        wanted = [self._like_the_last(each, before) for each in self.sidekicks]
        left_out = [self._made_from(each) for each in before if each.launch_name not in self._versions]
        return [*wanted, *(each for each in left_out if each is not None)]

    def unit_for(self, previous: Container | None, *, leaves: bool) -> str:
        """The unit that a new primary container joins: that of the one before it while its sidekicks may stay."""
        staying = [each for each in self.members_of(previous) if not must_leave_host(each, self.row.lost_after)]
        return previous.deployment_unit if previous is not None and staying and not leaves else str(uuid4())

    def has_unit(self, previous: Container | None) -> bool:
        """Whether a new primary container in the place of `previous` is in a unit with sidekicks."""
        return bool(self.sidekicks or (self._is_paused and self.members_of(previous)))

    def build(self, number: int, unit: str, previous: Container | None) -> list[Container]:
        """The sidekicks of a new unit, counted already; those of a unit that is there are planned.

        `previous` is the primary container whose place that of the new unit takes.
        """
        if self._members.get(unit):
            return []
        sidekicks = in_creation_order(self.row.config, self._of_new_unit(previous))
        made = [build_sidekick(self.row, number, unit, each) for each in sidekicks]
        for each in made:
            self.add(each)
        self._made.add(unit)
        return made

    def health_of(self, primary: Container) -> Unit:
        """How the whole unit is: as its worst container."""
        return worst_of([unit_of(primary), *map(unit_of, self.members_of(primary))])

    def is_running(self, primary: Container) -> bool:
        """Whether the whole unit does its work."""
        return is_running(primary) and all(is_running(each) or each.is_finished for each in self.members_of(primary))


def _has_stopped(outdated: Iterable[Container]) -> bool:
    return any(each.desired == "stopped" for each in outdated)


def sidekick_containers(row: Service) -> models.QuerySet[Container]:
    """The containers of a service's sidekicks, those that are kept for a rollback included."""
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, keep_running=True)
    return rows.exclude(launch_name__in=("", PRIMARY))


def in_creation_order(primary: LaunchConfig, sidekicks: Sequence[Sidekick]) -> list[Sidekick]:
    """The sidekicks, each after those it refers to, so that few have to wait when they are made."""
    by_name = {each.name: each for each in sidekicks}
    order = creation_order({PRIMARY: primary, **{each.name: each.config for each in sidekicks}})
    return [by_name[name] for name in order if name in by_name]


def build_sidekick(row: Service, number: int, unit: str, sidekick: Sidekick) -> Container:
    """An unsaved container of a sidekick in the unit of slot `number`."""
    config, stack = with_pin(sidekick.config, row.image_pins), row.stack
    return build_container(
        environment=row.environment,
        config=config,
        name=f"{stack.name}_{row.name}_{sidekick.name}_{number}",
        keep_running=True,
        spread_key=str(row.uuid),
        requested_host=requested_host(config, row.environment_id),
        aliases=[sidekick.name, f"{sidekick.name}.{row.name}", f"{sidekick.name}.{row.name}.{stack.name}"],
        deployment_unit=unit,
        launch_name=sidekick.name,
        tags=unit_tags(row, unit, sidekick.name, sidekick.version),
        retained_address=retained_address(row, number, sidekick.name),
        slot_key=slot_key(row, number, sidekick.name),
    )


def slot_key(row: Service, number: int, launch_name: str) -> str:
    """What the published ports of a container in slot `number` are kept for."""
    return f"{row.uuid}/{number}/{launch_name}"


def retained_address(row: Service, number: int, launch_name: str) -> str:
    """What the address of a container in slot `number` is kept for; empty unless the service retains addresses."""
    return slot_key(row, number, launch_name) if row.address_settings.get("retainIp") else ""


def unit_tags(row: Service, unit: str, launch_name: str, version: int) -> dict[str, str]:
    """The labels that say to v1's clients, and to the loop, what a container is part of."""
    stack, service = row.stack.name, f"{row.stack.name}/{row.name}"
    return {
        "io.rancher.stack.name": stack,
        "io.rancher.project.name": stack,
        "io.rancher.stack_service.name": service,
        "io.rancher.project_service.name": service,
        "io.rancher.service.launch.config": launch_name,
        "io.rancher.service.deployment.unit": unit,
        REVISION_LABEL: str(version),
    }
