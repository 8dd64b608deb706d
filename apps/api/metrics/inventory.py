"""What the database knows of hosts, stacks, services, containers, and work that is due. No engine is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone

from apps.api.metrics.families import MetricFamily, labelled
from apps.containers.models import Container
from apps.control.models import PENDING_STATES, Operation
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import AGENT_SCHEME, Host
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import health_of

_MODELS = {"host": Host, "stack": Stack, "service": Service, "container": Container}


def inventory_families(environments: Iterable[int]) -> list[MetricFamily]:
    """The metrics of these environments; always the same number of queries."""
    keys = list(environments)
    now = timezone.now()
    return [
        _environment_names(keys),
        *(_by_state(kind, keys) for kind in _MODELS),
        _services_by_health(keys),
        _containers_by_health(keys),
        _connected_agents(keys, now),
        *_due_rows(keys, now),
        _open_operations(keys),
    ]


def _rows(model: Any, keys: list[int]) -> QuerySet[Any]:
    found: QuerySet[Any] = model.objects.within(keys).filter(removed=None).order_by()
    return found


def _place(key: int) -> str:
    return wire_id("a", key)


def _environment_names(keys: list[int]) -> MetricFamily:
    rows = Environment.objects.filter(pk__in=keys, removed=None).values_list("pk", "name", "display_state")
    return labelled(
        "corral_environment_info",
        "An environment's name and state; always 1.",
        "environment name state",
        (((_place(key), name, state), 1) for key, name, state in rows),
    )


def _by_state(kind: str, keys: list[int]) -> MetricFamily:
    rows = _rows(_MODELS[kind], keys).values_list("environment", "display_state").annotate(Count("pk"))
    return labelled(
        f"corral_{kind}s",
        f"How many {kind}s there are, by state.",
        "environment state",
        (((_place(key), state), count) for key, state, count in rows),
    )


def _services_by_health(keys: list[int]) -> MetricFamily:
    found: Counter[tuple[str, str, str]] = Counter()
    columns = _rows(Service, keys).annotate(health=KT("status__health"))
    grouped = columns.values_list("environment", "kind", "desired", "fault", "health").annotate(Count("pk"))
    for key, kind, desired, fault, health, count in grouped:
        found[_place(key), kind, health_of(Service(desired=desired, fault=fault, status={"health": health}))] += count
    return labelled(
        "corral_service_health",
        "How many services there are, by kind and health.",
        "environment kind health",
        found.items(),
    )


def _containers_by_health(keys: list[int]) -> MetricFamily:
    checked = _rows(Container, keys).exclude(health="")
    rows = checked.values_list("environment", "health").annotate(Count("pk"))
    return labelled(
        "corral_container_health",
        "How many containers with a health check there are, by health.",
        "environment health",
        (((_place(key), health), count) for key, health, count in rows),
    )


def _connected_agents(keys: list[int], now: datetime) -> MetricFamily:
    connected = Count("pk", filter=Q(gateway_until__gt=now) & ~Q(tunnel_socket=""))
    with_agent = _rows(Host, keys).filter(url__startswith=AGENT_SCHEME)
    samples: list[tuple[tuple[str, str], float]] = []
    for key, everything, here in with_agent.values_list("environment").annotate(Count("pk"), here=connected):
        samples += [((_place(key), "yes"), here), ((_place(key), "no"), everything - here)]
    return labelled(
        "corral_agents", "How many hosts have an agent, by whether it is connected.", "environment connected", samples
    )


def _due_rows(keys: list[int], now: datetime) -> list[MetricFamily]:
    """Rows whose reconcile is due and has not begun, and for how long the oldest has waited."""
    counts, waits = [], []
    for kind, model in _MODELS.items():
        due = _rows(model, keys).filter(next_attempt_at__lte=now)
        for key, count, oldest in due.values_list("environment").annotate(Count("pk"), Min("next_attempt_at")):
            counts.append(((_place(key), kind), float(count)))
            waits.append(((_place(key), kind), (now - oldest).total_seconds()))
    return [
        labelled("corral_reconciles_due", "Rows whose reconcile is due.", "environment kind", counts),
        labelled(
            "corral_reconcile_lag_seconds", "How long the oldest of them has been due.", "environment kind", waits
        ),
    ]


def _open_operations(keys: list[int]) -> MetricFamily:
    rows = Operation.objects.within(keys).filter(state__in=PENDING_STATES).order_by()
    grouped = rows.values_list("environment", "kind").annotate(Count("pk"))
    return labelled(
        "corral_operations_open",
        "Operations that have not ended, by what they are about.",
        "environment kind",
        (((_place(key), kind), count) for key, kind, count in grouped),
    )
