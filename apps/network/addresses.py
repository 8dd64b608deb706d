"""Giving out the addresses of managed networks: one for each container, each to one container at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.network.addressing import first_free
from apps.network.environment_networks import lock_network
from apps.network.models import Address, EnvironmentNetwork

_WINDOW = 128


HolderUse = Literal["idle", "leaving", "in use"]
"""What a container does with the address that it has: nothing, until it has ended, or it goes on using it."""


class AddressRefused(Exception):
    """The address cannot be given; `str()` says why, and what to do."""


class AddressAwaited(Exception):
    """The address is given back in a moment; `str()` says by whom."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants an address: container row `holder` on a host.

    `requested` is the only address that will do, empty for any; `retained_for` the place of a service that keeps its
    address. `use_by(row)` says what another container does with the address that it has: one that an upgrade stopped
    and keeps for a rollback has no use for it. Its name is `name_of(row)`.
    """

    environment_id: int
    holder: int
    container: UUID
    host_id: int | None
    requested: str = ""
    retained_for: str = ""
    use_by: Callable[[int], HolderUse] = lambda _holder: "in use"
    name_of: Callable[[int], str] = lambda _holder: "another container"


def address_of_container(holder: int) -> Address | None:
    """The address that a container has."""
    found: Address | None = Address.objects.filter(holder=holder).first()
    return found


def claim_address(claim: Claim) -> Address:
    """Give the container an address, or find the one that it has. Raises `AddressRefused` and `AddressAwaited`."""
    with transaction.atomic():
        network = lock_network(claim.environment_id)
        found = address_of_container(claim.holder)
        if found is not None and claim.requested in {"", found.address}:
            if found.host_id != claim.host_id:
                found.give_to(host_id=claim.host_id)
                _count_change(network)
            return found
        chosen = _requested(network, claim) if claim.requested else _retained(claim) or _any_free(network)
        Address.objects.filter(holder=claim.holder).exclude(pk=chosen.pk).update(holder=None, freed_at=timezone.now())
        chosen.give_to(
            holder=claim.holder,
            container=claim.container,
            host_id=claim.host_id,
            retained_for=_retention(claim, chosen),
        )
        _count_change(network)
        return chosen


def _retention(claim: Claim, chosen: Address) -> str:
    """A place keeps one address only: while its former container still uses that, the new one's is its own."""
    if not claim.retained_for or chosen.retained_for == claim.retained_for:
        return claim.retained_for
    kept = Address.objects.filter(environment=claim.environment_id, retained_for=claim.retained_for)
    return "" if kept.exists() else claim.retained_for


def _requested(network: EnvironmentNetwork, claim: Claim) -> Address:
    if why := network.plan.refusal(claim.requested):
        raise AddressRefused(why)
    found: Address | None = Address.objects.filter(environment=network.pk, address=claim.requested).first()
    if found is None:
        return Address(environment_id=network.pk, address=claim.requested)
    if not _can_be_taken(found, claim):
        raise AddressRefused(f"{claim.requested} is in use by {claim.name_of(found.holder or 0)}.")
    return found


def _can_be_taken(row: Address, claim: Claim) -> bool:
    if row.holder is None or row.holder == claim.holder:
        return True
    use = claim.use_by(row.holder)
    if use == "leaving":
        raise AddressAwaited(f"Waits for {claim.name_of(row.holder)} to give up {row.address}.")
    return use == "idle"


def _retained(claim: Claim) -> Address | None:
    if not claim.retained_for:
        return None
    kept = Address.objects.filter(environment=claim.environment_id, retained_for=claim.retained_for).first()
    return kept if kept is not None and _can_be_taken(kept, claim) else None


def _any_free(network: EnvironmentNetwork) -> Address:
    """The next address that nobody had lately; one given back a moment ago only when there is no other."""
    plan, after = network.plan, network.cursor
    for _ in range(0, plan.size, _WINDOW):
        candidates = plan.following(after, _WINDOW)
        rows = {row.address: row for row in _of(network).filter(address__in=candidates)}
        taken = {address for address, row in rows.items() if not _is_free(row)}
        if (address := first_free(candidates, taken)) is not None:
            return _at(network, rows.get(address), address)
        after = candidates[-1]
    oldest = _of(network).filter(holder=None).order_by("retained_for", "freed_at").first()
    if oldest is None:
        raise AddressRefused(
            f"All {plan.size} addresses of {network.subnet} are in use; remove containers that are not needed."
        )
    return _at(network, oldest, oldest.address)


def _is_free(row: Address) -> bool:
    return row.holder is None and not row.retained_for and not row.is_quarantined


def _at(network: EnvironmentNetwork, row: Address | None, address: str) -> Address:
    network.cursor = address
    EnvironmentNetwork.objects.filter(pk=network.pk).update(cursor=address)
    return row or Address(environment_id=network.pk, address=address)


def _of(network: EnvironmentNetwork) -> QuerySet[Address]:
    rows: QuerySet[Address] = Address.objects.filter(environment=network.pk)
    return rows


def _count_change(network: EnvironmentNetwork) -> None:
    EnvironmentNetwork.objects.filter(pk=network.pk).update(revision=F("revision") + 1)


def note_engine_id(holder: int, engine_id: str) -> None:
    """Note under which id the engine knows the container that has an address."""
    Address.objects.filter(holder=holder).exclude(engine_id=engine_id).update(engine_id=engine_id)


def release_address(holder: int) -> None:
    """Take back the address of a container that is gone; the place of a service that retains it keeps it."""
    if address_of_container(holder) is not None:
        _release(Q(holder=holder))


def release_retained(prefix: str) -> None:
    """Give up the addresses of places that are gone."""
    if Address.objects.filter(retained_for__startswith=prefix).exists():
        with transaction.atomic():
            Address.objects.filter(retained_for__startswith=prefix, holder=None).update(freed_at=timezone.now())
            Address.objects.filter(retained_for__startswith=prefix).update(retained_for="")


def release_holders(holders: list[int]) -> None:
    """Take back the addresses of containers that are gone without having given them back."""
    _release(Q(holder__in=holders))


def _release(which: Q) -> None:
    freed: dict[str, Any] = {"holder": None, "container": None, "host": None, "engine_id": ""}
    with transaction.atomic():
        rows = Address.objects.filter(which)
        environments = sorted(set(rows.values_list("environment", flat=True)))
        locked = [lock_network(key) for key in environments]
        rows.update(**freed, freed_at=timezone.now())
        for network in locked:
            _count_change(network)
