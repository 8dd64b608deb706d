"""What balancers do now: read in a number of queries that does not grow with their targets and containers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.containers.models import Container
from apps.stacks.balancer.certificates import certificate_names
from apps.stacks.balancer.config import DISABLED, DRAINING, READY, BalancerConfig
from apps.stacks.balancer.finding import run_key
from apps.stacks.balancer.rules import BalancerTarget, RuleProblem, TargetServer, config_of, idle_rules
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.health import HEALTHY
from apps.stacks.models import Service, ServiceLink, ServiceMember
from apps.stacks.service_options import ALIAS
from apps.stacks.sidekicks import PRIMARY

MAX_DEPTH = 10  # aliases of aliases; deeper ones lead nowhere, as do those in a circle
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_HEAVY = ("container__spec", "container__placement", "container__tags")


@dataclass(frozen=True)
class BalancerView:
    """What a balancer does now, the links that it follows, and which of their rules nothing follows."""

    config: BalancerConfig
    links: Sequence[ServiceLink]
    problems: Sequence[RuleProblem]


def balancer_config(row: Service) -> BalancerConfig:
    """What a balancer does now."""
    return balancer_view(row).config


def balancer_view(row: Service) -> BalancerView:
    """The same, with what it was made from."""
    links = list(ServiceLink.objects.filter(service=row).select_related("target__stack").order_by("name"))
    targets = _targets(links)
    settings = row.balancer_settings
    config = config_of(settings, targets, certificate_names(row.environment_id, settings))
    return BalancerView(config, links, idle_rules(settings, targets))


def _targets(links: Iterable[ServiceLink]) -> list[BalancerTarget]:
    links = list(links)
    leads_to = _behind_aliases([link.target for link in links])
    servers = _servers({each.pk: each for found in leads_to.values() for each in found})
    return [
        BalancerTarget(
            link.name,
            tuple(TargetPort.parse(text) for text in link.ports),
            tuple(server for each in leads_to[link.target_id] for server in servers.get(each.pk, ())),
        )
        for link in links
    ]


def _behind_aliases(targets: Sequence[Service]) -> dict[int, list[Service]]:
    """The services that answer for each target: itself, or what an alias leads to in the end."""
    following: dict[int, list[Service]] = {}
    known = {each.pk: each for each in targets}
    new = [each.pk for each in targets if each.kind == ALIAS]
    for _depth in range(MAX_DEPTH):
        if not new:
            break
        found = list(ServiceLink.objects.filter(service__in=new, service__desired="active").select_related("target"))
        following |= {key: [link.target for link in found if link.service_id == key] for key in new}
        known |= {link.target_id: link.target for link in found}
        new = [key for key, each in known.items() if each.kind == ALIAS and key not in following]
    return {each.pk: _leaves(each, following) for each in targets}


def _leaves(row: Service, following: Mapping[int, Sequence[Service]]) -> list[Service]:
    """What is no alias; each alias is followed once, as selectors may have many of them find each other."""
    pending, seen, found = [row], {row.pk}, list[Service]()
    while pending:
        each = pending.pop(0)
        if each.kind != ALIAS:
            found.append(each)
            continue
        for target in following.get(each.pk, ()):
            if target.pk not in seen:
                seen.add(target.pk)
                pending.append(target)
    return found


def _servers(services: Mapping[int, Service]) -> dict[int, list[TargetServer]]:
    """The containers that run, the addresses and the host names of services; those that are stopped have none."""
    active = [key for key, each in services.items() if each.desired == "active"]
    members = ServiceMember.objects.filter(service__in=active).select_related("container").defer(*_HEAVY)
    found: dict[int, list[TargetServer]] = {}
    for member in members.order_by("pk"):
        server = _server(services[member.service_id], member)
        if server is not None:
            found.setdefault(member.service_id, []).append(server)
    return found


def _server(service: Service, member: ServiceMember) -> TargetServer | None:
    if member.container is None:
        address = member.address or member.hostname
        return TargetServer(_NOT_IN_NAMES.sub("_", f"{service.name}-{address}"), address)
    container = member.container
    if member.managed and container.launch_name not in {"", PRIMARY}:
        return None  # a sidekick of its own: requests are for the container that it helps
    if container.removed is not None or container.display_state not in {"running", "stopping"} or not container.address:
        return None
    return TargetServer(server_name(container), container.address, _state(container), run_key(container))


def server_name(container: Container) -> str:
    """What a container is called among the servers of balancers; unique, and stays the same."""
    return _NOT_IN_NAMES.sub("_", f"{container.name}-{container.pk}")


def _state(container: Container) -> str:
    """New ones get requests after their first good check; those that are to stop finish what they have."""
    if container.desired != "running":
        return DRAINING
    is_well = container.network_check is None or container.health == HEALTHY
    return READY if is_well else DISABLED
