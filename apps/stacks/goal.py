"""How many containers an active service should have now, and on which hosts where that matters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_global
from apps.hosts.affinity import HOST_LABEL, STACK_SERVICE_LABEL, AffinityRule, parse_rules
from apps.hosts.fleet import ACCEPTING
from apps.hosts.models import Host
from apps.stacks.adopted import is_held
from apps.stacks.full_hosts import describe_full_hosts, full_hosts
from apps.stacks.global_plan import GlobalHosts, plan_global
from apps.stacks.handover_steps import HandoverStep, handover_step
from apps.stacks.models import Service, Slot
from apps.stacks.plan import ServicePlan, SlotView, plan_service
from apps.stacks.scale_policy import ScalePolicy, plan_policy

ON_HOSTS = "on_hosts"  # in the status of a global service: how many hosts should have one; others have no such entry
POLICY_SCALE = "policy_scale"  # of a service with a scale policy: how many it is held to now
FULL = "full"  # and that no more fit: with which hosts, and until when that is believed
RETRY_FULL = timedelta(minutes=4)  # less than the time after which what is in sync is reconciled again
HOSTS = "hosts"  # and how many there are
MAX_NAMED = 3  # hosts, and rules, in a reason


@dataclass(frozen=True, slots=True)
class Goal:
    """What a service is held to: the steps, its effective scale, the hosts of slots, and what is to be remembered.

    `hosts` has the host of every slot of a global service by its number; `status` goes into the service's status.
    """

    plan: ServicePlan
    scale: int
    hosts: Mapping[int, int] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    handover: HandoverStep | None = None

    def staying(self, views: Iterable[SlotView]) -> list[SlotView]:
        """The slots that are not dropped, as the upgrade's plan sees them: containers tied to a host never move."""
        kept = [view for view in views if view.number not in self.plan.drop]
        return [replace(view, must_leave=False) for view in kept] if self.hosts else kept


def goal_of(row: Service, slots: Sequence[Slot], views: Sequence[SlotView]) -> Goal:
    """The goal of a service: one container for each host that fits, as many as fit, or its scale."""
    handover = handover_step(row, slots, views)
    if handover is not None:
        plan = plan_service(row.desired, handover.scale, views)
        return Goal(plan, handover.scale, message=handover.message, handover=handover)
    if row.has_containers and is_global(row.config):
        return _global_goal(row, slots, views)
    policy = row.fit_policy if not is_held(row) else None
    if policy is not None and row.has_containers and row.desired == "active":
        return _policy_goal(row, policy, slots, views)
    return Goal(plan_service(row.desired, row.wanted_containers, views), row.wanted_containers)


def _policy_goal(row: Service, policy: ScalePolicy, slots: Sequence[Slot], views: Sequence[SlotView]) -> Goal:
    """As many containers as fit; that no more of them do is believed for a while, or until the hosts change."""
    known, now = row.status.get(FULL) or {}, timezone.now()
    hosts = _fingerprint(Host.all_objects.filter(environment=row.environment_id, removed=None))
    until = parse_datetime(str(known.get("until", "")))
    is_full = known.get("hosts") == hosts and until is not None and until > now
    homeless = frozenset(slot.number for slot in slots if _found_no_host(slot))
    fit = plan_policy(policy, row.status.get(POLICY_SCALE), views, homeless, is_full=is_full)
    status: dict[str, Any] = {POLICY_SCALE: fit.scale}
    if fit.is_full:
        end = until if is_full and until is not None else now + RETRY_FULL
        status[FULL] = {"hosts": hosts, "until": end.isoformat()}
    return Goal(fit.plan, fit.scale, status=status)


def _found_no_host(slot: Slot) -> bool:
    container = slot.container
    return container is not None and container.host_id is None and container.fault and not container.removal_requested


