"""Memory and processors that a container reserves: no host is ever asked for more than it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.core.sizes import exact_size_text
from apps.hosts.models import Host


def check_reservations(config: LaunchConfig, environment_id: int, at: str = "") -> None:
    """Refuse what no host of the environment could ever give, empty as it might be. Raises `Invalid`.

    A host of which nobody knows yet how big it is might; and where there is none, one that comes may.
    """
    check_unit_reservations([(at, config)], environment_id)


def check_unit_reservations(members: Sequence[tuple[str, LaunchConfig]], environment_id: int) -> None:
    """Refuse the same of containers that run on one host together. Raises `Invalid` on what takes the most.

    Each of `members` has what its fields are called in the request (`launchConfig.`).
    """
    memory = [(f"{at}memoryReservation", config.memory_reservation or 0) for at, config in members]
    cpu = [(f"{at}milliCpuReservation", config.milli_cpu_reservation or 0) for at, config in members]
    if not any(each for _field, each in (*memory, *cpu)):
        return
    hosts = list(Host.all_objects.filter(environment=environment_id, removed=None).defer("tls"))
    limits = [(each.reservable_memory, each.reservable_milli_cpu) for each in hosts]
    _require_fit(memory, [limit for limit, _cpu in limits], _of_memory)
    _require_fit(cpu, [limit for _memory, limit in limits], _in_cpus)
    _require_both(memory, cpu, limits)


Reserved = Sequence[tuple[str, int]]
"""What each member reserves, by its field."""


def _require_fit(reserved: Reserved, limits: Sequence[int | None], words: Callable[[int], str]) -> None:
    wanted = _total(reserved)
    known = [limit for limit in limits if limit is not None]
    if not wanted or not known or len(known) < len(limits) or wanted <= max(known):
        return
    why = f"{_described(reserved, words)}, and the biggest host here has {words(max(known))}"
    raise Invalid(_largest(reserved), "MaxLimitExceeded", f"{why}: reserve less, or add a bigger host.")


def _require_both(memory: Reserved, cpu: Reserved, limits: Sequence[tuple[int | None, int | None]]) -> None:
    """One host may have the memory and another one the processors: no host has both then."""
    wanted = _total(memory), _total(cpu)
    fitting = (all(limit is None or need <= limit for need, limit in zip(wanted, host, strict=True)) for host in limits)
    if not all(wanted) or not limits or any(fitting):
        return
    why = f"{_described(memory, _of_memory)}, and {_in_cpus(wanted[1])} besides, and no host here has both"
    raise Invalid(_largest(memory), "MaxLimitExceeded", f"{why}: reserve less, or add a bigger host.")


def _total(reserved: Reserved) -> int:
    return sum(each for _field, each in reserved)


def _largest(reserved: Reserved) -> str:
    return max(reserved, key=lambda each: each[1])[0]


def _described(reserved: Reserved, words: Callable[[int], str]) -> str:
    """What is reserved; of several containers the sum, and that they share a host."""
    parts = [each for _field, each in reserved if each]
    if len(parts) < 2:
        return f"{words(sum(parts))} are reserved"
    return f"The containers of a unit run on one host, and reserve {words(sum(parts))} together"


def _of_memory(value: int) -> str:
    return f"{exact_size_text(value)} of memory"


def _in_cpus(value: int) -> str:
    return f"{value / 1000:g} CPUs"
