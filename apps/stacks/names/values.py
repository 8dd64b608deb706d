"""What names are rendered from: the services and running containers of one environment, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DOMAIN = "rancher.internal"


@dataclass(frozen=True, slots=True)
class NamedContainer:
    """A container that runs. `address` is where others reach it, empty for nowhere.

    `service` is the key of its service, `sidekick` which of that one's sidekicks it is; `links` are names that it has
    for other containers, by their keys. `asks_as_host` says that it shares its host's network.
    """

    key: int
    name: str
    address: str
    host: int | None = None
    is_healthy: bool = True
    service: int | None = None
    sidekick: str = ""
    asks_as_host: bool = False
    links: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedService:
    """A service. `selected` are containers of others that belong to it; `addresses` and `hostname` lead outside.

    `links` are its names for other services, by their keys; for an alias they are what it stands for.
    """

    key: int
    name: str
    stack: str
    is_alias: bool = False
    is_external: bool = False
    is_active: bool = True
    selected: Sequence[int] = ()
    addresses: Sequence[str] = ()
    hostname: str = ""
    links: Sequence[tuple[str, int]] = ()

    @property
    def record(self) -> str:
        """Its full name, without the domain."""
        return service_record(self.name, self.stack)


def service_record(name: str, stack: str) -> str:
    """The full name of a service, without the domain."""
    return f"{name}.{stack}".lower()


def service_fqdn(name: str, stack: str) -> str:
    """The full name of a service, by which every container of its environment reaches it."""
    return f"{service_record(name, stack)}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class EnvironmentNames:
    """Everything that has a name in one environment."""

    services: Sequence[NamedService] = ()
    containers: Sequence[NamedContainer] = ()