def _fingerprint(hosts: Iterable[Host]) -> str:
    """Changes whenever a host comes or goes, takes containers or not, or has other labels."""
    found = sorted((host.pk, host.display_state, sorted(host.all_labels.items())) for host in hosts)
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _global_goal(row: Service, slots: Sequence[Slot], views: Sequence[SlotView]) -> Goal:
    all_hosts = list(Host.all_objects.filter(environment=row.environment_id, removed=None))
    hosts = global_hosts(row, all_hosts)
    places = {slot.number: _host_of(slot) for slot in slots}
    if is_held(row):
        hosts = _held_hosts(hosts, all_hosts, places.values())
    full = _full_hosts(row, all_hosts, hosts, slots) if row.desired == "active" else {}
    hosts = GlobalHosts(hosts.eligible - full.keys(), hosts.kept - full.keys())
    plan, new = plan_global(row.desired, hosts, views, places)
    known = {number: host for number, host in places.items() if host is not None and number not in plan.drop}
    scale = len({*known, *new}) if row.desired == "active" else len(views)
    nowhere = row.desired == "active" and not hosts.eligible and not scale and not full
    missing = _why_nowhere(row, all_hosts) if nowhere else ""
    return Goal(
        plan,
        scale,
        hosts={**known, **new},
        status={ON_HOSTS: scale, HOSTS: len(all_hosts)},
        message=missing or describe_full_hosts(full, all_hosts),
    )


def _why_nowhere(row: Service, all_hosts: Sequence[Host]) -> str:
    """Why no host is to have a container of the service: the rules that active hosts break, and which break them."""
    active = [host for host in all_hosts if host.display_state in ACCEPTING]
    if not active:
        return "The environment has no active host."
    reasons = []
    for rule in host_rules(row, row.config):
        names = sorted(str(host) for host in active if rule.holds_for(host.all_labels) != rule.wanted)
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        reasons += [f"{rule.violation} ({', '.join(names[:MAX_NAMED])}{more})"] if names else []
    why = f": {'; '.join(reasons[:MAX_NAMED])}" if reasons else ""
    return f"No active host has the labels that the service asks for{why}."


def _held_hosts(hosts: GlobalHosts, all_hosts: Iterable[Host], places: Iterable[int | None]) -> GlobalHosts:
    """The hosts of what was taken over alone, whatever their labels: the rules hold from the next upgrade on."""
    taken = frozenset(place for place in places if place is not None)
    staying = {host.pk for host in all_hosts if not host.removal_requested and not host.is_draining}
    return GlobalHosts(eligible=hosts.eligible & taken, kept=taken & staying)


def _full_hosts(row: Service, all_hosts: Sequence[Host], hosts: GlobalHosts, slots: Sequence[Slot]) -> dict[int, str]:
    """The hosts that should have one and cannot take it now; one that is there already is not asked about."""
    there = {slot.container.host_id for slot in slots if slot.container is not None}
    return full_hosts(row, [host for host in all_hosts if host.pk in hosts.eligible and host.pk not in there])


def global_hosts(row: Service, hosts: Iterable[Host]) -> GlobalHosts:
    """The hosts that are to have a container of the service, and those that may keep theirs."""
    rules = host_rules(row, row.config)
    fit = [
        host
        for host in hosts
        if not host.removal_requested and all(rule.holds_for(host.all_labels) == rule.wanted for rule in rules)
    ]
    stay = [host for host in fit if not host.is_draining]
    return GlobalHosts(
        eligible=frozenset(host.pk for host in stay if host.display_state in ACCEPTING),
        kept=frozenset(host.pk for host in stay),
    )


def host_rules(row: Service, config: LaunchConfig) -> list[AffinityRule]:
    """What a configuration of the service asks of the labels of hosts, preferences aside."""
    labels = {**config.labels, STACK_SERVICE_LABEL: f"{row.stack.name}/{row.name}"}  # for names in rules
    return [rule for rule in parse_rules(labels) if rule.subject == HOST_LABEL and not rule.soft]


def _host_of(slot: Slot) -> int | None:
    """The host that a slot's container is for; it has been on one if it was made before the service was global."""
    container = slot.container
    return None if container is None else container.requested_host_id or container.host_id


def services_that_follow_hosts(row: Host) -> Iterable[tuple[str, int]]:
    """The services to requeue that are global or as many as fit, when a host comes, goes or has other labels."""
    if row.display_state in {"active", "inactive"}:  # it came to rest before: nothing that decides changes by itself
        return []
    follows_hosts = Q(status__has_key=ON_HOSTS) | Q(status__has_key=POLICY_SCALE)
    rows = Service.all_objects.filter(follows_hosts, environment=row.environment_id, removed=None, desired="active")
    return [("service", key) for key in rows.values_list("pk", flat=True)]
