"""One driver per engine in a process, made at the first need."""

from __future__ import annotations

import threading

from apps.drivers.base import Driver, Endpoint, EngineRefused
from apps.drivers.dialing import dialers

_drivers: dict[Endpoint, Driver] = {}
_lock = threading.Lock()


def get_driver(endpoint: Endpoint) -> Driver:
    """The shared driver of this engine; making it does not connect. Raises `EngineRefused` for an unknown scheme."""
    found = _drivers.get(endpoint)
    if found is None:
        with _lock:
            found = _drivers.get(endpoint) or _drivers.setdefault(endpoint, _create_driver(endpoint))
    return found


def discard_driver(endpoint: Endpoint) -> None:
    """Let go of the driver and its connections; the next asker gets a new one."""
    with _lock:
        found = _drivers.pop(endpoint, None)
    if found is not None:
        found.close()


def _create_driver(endpoint: Endpoint) -> Driver:
    # Imported where they are needed: the SDK is slow to load, and most of a portal's processes may never speak it.
    scheme, _, rest = endpoint.url.partition("://")
    if (scheme in {"unix", "tcp", "ssh"} or scheme in dialers) and rest:
        from apps.drivers.docker.engine import DockerDriver

        return DockerDriver(endpoint)
    if scheme == "sim" and rest:
        from apps.drivers.simulated.engine import simulated_engine

        return simulated_engine(rest)
    raise EngineRefused(
        f"{endpoint.url!r} is no engine address: use unix:///path/to/docker.sock, tcp://host:2376, ssh://user@host "
        "or sim://name."
    )
