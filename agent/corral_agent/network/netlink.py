"""The kernel's own word on network devices: that something changed, and what a container's end of a cable is.

No program of iproute2 reads a device of another namespace by the number that this namespace has for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

_GETLINK, _GET_NSID, _ERROR = 18, 90, 2
_REQUEST = 1
_LINK_GROUP, _ADDRESS_GROUP = 0x1, 0x10
_IFLA_ADDRESS, _IFLA_TARGET_NETNSID = 1, 46
_NETNSA_NSID, _NETNSA_FD = 1, 3
_HEADER, _INFO, _GENERIC = 16, 16, 4
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
    return parse_mac(_ask(_link_request(index, nsid)))


def read_namespace_id(descriptor: int) -> int:
    """What this namespace calls the one that an open file stands for; -1 where it has no number for it."""
    body = struct.pack("=BxxxHHi", socket.AF_UNSPEC, 8, _NETNSA_FD, descriptor)
    return parse_namespace_id(_ask(struct.pack("=IHHII", _HEADER + len(body), _GET_NSID, _REQUEST, 1, 0) + body))


def _ask(request: bytes) -> bytes:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.bind((0, 0))
        kernel.send(request)
        try:
            return kernel.recv(_BUFFER)
        except OSError as error:
            raise OSError(error.errno or errno.EIO, f"netlink: {os.strerror(error.errno or errno.EIO)}") from None


def _link_request(index: int, nsid: int) -> bytes:
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + struct.pack("=HHi", 8, _IFLA_TARGET_NETNSID, nsid)
    return struct.pack("=IHHII", _HEADER + len(body), _GETLINK, _REQUEST, 1, 0) + body


def parse_mac(message: bytes) -> str:
    """The MAC address in an answer to a request for one device; "" in any other message."""
    return (_attribute(message, _INFO, _IFLA_ADDRESS) or b"").hex(":")


def parse_namespace_id(message: bytes) -> int:
    """The number in an answer to a request for one namespace; -1 in any other message."""
    found = _attribute(message, _GENERIC, _NETNSA_NSID)
    return int(struct.unpack("=i", found)[0]) if found is not None and len(found) == 4 else -1


def _attribute(message: bytes, info: int, wanted: int) -> bytes | None:
    """An attribute of a message, which begins after so many bytes of its own; None in a message that has none such."""
    if len(message) < _HEADER + info:
        return None
    length, kind = struct.unpack_from("=IH", message)
    if kind == _ERROR:
        return None
    at, end = _HEADER + info, min(length, len(message))
    while at + 4 <= end:
        size, name = struct.unpack_from("=HH", message, at)
        if size < 4:
            return None
        if name == wanted and at + size <= end:
            return message[at + 4 : at + size]
        at += (size + 3) & ~3
    return None
