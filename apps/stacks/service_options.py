"""What a service is besides its launch configuration: its kind, where it leads, what it selects. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import HealthCheck, check_request
from apps.core.errors import Invalid
from apps.stacks.balancer.launch import BALANCER_IMAGES, config_of_balancer
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.label_selector import check_selector

SERVICE, EXTERNAL, ALIAS, BALANCER = "service", "externalService", "dnsService", "loadBalancerService"
KINDS = (SERVICE, EXTERNAL, ALIAS, BALANCER)
KIND_IMAGES: Mapping[str, str] = {
    EXTERNAL: "rancher/external-service",
    ALIAS: "rancher/dns-service",
    BALANCER: BALANCER_IMAGES[0],
}
NO_IMAGE = "rancher/none"  # a service of containers that are only selected
SELECTOR_LABELS: Mapping[str, str] = {
    "selector_link": "io.rancher.service.selector.link",
    "selector_container": "io.rancher.service.selector.container",
}
ADDRESS_SETTINGS = ("assignServiceIpAddress", "retainIp", "vip")
MAX_ADDRESSES = 100
_HOST_NAME = re.compile(r"(?=.{1,253}\.?$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_REASONS = {
    EXTERNAL: "an external service has no containers: change its addresses or its hostname",
    ALIAS: "a service alias has no containers: change the services that it links to",
    SERVICE: f"its image {NO_IMAGE} stands for no containers of its own: label others so that its selector finds them",
}


@dataclass(frozen=True, slots=True)
class ExternalTarget:
    """Where an external service leads: addresses or a hostname, and the check of them, as v1 writes it."""

    addresses: tuple[str, ...] = ()
    hostname: str = ""
    health_check: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        check = {"healthCheck": dict(self.health_check)} if self.health_check else {}
        return {"addresses": list(self.addresses), "hostname": self.hostname, **check}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ExternalTarget:
        """From what was stored."""
        return cls(tuple(stored.get("addresses", ())), stored.get("hostname", ""), stored.get("healthCheck"))


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The kind of a service, and what only some services have.

    `address_settings` are what v1's clients want of addresses, by v1's names: kept and shown, as clients compare them.
    """

    kind: str = SERVICE
    external: ExternalTarget = field(default_factory=ExternalTarget)
    selector_link: str = ""
    selector_container: str = ""
    address_settings: Mapping[str, Any] = field(default_factory=dict)
    balancer: BalancerSettings | None = None

    def columns(self) -> dict[str, Any]:
        """The columns of the service's row. Raises `Invalid` for what is wrong or does not go together."""
        check_selector(self.selector_link, "selectorLink")
        check_selector(self.selector_container, "selectorContainer")
        if self.kind == EXTERNAL and not (self.external.addresses or self.external.hostname):
            reason = "Say where the external service leads: externalIpAddresses, or a hostname."
            raise Invalid("externalIpAddresses", "MissingRequired", reason)
        return {
            "kind": self.kind,
            "external": self.external.to_json() if self.kind == EXTERNAL else {},
            "selector_link": self.selector_link,
            "selector_container": self.selector_container,
            "address_settings": dict(self.address_settings),
            "balancer": (self.balancer or BalancerSettings()).to_json() if self.kind == BALANCER else None,
        }

    def with_labels(self, labels: Mapping[str, str]) -> ServiceOptions:
        """These, with the selectors of labels where none is given."""
        return replace(
            self,
            selector_link=self.selector_link or labels.get(SELECTOR_LABELS["selector_link"], ""),
            selector_container=self.selector_container or labels.get(SELECTOR_LABELS["selector_container"], ""),
        )


DEFAULT_OPTIONS = ServiceOptions()


def options_from_json(stored: Mapping[str, Any]) -> ServiceOptions:
    """The value whose columns were stored."""
    balancer = stored.get("balancer")
    found = {
        "external": ExternalTarget.from_json(stored["external"]),
        "balancer": BalancerSettings.from_json(balancer) if balancer is not None else None,
    }
    return ServiceOptions(**{**stored, **found})


