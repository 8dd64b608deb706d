"""How long the scheduler thinks: a thousand containers with rules of every kind onto a thousand hosts, in memory."""

from __future__ import annotations

import time

from apps.hosts.affinity import PREFIX, STACK_SERVICE_LABEL
from apps.hosts.fleet import Fleet, HostView, Neighbour
from apps.hosts.placement import Placed, PlacementRequirements, choose_host

RULES = {
    f"{PREFIX}host_label": "disk=ssd",
    f"{PREFIX}host_label_soft": "zone=a",
    f"{PREFIX}container_label_ne": f"{STACK_SERVICE_LABEL}=$${{stack_name}}/$${{service_name}}",
    f"{PREFIX}container_label_soft": "role=db",
}


def place_all(containers: int, hosts: int) -> int:
    """Place one container after the other, ten to a service, and return how many found a host."""
    views = (
        HostView(number, f"host-{number}", labels={"zone": "ab"[number % 2], "disk": "ssd", "rack": str(number % 20)})
        for number in range(1, hosts + 1)
    )
    fleet, placed = Fleet(views), 0
    for number in range(containers):
        labels = {**RULES, STACK_SERVICE_LABEL: f"shop/web{number // 10}", "role": ("db", "web")[number % 7 > 0]}
        answer = choose_host(PlacementRequirements(labels=labels), fleet, explain=False)
        if isinstance(answer, Placed):
            placed += 1
            fleet.place(Neighbour(answer.host_id, f"c{number}", labels=labels))
    return placed


def measure_placement(containers: int = 1000, hosts: int = 1000) -> float:
    """Seconds for all of them. Raises `RuntimeError` when one found no host."""
    began = time.perf_counter()
    placed = place_all(containers, hosts)
    if placed != containers:
        raise RuntimeError(f"{containers - placed} containers found no host")
    return time.perf_counter() - began
