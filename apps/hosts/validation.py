"""Validation of a new host's endpoint: its engine's address and credentials; pure."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from apps.core.errors import Invalid
from apps.drivers.base import EngineRefused
from apps.drivers.ssh.address import parse_ssh_url

SCHEMES = ("unix", "tcp", "ssh", "sim")
REMOTE_SCHEMES = frozenset({"tcp", "ssh"})
_URL_HINT = "use unix:///path/to/socket, tcp://address:port or ssh://user@address"


def validate_url(url: Any) -> str:
    """The address, if it is one of an engine. Raises `Invalid`."""
    if not isinstance(url, str) or not url:
        raise Invalid("url", "MissingRequired", "Say where the engine listens, such as tcp://10.0.0.5:2376.")
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname and parts.port)
    except ValueError:
        raise Invalid("url", "InvalidFormat", f"{url!r} is not an engine address: {_URL_HINT}.") from None
    if parts.scheme not in SCHEMES:
        raise Invalid("url", "InvalidFormat", f"{url!r}: {_URL_HINT}.")
    if parts.scheme == "tcp" and not is_complete:
        raise Invalid("url", "InvalidFormat", f"{url!r}: a tcp address needs a host and a port, such as tcp://h:2376.")
    if parts.scheme == "ssh":
        _check_ssh(url)
    if parts.scheme in REMOTE_SCHEMES and _is_link_local(parts.hostname or ""):
        why = "no engine is added at a link-local address, where clouds keep their machines' credentials"
        raise Invalid("url", "InvalidFormat", f"{url!r}: {why}.")
    return url


def _is_link_local(host: str) -> bool:
    """Whether it is a link-local address, in any of the forms in which resolvers take one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # 169.254.43518, 0xa9fea9fe
        except OSError:
            return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_link_local)


def _check_ssh(url: str) -> None:
    try:
        parse_ssh_url(url)
    except EngineRefused as error:
        raise Invalid("url", "InvalidFormat", str(error)) from None


def add_user(url: str, user: str) -> str:
    """An ssh address that names the user, who may also be given apart from it. Raises `Invalid` for two of them."""
    scheme, _, rest = url.partition("://")
    if not user or scheme != "ssh":
        return url
    given, at, _ = rest.partition("@")
    if at and given != quote(user, safe=""):
        raise Invalid("user", "InvalidOption", f"The address names another user than {user!r}.")
    return url if at else f"ssh://{quote(user, safe='')}@{rest}"


def validate_credentials(url: str, keys: Mapping[str, str]) -> dict[str, str]:
    """The material that opens the engine (ca, cert, key; host_key, private_key, password). Raises `Invalid`."""
    given = {name: text for name, text in keys.items() if text}
    if urlsplit(url).scheme == "ssh" and not {"private_key", "password"} & set(given):
        raise Invalid("privateKey", "MissingRequired", "Give a private key or a password to log in with.")
    return given
