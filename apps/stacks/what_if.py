"""What would happen, decided by the scheduler on a copy of what is there: nothing is changed, no engine is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from apps.containers.deployment_units import current_members, unit_requirements
from apps.containers.fleet import FleetSnapshot, own_labels, read_snapshot
from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.containers.placement import find_peers, requirements_of
from apps.containers.services import build_container, requested_host
from apps.core.errors import Invalid
from apps.core.result import ReconcileResult
from apps.hosts.affinity import HOST_LABEL, STACK_SERVICE_LABEL, parse_rules
from apps.hosts.fleet import Fleet, HostView, Neighbour
from apps.hosts.models import Host
from apps.hosts.placement import Placed, PlacementRequirements, choose_host
from apps.stacks.goal import ON_HOSTS, global_hosts, goal_of
from apps.stacks.models import Service, Slot
from apps.stacks.new_services import check_scale
from apps.stacks.one_address import check_scaled
from apps.stacks.plan import REMOVED_STATES, ServicePlan, free_numbers
from apps.stacks.readiness import ReadyRule, min_ready_seconds
from apps.stacks.rollout import upgrade_view
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.unit_steps import build_sidekick

MAX_EXPLAINED = 20_000  # containers times hosts: to explain more takes seconds

MAX_TYPED = 10_000
LOST = "disconnected"


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of one container: where it is, where it would be, and why there, why nowhere, or why it stays.

    `origin` is empty for one that is not placed yet, `target` for one that fits nowhere or goes.
    """

    container: str
    origin: str = ""
    target: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The outcome: containers that would be `placed` (or fit nowhere), those `removed`, and those that stay though.

    `note` is under which condition all this is so; empty where there is none.
    """

    kind: str
    placed: tuple[Move, ...] = ()
    removed: tuple[Move, ...] = ()
    stays: tuple[Move, ...] = ()
    note: str = ""

    @property
    def homeless(self) -> tuple[Move, ...]:
        """Those that fit nowhere."""
        return tuple(move for move in self.placed if not move.target)

    @property
    def settled(self) -> tuple[Move, ...]:
        """Those that find a host."""
        return tuple(move for move in self.placed if move.target)


@dataclass(frozen=True, slots=True)
class UnitToPlace:
    """A container to be placed with the others of its deployment unit, and the name of the host that it would leave."""

    row: Container
    origin: str = ""
    mates: tuple[Container, ...] = ()


@dataclass
class Trial:
    """Placements one after the other on a copy, each seeing those before it."""

    fleet: Fleet
    spread: dict[str, dict[int, int]]
    explain: bool = True
    _hopeless: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def place_all(self, units: Iterable[UnitToPlace]) -> tuple[Move, ...]:
        """Where each would go, one after the other; the members of a unit go together."""
        return tuple(move for unit in units for move in self._place_unit(unit))

    def _place_unit(self, unit: UnitToPlace) -> Iterable[Move]:
        found = self._place(unit.row, unit.origin, unit.mates)
        yield found
        for mate in unit.mates:
            if mate.host_id is None:
                yield Move(mate.name, unit.origin, found.target, (f"it goes where {unit.row.name} goes",))

    def _place(self, row: Container, origin: str, mates: Sequence[Container]) -> Move:
        """Where the container would go; what no host took before is not tried again for its like."""
        if row.spread_key in self._hopeless:
            return Move(row.name, origin, reasons=self._hopeless[row.spread_key])
        peers = find_peers(row)
        if isinstance(peers, ReconcileResult):
            return Move(row.name, origin, reasons=(peers.message,))
        mine = self.spread.setdefault(row.spread_key, {}) if row.spread_key else {}
        wanted = unit_requirements(replace(requirements_of(row, {}, peers), spread=mine), mates)
        answer = choose_host(wanted, self.fleet, explain=self.explain)
        if not isinstance(answer, Placed):
            if row.spread_key:
                self._hopeless[row.spread_key] = answer.reasons
            return Move(row.name, origin, reasons=answer.reasons)
        self._take(row, wanted, answer.host_id)
        new = [mate for mate in mates if mate.host_id is None]
        for mate in new:  # what they reserve is taken already: that of the whole unit was
            self.fleet.place(Neighbour(answer.host_id, mate.name, str(mate.uuid), own_labels(mate)))
        mine[answer.host_id] = mine.get(answer.host_id, 0) + 1 + len(new)
        reasons = tuple(answer.trace[0]["reasons"]) if answer.trace else ()
        return Move(row.name, origin, self.fleet.hosts[answer.host_id].name, reasons)

    def _take(self, row: Container, wanted: PlacementRequirements, host_id: int) -> None:
        neighbour = Neighbour(host_id, row.name, str(row.uuid), wanted.labels)
        self.fleet.place(neighbour, ports=wanted.ports, memory=wanted.memory, milli_cpu=wanted.milli_cpu)


def _trial(snapshot: FleetSnapshot, count: int, change: Callable[[HostView], HostView] = lambda view: view) -> Trial:
    fleet = Fleet(map(change, snapshot.hosts), snapshot.neighbours)
    spread = {key: dict(hosts) for key, hosts in snapshot.spread.items()}
    return Trial(fleet, spread, explain=count * len(snapshot.hosts) <= MAX_EXPLAINED)


def what_if_scaled(row: Service, scale: Any) -> WhatIf:
    """The service with another scale: what would be placed where, what fits nowhere, what would go.

    A service that is stopped is taken as started. Raises `Invalid` for a scale that it cannot have.
    """
    wanted = check_scale(scale)
    if wanted != row.scale and not is_scalable(row):
        why = "runs one container on each host" if row.has_containers else "has no containers of its own"
        why = "has one container for each run" if row.schedule else why
        raise Invalid("scale", "InvalidOption", f"{row.name} {why}, so that there is no scale to try.")
    check_scaled(row, {"scale": wanted})
    tried = copy(row)
    tried.desired, tried.scale = "active", wanted
    slots = list(_slots(service=row))
    rule = ReadyRule(min_ready_seconds(row))
    goal = goal_of(tried, slots, [upgrade_view(row, slot, rule) for slot in slots])
    steps = goal.plan
    by_number = {slot.number: slot for slot in slots}
    leaving = [slot.container for slot in slots if slot.container and slot.container.pk in steps.remove]
    numbers = steps.fill + steps.surge
    made = [_successor(row, number, by_number.get(number), goal.hosts.get(number)) for number in numbers]
    placed = _trial(_snapshot_with_started(row, slots, steps), len(made)).place_all(made) if made else ()
    return WhatIf("scale", placed, _removed(leaving), note=_note_on_state(row))


def _note_on_state(row: Service) -> str:
    if row.desired == "active":
        return ""
    return f"{row.name} is {row.desired}: nothing starts before it is activated. This is what would happen then."


def _snapshot_with_started(row: Service, slots: Sequence[Slot], steps: ServicePlan) -> FleetSnapshot:
    """The environment with the service's stopped containers as if they ran: they start again where they are.

    Not those that are kept for a rollback.
    """
    primaries = [slot.container for slot in slots if slot.container and slot.container.pk in steps.start]
    units = {each.deployment_unit for each in primaries if each.deployment_unit}
    beside: dict[str, list[Container]] = defaultdict(list)
    rows = Container.all_objects.filter(deployment_unit__in=units, removed=None).exclude(desired__in=REMOVED_STATES)
    for mate in rows.filter(launch_name__in=[each.name for each in row.sidekicks]) if units else ():
        beside[mate.deployment_unit].append(mate)
    mates = [mate for members in beside.values() for mate in current_members(members).values()]
    return read_snapshot(row.environment_id, starting=[each.pk for each in (*primaries, *mates)])


def _removed(leaving: Sequence[Container]) -> tuple[Move, ...]:
    """Containers that would go, with the sidekicks of their units."""
    beside = _sidekicks(each.deployment_unit for each in leaving)
    rows = [row for each in leaving for row in (each, *beside.get(each.deployment_unit, ()))]
    return tuple(Move(each.name, str(each.host or "")) for each in rows)


def _sidekicks(units: Iterable[str]) -> Mapping[str, Sequence[Container]]:
    """The running sidekicks of deployment units, in one query."""
    found: dict[str, list[Container]] = defaultdict(list)
    wanted = {unit for unit in units if unit}
    rows = _running(Container.all_objects.filter(deployment_unit__in=wanted)).exclude(launch_name__in=("", PRIMARY))
    for row in rows.select_related("host").order_by("name") if wanted else ():
        found[row.deployment_unit].append(row)
    return found


def is_scalable(row: Service) -> bool:
    """Whether it has a scale that can be changed."""
    return row.has_containers and not is_global(row.config) and not row.schedule


def what_if_host_lost(host: Host) -> WhatIf:
    """The host gone for good: what its services would start elsewhere, each after its own time, and what waits."""
    rows = _running(Container.all_objects.filter(host=host, launch_name__in=("", PRIMARY)))
    rows = list(rows.select_related("slot__service__stack"))
    beside = _sidekicks(row.deployment_unit for row in rows)
    moving, stays = [], []
    for row in rows:
        slot = getattr(row, "slot", None)
        why = _reason_to_stay(row, slot)
        if why or slot is None:
            unit = (row, *beside.get(row.deployment_unit, ()))
            stays += [Move(each.name, str(host), str(host), (why,)) for each in unit]
        else:
            moving.append(slot)
    moving.sort(key=lambda slot: (slot.service_id, slot.number))
    snapshot = read_snapshot(host.environment_id)
    trial = _trial(snapshot, len(moving), lambda view: replace(view, state=LOST) if view.id == host.pk else view)
    placed = trial.place_all(_successor(slot.service, slot.number, slot) for slot in moving)
    return WhatIf("hostLost", placed, stays=tuple(stays))


def _reason_to_stay(row: Container, slot: Slot | None) -> str:
    if slot is None:
        return "it belongs to no service, so nothing replaces it"
    if row.is_finished:
        return "it has done its job, and is not run again"
    if slot.service.desired != "active":
        return f"the service {slot.service.name} is stopped"
    if is_global(slot.service.config):
        return f"the service {slot.service.name} runs one container on each host, and waits for this one"
    if slot.service.lost_after is None:
        return f"the service {slot.service.name} waits for a lost host to come back"
    return ""


def what_if_labeled(host: Host, labels: Mapping[str, str]) -> WhatIf:
    """The host with these labels of its user: what waits and would be placed, and what would not be placed here again.

    A rule counts when a container is placed: what runs stays.
    """
    snapshot = read_snapshot(host.environment_id)
    wanted = {**host.engine_labels, **labels}
    waiting = list(_running(Container.all_objects.filter(environment=host.environment_id, host=None)).order_by("pk"))
    trial = _trial(snapshot, len(waiting), lambda view: replace(view, labels=wanted) if view.id == host.pk else view)
    begins, ends = _global_changes(host, labels)
    leaving = {slot.container_id for slot in ends}
    here = _running(Container.all_objects.filter(host=host)).exclude(pk__in=leaving).order_by("pk")
    stays = [
        Move(row.name, str(host), str(host), broken) for row in here if (broken := _newly_broken(row, host, wanted))
    ]
    new = [_successor(service, number, None, host.pk) for service, number in begins]
    removed = _removed([slot.container for slot in ends if slot.container is not None])
    return WhatIf("labels", trial.place_all([*_waiting_units(waiting), *new]), removed, tuple(stays))


def _waiting_units(waiting: Sequence[Container]) -> Iterable[UnitToPlace]:
    """Containers without a host, each unit once: placed together, and where one of them is already."""
    found: dict[str, list[Container]] = defaultdict(list)
    units = {row.deployment_unit for row in waiting if row.deployment_unit}
    rows = Container.all_objects.filter(deployment_unit__in=units, removed=None).exclude(desired__in=REMOVED_STATES)
    for row in rows.order_by("pk") if units else ():
        found[row.deployment_unit].append(row)
    for row in waiting:
        members = found.pop(row.deployment_unit, []) if row.deployment_unit else [row]
        if members:
            yield UnitToPlace(row, mates=tuple(each for each in members if each.pk != row.pk))


def _global_changes(host: Host, labels: Mapping[str, str]) -> tuple[list[tuple[Service, int]], list[Slot]]:
    """The global services that would begin to run on the host, each with its next number, and slots that would go."""
    changed = copy(host)
    changed.labels = dict(labels)
    begins, ends = [], []
    services = Service.all_objects.filter(
        environment=host.environment_id, removed=None, desired="active", status__has_key=ON_HOSTS
    )
    slots: dict[int, list[Slot]] = defaultdict(list)
    for slot in _slots(service__in=services):
        slots[slot.service_id].append(slot)
    for row in services.select_related("stack", "environment").order_by("pk"):
        mine = slots[row.pk]
        here = [slot for slot in mine if slot.container is not None and slot.container.host_id == host.pk]
        wanted = global_hosts(row, [changed])
        if not wanted.kept:
            ends += here
        elif wanted.eligible and not here:
            begins.append((row, free_numbers(mine, 1)[0]))
    return begins, ends


def _newly_broken(row: Container, host: Host, labels: Mapping[str, str]) -> tuple[str, ...]:
    rules = [rule for rule in parse_rules(own_labels(row)) if rule.subject == HOST_LABEL and not rule.soft]
    return tuple(
        rule.violation
        for rule in rules
        if rule.holds_for(labels) != rule.wanted and rule.holds_for(host.all_labels) == rule.wanted
    )


def _running(rows: Any) -> Any:
    return rows.filter(removed=None, desired="running")


def _slots(**where: Any) -> Iterable[Slot]:
    return Slot.objects.filter(**where).select_related("container__host", "successor__host", "previous")


def _successor(row: Service, number: int, slot: Slot | None, host_id: int | None = None) -> UnitToPlace:
    """The containers that the service would make for a slot.

    `host_id` is the only host for it, where the service is global.
    """
    previous = slot.container.host if slot is not None and slot.container is not None else None
    name = f"{row.stack.name}/{row.name}"
    config = row.config
    made = build_container(
        environment=row.environment,
        config=config,
        name=f"{row.stack.name}_{row.name}_{number}",
        spread_key=str(row.uuid),
        avoid_host=previous,
        requested_host=requested_host(config, row.environment_id),
        tags={
            "io.rancher.stack.name": row.stack.name,
            "io.rancher.project.name": row.stack.name,
            STACK_SERVICE_LABEL: name,
            "io.rancher.project_service.name": name,
        },
    )
    made.requested_host_id = host_id or made.requested_host_id
    mates = tuple(build_sidekick(row, number, "", each) for each in row.sidekicks)
    return UnitToPlace(made, str(previous or ""), mates)


def parse_labels(field_name: str, text: str) -> dict[str, str]:
    """Read `a=b,c=d`. Raises `Invalid`."""
    found = {}
    for part in parse_label_names(text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise Invalid(field_name, "InvalidFormat", "Write labels as name=value, with commas between them.")
        found[name.strip()] = value.strip()
    return found


def parse_label_names(text: str) -> list[str]:
    """The parts of a comma list."""
    return [part.strip() for part in text[:MAX_TYPED].split(",") if part.strip()]


def changed_labels(host: Host, add: Mapping[str, str], remove: Sequence[str]) -> dict[str, str]:
    """The labels of the host's user with some more and some less."""
    return {name: value for name, value in {**host.labels, **add}.items() if name not in remove}
