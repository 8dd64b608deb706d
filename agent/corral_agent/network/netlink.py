"""The kernel's own word on network devices: that something changed, and what a container's end of a cable is.

No program of iproute2 reads a device of another namespace by the number that this namespace has for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

_GETLINK, _ERROR = 18, 2
_REQUEST = 1
_LINK_GROUP, _ADDRESS_GROUP = 0x1, 0x10
_IFLA_ADDRESS, _IFLA_TARGET_NETNSID = 1, 46
_HEADER, _INFO = 16, 16
_BUFFER = 65536
_TIMEOUT = 2.0


def open_events() -> socket.socket:
    """A socket that becomes readable when a device or an address changes. Raises `OSError`."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    events.settimeout(0)
    events.bind((0, _LINK_GROUP | _ADDRESS_GROUP))
    return events


def drain(events: socket.socket) -> None:
    """Read away what has come; that something came is all that counts, also when some of it was lost."""
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                events.recv(_BUFFER)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise


def read_peer_mac(index: int, nsid: int) -> str:
    """The MAC address of device `index` in the namespace that this one calls `nsid`; "" if it is gone."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.bind((0, 0))
        kernel.send(_link_request(index, nsid))
        try:
            return parse_mac(kernel.recv(_BUFFER))
        except OSError as error:
            raise OSError(error.errno or errno.EIO, f"netlink: {os.strerror(error.errno or errno.EIO)}") from None


def _link_request(index: int, nsid: int) -> bytes:
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + struct.pack("=HHi", 8, _IFLA_TARGET_NETNSID, nsid)
    return struct.pack("=IHHII", _HEADER + len(body), _GETLINK, _REQUEST, 1, 0) + body


def parse_mac(message: bytes) -> str:
    """The MAC address in an answer to a request for one device; "" in any other message."""
    if len(message) < _HEADER + _INFO:
        return ""
    length, kind = struct.unpack_from("=IH", message)
    if kind == _ERROR:
        return ""
    at, end = _HEADER + _INFO, min(length, len(message))
    while at + 4 <= end:
        size, name = struct.unpack_from("=HH", message, at)
        if size < 4:
            return ""
        if name == _IFLA_ADDRESS and at + size <= end:
            return message[at + 4 : at + size].hex(":")
        at += (size + 3) & ~3
    return ""
