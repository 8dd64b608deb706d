"""Containers in the managed network: which network of the engine they are made for, and the address that they have."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import ManagedEndpoint
from apps.containers.mirror_pulls import engine_reference
from apps.containers.models import Container
from apps.containers.port_holders import describe_holder
from apps.core.errors import Invalid
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineContainer, EngineRefused, ImageMissing, NetworkSpec
from apps.network.addresses import (
    AddressAwaited,
    AddressRefused,
    Claim,
    HolderUse,
    address_of_container,
    claim_address,
    note_engine_id,
    release_address,
)
from apps.network.engine_network import NETWORK, network_spec
from apps.network.environment_networks import network_of
from apps.network.models import Address, HostNetwork

NAME_SERVER, DOMAIN = "169.254.169.250", "rancher.internal"
REQUESTED_IP_LABEL, DNS_LABEL = "io.rancher.container.requested_ip", "io.rancher.container.dns"
_SERVICE_LABEL, _STACK_LABEL = "io.rancher.stack_service.name", "io.rancher.stack.name"
WAITS_FOR_ADDRESS = "waits_for_address"  # in the status of one whose predecessor has to end before it can start
_KnownNetwork = tuple[str, str, NetworkSpec | None]
_known_networks: set[_KnownNetwork] = set()
_network_lock = threading.Lock()


class NotYet(Exception):
    """Something else has to happen first; `str()` says what."""

    status: Mapping[str, Any] = {}


class AddressNotYet(NotYet):
    """The container that has its address has to end first, which what replaces it may go by."""

    status: Mapping[str, Any] = {WAITS_FOR_ADDRESS: True}


def local_network_name(environment_uuid: Any) -> str:
    """The bridge network of an environment on each of its engines, for hosts without a working managed network."""
    return f"corral-{str(environment_uuid)[:13]}"


def requested_address(config: LaunchConfig) -> str:
    """The address that a configuration asks for, by its field or by Rancher's label."""
    return config.requested_ip_address or str(config.labels.get(REQUESTED_IP_LABEL, "")).strip()


def check_requested_address(config: LaunchConfig, environment_id: int, at: str = "") -> None:
    """Raise `Invalid` for an address that the container cannot have.

    Whether it is in use is seen when the container is made: a service's own may have it just now.
    """
    asked = requested_address(config)
    if not asked:
        return
    field = at + field_of_address(config)
    if config.network_mode != "managed":
        raise Invalid(field, "InvalidOption", f"{asked}: only containers with networkMode managed have such addresses.")
    if why := network_of(environment_id).plan.refusal(asked):
        raise Invalid(field, "InvalidOption", why)


def reserve_requested_address(row: Container, config: LaunchConfig) -> None:
    """Give a new container the address that it asks for. Raises `Invalid` while another one has it."""
    if asked := requested_address(config):
        try:
            claim_address(Claim(row.environment_id, row.pk, row.uuid, None, requested=asked, name_of=_name_of))
        except AddressRefused as refused:
            raise Invalid(field_of_address(config), "InvalidOption", str(refused)) from None


def field_of_address(config: LaunchConfig) -> str:
    """Which field of a configuration has the address that it asks for."""
    return "requestedIpAddress" if config.requested_ip_address else "labels"


def managed_endpoint(row: Container, engine: Driver) -> ManagedEndpoint | None:
    """The row's address in the managed network, given to it now unless it has one; None where its host has no such.

    Raises `NotYet` while the host's part is about to start, or the address about to be given back, and `EngineRefused`.
    """
    part = HostNetwork.objects.filter(pk=row.host_id).first()
    asked = requested_address(row.config)
    if part is None or not part.is_active:
        if part is not None and part.is_awaited:
            raise NotYet(f"Waits for the managed network of {row.host}.")
        if asked:
            why = part.reason if part is not None and part.reason else "it is not ready"
            raise EngineRefused(f"{asked} is in the managed network, which {row.host} has no part of: {why}")
        release_address(row.pk)  # it may have had one on another host
        return None
    address = _claim_with_image(row, asked, engine)
    uses_names = str(row.config.labels.get(DNS_LABEL, "")).strip().lower() != "false"
    servers = (NAME_SERVER, *row.config.dns) if uses_names else row.config.dns
    search = (*search_domains(row.tags), *row.config.dns_search) if uses_names else row.config.dns_search
    return ManagedEndpoint(address.address, address.mac, servers, search)


