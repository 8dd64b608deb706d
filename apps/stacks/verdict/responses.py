"""How balancers say that old and new containers answer: requests, and those that failed, container by container.

HAProxy counts from its last reload on, and each batch of an upgrade is one. So what was counted between two readings is
added up in the observation, as long as the containers are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from apps.core.errors import Problem
from apps.drivers.base import EngineError
from apps.stacks.balancer.finding import balancers_of_service
from apps.stacks.balancer.selectors import server_name
from apps.stacks.balancer.traffic import ServerTraffic, traffic_of
from apps.stacks.models import Service
from apps.stacks.verdict.groups import Groups
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.signals import EventRate, Events

log = logging.getLogger(__name__)

MOST_BALANCERS = 4
PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class ResponseCount:
    """What one balancer has counted of one container's answers while it was watched; `seen` is what it said last."""

    requests: int = 0
    failed: int = 0
    seen_requests: int = 0
    seen_failed: int = 0

    def with_reading(self, requests: int, failed: int) -> ResponseCount:
        """With the counters of now: lower ones than before have begun anew."""
        began_anew = requests < self.seen_requests or failed < self.seen_failed
        base = (0, 0) if began_anew else (self.seen_requests, self.seen_failed)
        more, failed_more = requests - base[0], failed - base[1]
        return ResponseCount(self.requests + more, self.failed + failed_more, requests, failed)


def read_responses(observation: UpgradeObservation, service: Service, groups: Groups) -> None:
    """Add what the service's balancers have counted since the last time; the caller says when that is due."""
    keys = [each.pk for each in balancers_of_service(service)][:MOST_BALANCERS]
    if not keys:
        return
    names = {server_name(each): str(each.pk) for each in (*groups.old, *groups.new)}
    known = {key: ResponseCount(**each) for key, each in (observation.responses or {}).items()}
    for balancer in Service.all_objects.filter(pk__in=keys).select_related("stack"):
        try:
            servers = traffic_of(balancer).servers
        except (EngineError, Problem) as error:
            log.info("the counters of balancer %s: %s", balancer.pk, error)
            continue
        known |= _added(known, balancer.pk, servers, names)
    observation.responses = {key: asdict(each) for key, each in known.items()}
    UpgradeObservation.objects.filter(pk=observation.pk, ended=None).update(responses=observation.responses)


def _added(
    known: Mapping[str, ResponseCount], balancer: int, servers: Iterable[ServerTraffic], names: Mapping[str, str]
) -> dict[str, ResponseCount]:
    """The counts with this reading of a balancer; what it counted before the first one does not belong to them."""
    found: dict[str, list[int]] = {}
    for server in servers:
        if server.name in names:
            sums = found.setdefault(f"{balancer}:{names[server.name]}", [0, 0])
            sums[0] += server.requests
            sums[1] += server.errors
    if not any(key.startswith(f"{balancer}:") for key in known):
        return {key: ResponseCount(0, 0, *sums) for key, sums in found.items()}
    return {key: known.get(key, ResponseCount()).with_reading(*sums) for key, sums in found.items()}


def failed_responses(observation: UpgradeObservation, groups: Groups) -> tuple[EventRate, ...]:
    """Failed requests among all of them; nothing where no balancer leads to the service."""
    if observation.responses is None:
        return ()
    counts = {key: ResponseCount(**each) for key, each in observation.responses.items()}
    new = _sum(counts, {str(each.pk) for each in groups.new})
    missing = "" if new.seconds else "No new container has answered a request of a balancer yet."
    old = _sum(counts, {str(each.pk) for each in groups.old})
    return (EventRate("responses", Events(), old, new, minimum=5, missing=missing, unit=PERCENT),)


def _sum(counts: Mapping[str, ResponseCount], containers: set[str]) -> Events:
    mine = [each for key, each in counts.items() if key.partition(":")[2] in containers]
    return Events(sum(each.failed for each in mine), float(sum(each.requests for each in mine)))
