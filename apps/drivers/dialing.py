"""Ways to an engine that are more than a socket to connect: who knows how to dial them registers here at start."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from apps.drivers.base import Endpoint

Secure = Callable[[socket.socket, ssl.SSLContext, str], Any]
"""Begins TLS on a connected socket, towards a server of that name, and answers what is read and written instead."""

Dial = Callable[[Endpoint, Secure], Any]

dialers: dict[str, Dial] = {}
"""By the scheme of the endpoint's URL: answers a connected socket, or what `Secure` made of it; raises `OSError` or
`EngineError`."""
