"""Stacks that were imported from a Rancher server, and what they take over of the containers that run. Pure.

Nothing is rebuilt from the engine here: what later containers are made from is the imported stack. That has the
scheduling rules, links and health checks which a container does not show, and not the wrapper that the old server's
agent put around its process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from apps.adoption.differences import FieldDifference, with_plain_mounts
from apps.adoption.image_part import without_engine_part, without_image_part
from apps.adoption.member import ProjectMember
from apps.adoption.origin import UNIT_LABEL
from apps.adoption.plan import NOT_TAKEN, AdoptionPlan, PlannedContainer, PlannedService
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import config_from_inspect
from apps.containers.launch.engine_values import as_list, as_map, as_text


@dataclass(frozen=True, slots=True)
class ImportedService:
    """A service of the imported stack: its row, what it and its sidekicks are made from, and the numbers in use.

    `no_containers` says why it takes none over; empty for one that does. `is_active` when it runs already, `is_global`
    when it has one container on each host.
    """

    key: int
    name: str
    config: LaunchConfig
    sidekicks: Mapping[str, LaunchConfig] = field(default_factory=dict)
    numbers: frozenset[int] = frozenset()
    is_active: bool = False
    is_global: bool = False
    no_containers: str = ""


@dataclass
class _Findings:
    differences: list[FieldDifference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)


def plan_take_over(
    project: str, stack: int, services: Iterable[ImportedService], members: Sequence[ProjectMember]
) -> AdoptionPlan:
    """What the imported stack with the key `stack` takes over of a project's containers on one host."""
    found = _Findings()
    known = {each.name.lower(): each for each in services}
    groups: dict[str, list[ProjectMember]] = {}
    for member in sorted(members, key=lambda each: (each.origin.service, each.origin.number, each.name)):
        name = member.origin.primary_service
        service = known.get(name.lower())
        if service is None:
            why = _("%(name)s is of the service %(service)s, which the imported stack has not: it stays as it is.")
            found.notes.append(why % {"name": member.name, "service": name})
        elif service.no_containers:
            found.notes.append(f"{member.name}: {service.no_containers}")
        else:
            groups.setdefault(service.name.lower(), []).append(member)
    planned = [each for name, group in groups.items() for each in _plan_units(known[name], group, found)]
    if not planned:
        found.obstacles.append(_("There is no container here that the imported stack would take over."))
    return AdoptionPlan(
        "rancher",
        project,
        "",
        tuple(planned),
        tuple(found.differences),
        tuple(dict.fromkeys(found.notes)),
        tuple(dict.fromkeys(found.obstacles)),
        stack,
    )


def _plan_units(service: ImportedService, group: Sequence[ProjectMember], found: _Findings) -> list[PlannedService]:
    """The service's own containers and those of each sidekick, with the numbers of their units."""
    runs = service.is_active or any(each.state in _RUNNING for each in group)
    taken = _primaries(service, group, found, runs=runs)
    numbers = _numbers(taken, service.numbers)
    units = {each.labels.get(UNIT_LABEL, ""): numbers[each.key] for each in taken}
    containers = {"": [_planned(each, numbers[each.key], service) for each in taken]}
    for member, number in _sidekicks(service, group, units, found):
        containers.setdefault(member.origin.launch_name, []).append(_planned(member, number, service))
    if runs:
        _note_missing(service, containers, found)
    for each in group:
        config = service.sidekicks.get(each.origin.launch_name, service.config)
        _note_image(each, config, found)
        _note_volumes(each, config, group, found)
    configs = {"": service.config, **service.sidekicks}
    return [
        PlannedService(
            f"{service.name}-{name}" if name else service.name,
            service.name,
            configs[name],
            tuple(sorted(each, key=lambda one: one.number)),
            service=service.key,
            launch_name=name,
        )
        for name, each in containers.items()
        if each
    ]


def _primaries(
    service: ImportedService, group: Sequence[ProjectMember], found: _Findings, *, runs: bool
) -> list[ProjectMember]:
    """The service's own containers that are taken over."""
    taken = [each for each in group if not each.origin.launch_name and _is_taken(each, found, runs=runs)]
    if not service.is_global:
        return taken
    why = _("%(name)s: %(service)s has one container on each host; this one stays as it is.")
    found.notes += [why % {"name": each.name, "service": service.name} for each in taken[1:]]
    return taken[:1]


