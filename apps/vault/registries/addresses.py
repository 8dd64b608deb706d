"""Which registry an image's name means, and what may be the address of one; pure.

The grammar is Docker's: the part before the first slash is a registry if it holds a dot or a colon, is `localhost`, or
has capital letters; every other name is one of Docker Hub.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from apps.core.errors import Invalid

DOCKER_HUB = "docker.io"
DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"
"""What engines call Docker Hub where they log in to it, whichever of its names an image has."""
MAX_ADDRESS = 255

_DOCKER_HUB_NAMES = frozenset(
    {DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"}
)
_SCHEMES = ("https://", "http://")
_API_PATHS = frozenset({"", "v1", "v2"})
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """`text` as it was given, without scheme and path; `domain` is the registry's one name in all its spellings."""

    text: str
    domain: str


def domain_of_image(image: str) -> str:
    """The registry that an image's name means."""
    first, slash, _rest = image.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    return _domain(first) if is_registry else DOCKER_HUB


def _domain(address: str) -> str:
    lowered = address.lower()
    return DOCKER_HUB if lowered in _DOCKER_HUB_NAMES else lowered


def title_of(domain: str) -> str:
    """The registry as people call it."""
    return "Docker Hub" if domain == DOCKER_HUB else domain


def login_address(domain: str) -> str:
    """The registry as engines call it where they log in."""
    return DOCKER_HUB_LOGIN if domain == DOCKER_HUB else domain


def parse_address(field: str, value: object) -> RegistryAddress:
    """The address of a registry: a name or an IP address, and a port. Raises `Invalid`."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(field, "MissingRequired", f"{field}: give the registry's address, such as quay.io.")
    text = value.strip().lower()
    if len(text) > MAX_ADDRESS:
        raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {MAX_ADDRESS} characters.")
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    address, _slash, path = text.removeprefix(scheme).partition("/")
    if path.strip("/") not in _API_PATHS:
        raise _refuse(field, value, f"give the registry without the path of a repository: {address}")
    host, port = _split_port(address)
    if not _is_host(host) or (port is not None and not _is_port(port)):
        raise _refuse(field, value, "write it like registry.example.org or 10.0.0.5:5000")
    if port is None and "." not in host and host != "localhost" and not host.startswith("["):
        # Docker takes `registry/app` for the repository app of a user at Docker Hub.
        raise _refuse(field, value, f"images called {host}/… are Docker Hub's; add the port, such as {host}:443")
    return RegistryAddress(address, _domain(address))


def _refuse(field: str, value: str, remedy: str) -> Invalid:
    return Invalid(field, "InvalidFormat", f"{field}: {value.strip()[:100]!r} is not a registry's address; {remedy}.")


def _split_port(address: str) -> tuple[str, str | None]:
    """Host and port, None without one; an IPv6 address stands in brackets."""
    head, bracket, tail = address.partition("]")
    if bracket:
        return f"{head}]", tail[1:] if tail.startswith(":") else None if not tail else "invalid"
    host, colon, port = address.partition(":")
    return host, port if colon else None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= _MAX_PORT


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        return _is_ipv6(host[1:-1])
    return all(_is_label(label) for label in host.split("."))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_label(label: str) -> bool:
    is_plain = label.isascii() and label.replace("-", "").isalnum()
    return is_plain and len(label) <= 63 and not label.startswith("-") and not label.endswith("-")
