"""The address at which containers find this host's services, names and metadata."""

from __future__ import annotations

import socket

SERVICE_ADDRESS = "169.254.169.250"
# A socket at one address keeps containers from publishing its port at all of the host's. So nothing listens on the
# ports that containers ask: the filters lead those to others, which nobody publishes.
NAMES_PORT, METADATA_PORT = 16953, 16980
REDIRECTS = (("udp", 53, NAMES_PORT), ("tcp", 53, NAMES_PORT), ("tcp", 80, METADATA_PORT))
IP_FREEBIND = 15  # linux/in.h; Python has no name for it


def listen(port: int, address: str = SERVICE_ADDRESS) -> socket.socket:
    """A listening TCP socket there, also before the host has the address. Raises `OSError`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        made.bind((address, port))
        made.listen(128)
        made.setblocking(False)  # noqa: FBT003 - as the standard library has it
    except OSError:
        made.close()
        raise
    return made