def is_without_image(image: str) -> bool:
    """Whether an image, as engines name it, stands for no containers."""
    return image.partition("@")[0].partition(":")[0] == NO_IMAGE


def has_containers(kind: str, image: str) -> bool:
    """Whether a service of this kind and image has containers of its own."""
    return kind == BALANCER or (kind == SERVICE and not is_without_image(image))


def without_containers(kind: str) -> str:
    """Why what is done to containers cannot be done to a service that has none."""
    return _REASONS[kind]


def kind_of_image(image: str) -> str:
    """The kind that a compose file means by an image."""
    name = image.partition("@")[0].partition(":")[0]
    if name in BALANCER_IMAGES:
        return BALANCER
    return next((kind for kind, known in KIND_IMAGES.items() if name == known), SERVICE)


def config_of_kind(kind: str, data: Mapping[str, Any], at: str = "launchConfig.") -> LaunchConfig:
    """A launch configuration for a service of this kind; only services need an image."""
    if kind == BALANCER:
        return config_of_balancer(data, at)
    if kind == SERVICE:
        return LaunchConfig.from_wire(data, at=at)
    named = {**data, "imageUuid": data.get("imageUuid") or f"docker:{KIND_IMAGES[kind]}"}
    return LaunchConfig.from_wire(named, at=at, image_required=False)


def parse_target(
    addresses: Sequence[Any] | None, hostname: Any = "", health_check: Mapping[str, Any] | None = None
) -> ExternalTarget:
    """Where an external service leads, of what a client sent. Raises `Invalid`."""
    given = [each for each in addresses or () if each is not None and each != ""]
    if given and hostname:
        reason = "Give externalIpAddresses or a hostname, not both: a name leads to one or the other."
        raise Invalid("hostname", "InvalidOption", reason)
    check, at = None, "healthCheck."
    if health_check:
        check = check_request(HealthCheck.from_wire(health_check, at=at), at).to_wire()
    return ExternalTarget(_check_addresses(given), _check_hostname(hostname) if hostname else "", check)


def _check_addresses(given: Iterable[Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for each in given:
        try:
            found[str(ipaddress.ip_address(str(each).strip()))] = None
        except ValueError:
            reason = f"{str(each)[:60]!r} is no IP address, such as 192.0.2.7 or 2001:db8::7; a name goes to hostname."
            raise Invalid("externalIpAddresses", "InvalidFormat", reason) from None
    if len(found) > MAX_ADDRESSES:
        raise Invalid("externalIpAddresses", "MaxLimitExceeded", f"At most {MAX_ADDRESSES} addresses are possible.")
    return tuple(found)


def is_host_name(text: str) -> bool:
    """Whether it is a name that a resolver can be asked for; underscores are used in them, too."""
    return _HOST_NAME.fullmatch(text) is not None


def _check_hostname(value: Any) -> str:
    text = str(value).strip()
    if not is_host_name(text):
        reason = f"{text[:60]!r} is no host name, such as db.example.com: letters, digits and '-' between dots."
        raise Invalid("hostname", "InvalidFormat", reason)
    if _is_address(text):
        raise Invalid("hostname", "InvalidFormat", f"{text} is an address: send it in externalIpAddresses.")
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def with_selector_labels(config: LaunchConfig, options: ServiceOptions) -> LaunchConfig:
    """The configuration with the labels by which a compose file says what the service selects."""
    labels = {name: value for name, value in config.labels.items() if name not in SELECTOR_LABELS.values()}
    wanted = {label: getattr(options, name) for name, label in SELECTOR_LABELS.items() if getattr(options, name)}
    kept = {name: wanted.get(name, value) for name, value in config.labels.items() if name in labels or name in wanted}
    return config if {**kept, **wanted} == config.labels else replace(config, labels={**kept, **wanted})
