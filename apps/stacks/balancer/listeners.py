"""The listeners of a balancer, as v1 and compose files write them: `ports`, `expose` and labels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.containers.launch.values import Port
from apps.core.errors import Invalid
from apps.stacks.balancer.config import HEALTH_PORT, HTTP, HTTPS, PROTOCOLS, TCP, TLS, Listener

SSL_LABEL = "io.rancher.loadbalancer.ssl.ports"
PROXY_LABEL = "io.rancher.loadbalancer.proxy-protocol.ports"
MAX_LISTENERS = 100
_ENCRYPTED = {HTTP: HTTPS, TCP: TLS}
_PLAIN = {HTTPS: HTTP, TLS: TCP}


def parse_listeners(
    ports: Sequence[Any] | None, expose: Sequence[Any] | None, labels: Mapping[str, str], at: str = ""
) -> tuple[Listener, ...]:
    """Read all of them; `ports` are public, `expose` internal ones. Raises `Invalid` on a field below `at`."""
    found = [_parse(each, f"{at}ports", is_public=True) for each in ports or ()]
    found += [_parse(each, f"{at}expose", is_public=False) for each in expose or ()]
    encrypted = _label_ports(labels, SSL_LABEL, at)
    proxied = _label_ports(labels, PROXY_LABEL, at)
    listeners = (
        replace(
            each,
            protocol=_ENCRYPTED.get(each.protocol, each.protocol) if each.port in encrypted else each.protocol,
            proxy_protocol=each.port in proxied,
        )
        for each in found
    )
    return check_listeners(listeners, f"{at}ports")


def check_listeners(listeners: Iterable[Listener], field: str = "ports") -> tuple[Listener, ...]:
    """Raise `Invalid` unless they can be a balancer's together."""
    found = tuple(listeners)
    if len(found) > MAX_LISTENERS:
        raise Invalid(field, "MaxLimitExceeded", f"{field}: a balancer has at most {MAX_LISTENERS} listeners.")
    seen: set[int] = set()
    for each in found:
        if each.port == HEALTH_PORT:
            why = f"Port {HEALTH_PORT} answers the balancer's own health check; let it listen on another port."
            raise Invalid(field, "InvalidOption", why)
        if each.port in seen:
            why = f"Port {each.port} is there twice; a port has one listener. Send different hosts or paths by rules."
            raise Invalid(field, "NotUnique", why)
        seen.add(each.port)
    return found


def _parse(value: Any, field: str, *, is_public: bool) -> Listener:
    """Read `[ip:]source port[:target port][/http|https|tcp|tls]`."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise Invalid(field, "PortWrongFormat", f"{field}: write a text such as 80:8080.")
    numbers, slash, protocol = str(value).partition("/")
    protocol = protocol.strip().lower()
    if slash and protocol not in PROTOCOLS:
        why = f"{str(value)[:60]!r}: a balancer's protocol is one of {', '.join(PROTOCOLS)}."
        raise Invalid(field, "PortInvalidProtocol", why)
    port = Port.parse(numbers.strip(), field)
    if port.choice is not None:
        why = f"{str(value)[:60]!r}: a listener has one port, not a range."
        raise Invalid(field, "PortWrongFormat", why)
    if port.address and not is_public:
        raise Invalid(field, "PortWrongFormat", f"{str(value)[:60]!r}: an internal listener has no address.")
    return Listener(
        port.public or port.private,
        protocol or HTTP,
        is_public=is_public,
        target_port=port.private,
        address=port.address,
    )


def _label_ports(labels: Mapping[str, str], label: str, at: str) -> frozenset[int]:
    """The listeners that a label names, separated by commas."""
    texts = [each.strip() for each in str(labels.get(label, "")).split(",") if each.strip()]
    if not all(each.isascii() and each.isdigit() and len(each) <= 5 for each in texts):
        raise Invalid(f"{at}labels", "InvalidPort", f"The label {label} names ports, such as 443,8443.")
    return frozenset(map(int, texts))


def write_listener(listener: Listener) -> str:
    """As `ports` and `expose` have it."""
    address = f"[{listener.address}]:" if ":" in listener.address else f"{listener.address}:"
    front = address if listener.address else ""
    plain = _PLAIN.get(listener.protocol, listener.protocol)
    protocol = "" if plain == HTTP else f"/{plain}"
    return f"{front}{listener.port}:{listener.target_port or listener.port}{protocol}"


def with_listener_labels(labels: Mapping[str, str], listeners: Iterable[Listener]) -> dict[str, str]:
    """Labels that say which listeners are encrypted or proxied; what says so already stays as it was written."""
    found, listeners = dict(labels), tuple(listeners)
    there = {each.port for each in listeners}
    wanted = {
        SSL_LABEL: {each.port for each in listeners if each.is_encrypted},
        PROXY_LABEL: {each.port for each in listeners if each.proxy_protocol},
    }
    for label, ports in wanted.items():
        if _label_ports(labels, label, "") & there != ports:
            found[label] = ",".join(map(str, sorted(ports)))
        if not ports and not found.get(label):
            found.pop(label, None)
    return found
