"""Ways to an engine that are more than a socket to connect: who knows how to dial them registers here at start."""

from __future__ import annotations

import socket
from collections.abc import Callable

from apps.drivers.base import Endpoint

Dial = Callable[[Endpoint], socket.socket]

dialers: dict[str, Dial] = {}
"""By the scheme of the endpoint's URL: answers a connected socket, or raises `OSError` or `EngineError`."""
