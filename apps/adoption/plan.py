"""What a project becomes: its services rebuilt from what the engine shows of their containers. Pure but for ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from apps.adoption import image_part
from apps.adoption.differences import FieldDifference, find_differences, with_plain_mounts
from apps.adoption.member import ProjectMember
from apps.adoption.networks import endpoints_of, network_differences, networks_of
from apps.adoption.origin import (
    Kind,
    plain_name,
    project_labels_of,
    uses_dashes,
    without_notes,
)
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import config_from_inspect, engine_body
from apps.containers.launch.engine_values import as_list, as_map, as_text, read_network_container
from apps.containers.launch.values import RestartPolicy
from apps.containers.port_numbers import without_number
from apps.core.ids import wire_id

Json = Mapping[str, Any]
RUNNING = frozenset({"running", "restarting"})
NOT_TAKEN = frozenset({"paused", "removing", "dead"})


@dataclass(frozen=True, slots=True)
class PlannedContainer:
    """A container that is taken over: the row `key`, the slot `number`, and the engine's id that it keeps.

    `unit` is what the containers of one deployment unit have in common; empty where nothing depends on it.
    """

    key: int
    number: int
    name: str
    engine_id: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""

    @property
    def runs(self) -> bool:
        """Whether its process is there, or about to be started again by its engine."""
        return self.state in RUNNING


@dataclass(frozen=True, slots=True)
class PlannedService:
    """A service to be: `original` is what the project calls it, `links` are (service, alias).

    `service` is the row of one that is there already, and `launch_name` the sidekick of it that this is about.
    """

    name: str
    original: str
    config: LaunchConfig
    containers: tuple[PlannedContainer, ...]
    networks: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    service: int | None = None
    launch_name: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it is to run: one whose containers have all ended stays as it is."""
        return any(each.runs for each in self.containers)


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What would become of a project. `obstacles` are why it cannot be adopted now, `notes` what else is to be known.

    `basis` is another text whenever the containers, or what they are made from, are others. `stack` is the row of the
    imported stack that takes the containers over; None makes a stack of them.
    """

    kind: Kind
    project: str
    naming: str
    services: tuple[PlannedService, ...]
    differences: tuple[FieldDifference, ...] = ()
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    stack: int | None = None

    @property
    def containers(self) -> list[PlannedContainer]:
        """All containers that are taken over."""
        return [each for service in self.services for each in service.containers]

    @property
    def basis(self) -> str:
        """A digest of what is taken over."""
        facts: list[list[object]] = [
            [service.name, service.config.to_json(), [[each.engine_id, each.runs] for each in service.containers]]
            for service in self.services
        ]
        facts += [[self.stack]] if self.stack is not None else []
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


@dataclass
class _Findings:
    """What is gathered while services are rebuilt."""

    differences: list[FieldDifference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)


def plan_adoption(
    kind: Kind, project: str, members: Sequence[ProjectMember], *, host: int, keys: Mapping[str, int] | None = None
) -> AdoptionPlan:
    """Rebuild the services of a project from its containers on the host with this number.

    `keys` are the rows of all containers of the environment by the engine's ids: what lends its network or volumes.
    """
    found = _Findings()
    groups: dict[str, list[ProjectMember]] = {}
    for member in sorted(members, key=lambda each: (each.origin.service, each.origin.number, each.name)):
        if member.origin.is_one_off:
            found.notes.append(_("%(name)s was started beside its service and stays as it is.") % {"name": member.name})
        else:
            groups.setdefault(member.origin.service, []).append(member)
    names = _service_names(groups, found)
    of_name = {member.name: service for service, group in groups.items() for member in group}
    services = tuple(
        _plan_service(names[service], service, group, found, host=host, keys=keys or {}, of_name=of_name, names=names)
        for service, group in groups.items()
    )
    if not services:
        found.obstacles.append(_("There is no container of it any more."))
    labels = members[0].labels if members else {}
    dashes = uses_dashes(labels, {each.name: each.origin for each in members})
    return AdoptionPlan(
        kind,
        project,
        ("-" if dashes else "_") if kind == "compose" else "",
        services,
        tuple(found.differences),
        tuple(dict.fromkeys(found.notes)),
        tuple(dict.fromkeys(found.obstacles)),
    )


def _service_names(originals: Iterable[str], found: _Findings) -> dict[str, str]:
    """What each service is called here, where names have fewer characters than in projects."""
    names: dict[str, str] = {}
    for original in originals:
        plain = base = plain_name(original, "service")
        number = 2
        while plain.lower() in {each.lower() for each in names.values()}:
            plain, number = f"{base[:60]}-{number}", number + 1
        names[original] = plain
        if plain != original:
            found.notes.append(
                _("The service %(original)s is called %(name)s here.") % {"original": original, "name": plain}
            )
    return names


def _plan_service(
    name: str,
    original: str,
    group: Sequence[ProjectMember],
    found: _Findings,
    *,
    host: int,
    keys: Mapping[str, int],
    of_name: Mapping[str, str],
    names: Mapping[str, str],
) -> PlannedService:
    configs = [_rebuild(member, found, is_alone=len(group) == 1, keys=keys) for member in group]
    first = configs[0]
    for member, config in zip(group[1:], configs[1:], strict=True):
        _compare_with_first(group[0], first, member, config, found)
    containers = _numbered(group)
    if any(each.runs for each in containers):
        for each in containers:
            if not each.runs:
                found.notes.append(_("%(name)s does not run, and is started.") % {"name": each.name})
    networks = networks_of(group[0])
    mode = "bridge" if networks else first.network_mode
    return PlannedService(
        name,
        original,
        replace(without_rules(first), network_mode=mode, requested_host_id=wire_id("h", host)),
        containers,
        networks,
        project_labels_of(group[0].labels),
        _links(group[0], name, of_name, names, found),
    )


def _numbered(group: Sequence[ProjectMember]) -> tuple[PlannedContainer, ...]:
    """Each container with its own number where that is free, else with the lowest that is."""
    used: set[int] = set()
    numbers = {}
    for member in group:
        number = member.origin.number
        if number and number not in used:
            numbers[member.key] = number
            used.add(number)
    for member in group:
        if member.key not in numbers:
            numbers[member.key] = next(each for each in range(1, len(group) + len(used) + 2) if each not in used)
            used.add(numbers[member.key])
    found = [
        PlannedContainer(each.key, numbers[each.key], each.name, each.engine_id, each.state, each.labels)
        for each in group
    ]
    return tuple(sorted(found, key=lambda each: each.number))


def _rebuild(member: ProjectMember, found: _Findings, *, is_alone: bool, keys: Mapping[str, int]) -> LaunchConfig:
    """The launch configuration of one container, and what is different about it."""
    if member.state in NOT_TAKEN:
        why = _("%(name)s is %(state)s on its host: let it go on, or remove it there, first.")
        found.obstacles.append(why % {"name": member.name, "state": member.state})
    if member.image is None:
        found.notes.append(
            _("The image of %(name)s is gone from its host: what it says itself counts as asked for.")
            % {"name": member.name}
        )
    asked = image_part.without_engine_part(image_part.without_image_part(member.raw, member.image or {}))
    own = with_plain_mounts(asked)
    volumes = image_part.anonymous_volumes(own)
    if is_alone and volumes:
        own = image_part.with_volumes(own, volumes)
    config = replace(config_from_inspect(own), labels=without_notes(as_map(as_map(own.get("Config")).get("Labels"))))
    config = replace(config, restart_policy=config.restart_policy or RestartPolicy(name="no"))
    config, lenders = _with_lenders(member, config, keys, found)
    body = engine_body(config, labels={}, peer=lenders.get("network"), volumes_from=lenders.get("volumes", ()))
    found.differences += find_differences(member.name, own, body, member.image or {})
    found.differences += network_differences(member)
    if not is_alone:
        found.differences += [
            FieldDifference(member.name, f"Volumes {path}", volume, _("a new, empty volume"))
            for path, volume in volumes.items()
        ]
    _note_labels(member, config, found)
    _note_image(member, found)
    if any(without_number(config.published)):
        found.notes.append(
            _("%(name)s has a port that its host chose: another container gets one of this environment's range.")
            % {"name": member.name}
        )
    return config


def _with_lenders(
    member: ProjectMember, config: LaunchConfig, keys: Mapping[str, int], found: _Findings
) -> tuple[LaunchConfig, dict[str, Any]]:
    """The configuration with the containers whose network and volumes it takes by their ids here."""
    lenders: dict[str, Any] = {}
    host = as_map(member.raw.get("HostConfig"))
    network = read_network_container(host.get("NetworkMode"))
    if network is not None:
        key = _key_of(network, keys)
        if key is None:
            found.obstacles.append(
                _("%(name)s shares the network of a container that is not known here.") % {"name": member.name}
            )
        else:
            lenders["network"] = network
            config = replace(config, network_container_id=wire_id("i", key))
    taken, engine_ids = [], []
    for each in map(as_text, as_list(host.get("VolumesFrom"))):
        key = _key_of(each.partition(":")[0], keys)
        if key is None or ":" in each.removesuffix(":rw"):
            found.differences.append(FieldDifference(member.name, "VolumesFrom", each, ""))
        else:
            taken.append(wire_id("i", key))
            engine_ids.append(each)
    if taken:
        lenders["volumes"] = engine_ids
        config = replace(config, data_volumes_from=tuple(taken))
    if lenders:
        found.notes.append(
            _(
                "%(name)s takes network or volumes of another container: one made later takes them of the very same, "
                "and fails when that is replaced."
            )
            % {"name": member.name}
        )
    return config, lenders


def _key_of(reference: str, keys: Mapping[str, int]) -> int | None:
    if reference in keys:
        return keys[reference]
    return next((key for each, key in keys.items() if len(reference) >= 12 and each.startswith(reference)), None)


def _compare_with_first(
    first: ProjectMember, config: LaunchConfig, member: ProjectMember, other: LaunchConfig, found: _Findings
) -> None:
    """Containers of one service are made alike later: what one has for itself is named."""
    one, another = config.to_wire(), other.to_wire()
    changed = [name for name in sorted({*one, *another}) if one.get(name) != another.get(name)]
    found.differences += [
        FieldDifference(
            member.name, name, _("another value than in %(name)s") % {"name": first.name}, _("the same value")
        )
        for name in changed
    ]


def _note_labels(member: ProjectMember, config: LaunchConfig, found: _Findings) -> None:
    """Labels that Rancher acted upon, and that mean something here, are not acted upon for what is adopted."""
    acted = sorted(name for name in config.labels if name.startswith("io.rancher."))
    found.differences += [FieldDifference(member.name, f"Labels {name}", config.labels[name], "") for name in acted]


def without_rules(config: LaunchConfig) -> LaunchConfig:
    """The configuration without labels by which a scheduler would move or multiply what is adopted."""
    labels = {name: value for name, value in config.labels.items() if not name.startswith("io.rancher.")}
    return replace(config, labels=labels)


def _note_image(member: ProjectMember, found: _Findings) -> None:
    """A tag may mean another image than the one that the container was made from."""
    named, used = as_text(as_map(member.raw.get("Config")).get("Image")), as_text(member.raw.get("Image"))
    if not member.image_now:
        found.notes.append(
            _("%(name)s: %(image)s is not on its host by this name; a container made later has it pulled.")
            % {"name": member.name, "image": named}
        )
    elif used and member.image_now != used:
        later = _("another image by now (%(id)s)") % {"id": member.image_now.removeprefix("sha256:")[:12]}
        found.differences.append(FieldDifference(member.name, "Image", f"{named} ({_short(used)})", later))


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _links(
    member: ProjectMember, name: str, of_name: Mapping[str, str], names: Mapping[str, str], found: _Findings
) -> tuple[tuple[str, str], ...]:
    """The links to other services of the project; those to anything else are named."""
    texts = [as_text(each) for each in as_list(as_map(member.raw.get("HostConfig")).get("Links"))]
    for endpoint in endpoints_of(member).values():
        texts += [as_text(each) for each in as_list(as_map(endpoint).get("Links"))]
    links: dict[str, str] = {}
    for text in texts:
        target, _colon, alias = text.partition(":")
        target, alias = target.rpartition("/")[2], alias.rpartition("/")[2]
        service = of_name.get(target)
        if service is None:
            found.differences.append(FieldDifference(member.name, "Links", text, ""))
        elif names[service] != name and alias != target and not alias.startswith(f"{service}_"):
            links.setdefault(alias, names[service])
    return tuple((target, alias) for alias, target in sorted(links.items()))
