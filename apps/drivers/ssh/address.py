"""`ssh://user@host[:port][/path/to/docker.sock]` and the keys that go with it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from apps.drivers.base import EngineRefused

DEFAULT_SOCKET = "/var/run/docker.sock"


def _invalid_url(url: str) -> str:
    example = "ssh://user@host, with :port and /path/to/docker.sock where they differ"
    return f"{url} is not an ssh address: write it as {example}."


@dataclass(frozen=True, slots=True)
class SshAddress:
    """The user, the host, and the engine's socket there."""

    user: str
    host: str
    port: int
    path: str


def parse_ssh_url(url: str) -> SshAddress:
    """The parts of the address. Raises `EngineRefused` with a remedy."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 22
    except ValueError:
        raise EngineRefused(_invalid_url(url)) from None
    if not host or parts.query or parts.fragment:
        raise EngineRefused(_invalid_url(url))
    if parts.password is not None:
        raise EngineRefused("A password does not belong in the address: give it in its own field.")
    path = unquote(parts.path)
    return SshAddress(unquote(parts.username or "root"), host, port, path if path not in {"", "/"} else DEFAULT_SOCKET)
