"""Memory and processors that a container reserves: no host is ever asked for more than it has."""

from __future__ import annotations

from collections.abc import Callable

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.core.sizes import exact_size_text
from apps.hosts.models import Host


def check_reservations(config: LaunchConfig, environment_id: int, at: str = "") -> None:
    """Refuse what no host of the environment could ever give, empty as it might be. Raises `Invalid`.

    A host of which nobody knows yet how big it is might; and where there is none, one that comes may.
    """
    if not (config.memory_reservation or config.milli_cpu_reservation):
        return
    hosts = list(Host.all_objects.filter(environment=environment_id, removed=None).defer("tls"))
    memory, cpu = config.memory_reservation or 0, config.milli_cpu_reservation or 0
    _require_fit(f"{at}memoryReservation", memory, [each.reservable_memory for each in hosts], _of_memory)
    _require_fit(f"{at}milliCpuReservation", cpu, [each.reservable_milli_cpu for each in hosts], _in_cpus)


def _require_fit(field: str, wanted: int, limits: list[int | None], words: Callable[[int], str]) -> None:
    known = [limit for limit in limits if limit is not None]
    if not wanted or not known or len(known) < len(limits) or wanted <= max(known):
        return
    why = f"{words(wanted)} are reserved, and the biggest host here has {words(max(known))}"
    raise Invalid(field, "MaxLimitExceeded", f"{why}: reserve less, or add a bigger host.")


def _of_memory(value: int) -> str:
    return f"{exact_size_text(value)} of memory"


def _in_cpus(value: int) -> str:
    return f"{value / 1000:g} CPUs"