def search_domains(tags: Mapping[str, Any]) -> tuple[str, ...]:
    """Where names are looked for: in its own stack and service first."""
    stack, service = str(tags.get(_STACK_LABEL, "")), str(tags.get(_SERVICE_LABEL, "")).rpartition("/")[2]
    own = (f"{stack}.{DOMAIN}", f"{service}.{stack}.{DOMAIN}") if stack and service else ()
    return (*own, DOMAIN)


def _claim_with_image(row: Container, asked: str, engine: Driver) -> Address:
    """Nobody is to end for a container that cannot be made yet."""
    try:
        return _claim(row, asked)
    except AddressNotYet:
        image = row.config.image
        known_as = engine_reference(row.host_id, image)
        if engine.find_image(image) is None and (known_as == image or engine.find_image(known_as) is None):
            raise ImageMissing(f"No such image: {row.config.image}") from None
        raise


def _claim(row: Container, asked: str) -> Address:
    try:
        return claim_address(
            Claim(
                row.environment_id,
                row.pk,
                row.uuid,
                row.host_id,
                requested=asked,
                retained_for=row.retained_address,
                use_by=partial(_use_by, row),
                name_of=_name_of,
            )
        )
    except AddressAwaited as reason:
        raise AddressNotYet(str(reason)) from None
    except AddressRefused as reason:
        raise EngineRefused(str(reason)) from None


def _use_by(row: Container, holder: int) -> HolderUse:
    """What another container does with its address; one of the same service is waited for.

    One on a host that does not answer is replaced already.
    """
    other = Container.all_objects.select_related("host").filter(pk=holder, removed=None).first()
    if other is None or (other.host is not None and other.host.is_unreachable):
        return "idle"
    if other.desired == "running":
        return "leaving" if row.spread_key and other.spread_key == row.spread_key else "in use"
    return "idle" if other.display_state in {"stopped", "error"} or not other.external_id else "leaving"


def _name_of(holder: int) -> str:
    found = Container.all_objects.filter(pk=holder).only("name", "tags").first()
    return describe_holder(found) if found is not None else "another container"


def reclaim_address(row: Container, seen: EngineContainer | None) -> None:
    """See that a container which is started again may use the address that it was made with.

    Another one may have it meanwhile, such as the successor of one that an upgrade stopped.
    """
    networks = (seen.raw.get("NetworkSettings") or {}).get("Networks") or {} if seen is not None else {}
    made_with = ((networks.get(NETWORK) or {}).get("IPAMConfig") or {}).get("IPv4Address")
    if not made_with or seen is None:
        return
    held = address_of_container(row.pk)
    if held is None or held.address != made_with:
        _claim(row, str(made_with))
        note_engine_id(row.pk, seen.id)


def ensure_network(row: Container, engine: Driver, *, known: bool = True) -> str:
    """The engine's network that the row is in, made on first need; `known` False asks the engine again.

    That of the managed network for a row that has an address there, else the environment's local bridge.
    """
    name, spec = local_network_name(row.environment.uuid), None
    part = HostNetwork.objects.filter(pk=row.host_id).first() if address_of_container(row.pk) else None
    if part is not None:
        name, spec = NETWORK, network_spec(network_of(row.environment_id), part)
    cache_key = (row.host.url if row.host else "", name, spec)
    with _network_lock:
        if not known or cache_key not in _known_networks:
            engine.ensure_network(name, {"io.corral.environment": str(row.environment.uuid)}, spec)
            _known_networks.add(cache_key)
    return name


def note_outcome(row: Container, result: ReconcileResult) -> None:
    """Give the address back with the container, or note under which id its engine knows it."""
    if result.state in {"removed", "purged"}:
        release_address(row.pk)
        return
    external_id = result.fields.get("external_id")
    if external_id and external_id != row.external_id:
        note_engine_id(row.pk, external_id)


def waits_for_address(row: Container) -> bool:
    """Whether a container is ready to be made but for its address, which the one that it replaces has."""
    return bool(row.status.get(WAITS_FOR_ADDRESS)) and not row.external_id