def _sidekicks(
    service: ImportedService, group: Sequence[ProjectMember], units: Mapping[str, int], found: _Findings
) -> list[tuple[ProjectMember, int]]:
    """The sidekicks beside what is taken over, with the numbers of their units."""
    taken = []
    for each in group:
        name, unit = each.origin.launch_name, each.labels.get(UNIT_LABEL, "")
        if not name:
            continue
        if name not in service.sidekicks or not unit or unit not in units:
            why = _("%(name)s is no sidekick of a container that is taken over: it stays as it is.")
            found.notes.append(why % {"name": each.name})
        elif each.state in NOT_TAKEN:
            _refuse(each, found)
        else:
            taken.append((each, units[unit]))
    return taken


def _note_missing(
    service: ImportedService, containers: Mapping[str, Sequence[PlannedContainer]], found: _Findings
) -> None:
    for name in service.sidekicks:
        there = {each.unit for each in containers.get(name, ())}
        found.notes += [
            _("%(name)s has no sidekick %(sidekick)s, which is made.") % {"name": each.name, "sidekick": name}
            for each in containers[""]
            if each.unit not in there
        ]


_RUNNING = frozenset({"running", "restarting"})


def _is_taken(member: ProjectMember, found: _Findings, *, runs: bool) -> bool:
    """Nothing is started by it: what does not run beside others that do is left to the old server."""
    if member.state in NOT_TAKEN:
        _refuse(member, found)
        return False
    if runs and member.state not in _RUNNING:
        found.notes.append(_("%(name)s does not run: it stays as it is.") % {"name": member.name})
        return False
    return True


def _refuse(member: ProjectMember, found: _Findings) -> None:
    why = _("%(name)s is %(state)s on its host: let it go on, or remove it there, first.")
    found.obstacles.append(why % {"name": member.name, "state": member.state})


def _numbers(members: Sequence[ProjectMember], taken: frozenset[int]) -> dict[int, int]:
    """Each container's own number where that is free, else the lowest that is."""
    used, numbers = set(taken), dict[int, int]()
    for member in members:
        number = member.origin.number
        if number and number not in used:
            numbers[member.key] = number
            used.add(number)
    for member in members:
        if member.key not in numbers:
            numbers[member.key] = next(each for each in range(1, len(used) + 2) if each not in used)
            used.add(numbers[member.key])
    return numbers


def _planned(member: ProjectMember, number: int, service: ImportedService) -> PlannedContainer:
    unit = member.labels.get(UNIT_LABEL, "") if service.sidekicks else ""
    return PlannedContainer(member.key, number, member.name, member.engine_id, member.state, member.labels, unit)


def _note_image(member: ProjectMember, config: LaunchConfig, found: _Findings) -> None:
    """Say where a container was made from another image than the imported file names."""
    named = as_text(as_map(member.raw.get("Config")).get("Image"))
    if config.image and named and named != config.image:
        found.differences.append(FieldDifference(member.name, "Image", named, config.image))


def _note_volumes(
    member: ProjectMember, config: LaunchConfig, group: Sequence[ProjectMember], found: _Findings
) -> None:
    """Say which volumes a container made later would not have: that looks like lost data, and none of it is lost."""
    later = {each.path.rstrip("/"): each.source for each in config.data_volumes}
    borrowed = set[str]()
    if config.data_volumes_from_launch_configs:
        borrowed = {path for each in group if each is not member for path in _volumes(each)}
    for path, volume in _volumes(member).items():
        then = later.get(path.rstrip("/"), "")
        if then != volume and path not in borrowed:
            found.differences.append(
                FieldDifference(member.name, f"Volumes {path}", volume, then or _("a new, empty volume"))
            )


def _volumes(member: ProjectMember) -> dict[str, str]:
    """The engine's volumes that a container has, by their paths in it; folders of the host are no volumes."""
    mounts = [as_map(each) for each in as_list(member.raw.get("Mounts"))]
    return {
        as_text(each.get("Destination")): as_text(each.get("Name"))
        for each in mounts
        if as_text(each.get("Type")) == "volume" and each.get("Name")
    }


def actual_config(member: ProjectMember) -> LaunchConfig:
    """What a container was really made from, as the host policy judges it, whatever the imported file says of it."""
    own = without_engine_part(without_image_part(member.raw, member.image or {}))
    config = config_from_inspect(with_plain_mounts(own))
    return replace(config, network_mode="bridge") if config.network_mode == "container" else config


def running_config(config: LaunchConfig) -> LaunchConfig:
    """What the row of a container that was taken over says of it.

    Its health is not checked before it is replaced: it has an address in the old server's network alone, where no check
    of ours would reach it, and one that fails has its container made again.
    """
    return replace(config, health_check=None)
