#!/usr/bin/env python3
"""Chromium that gets no events of network changes: each container that starts brings an interface, and it would
then break off every request under way (ERR_NETWORK_CHANGED). Netlink sockets are refused to it, nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

CHROMIUM = "/usr/bin/chromium"
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, EQUALS, ANSWER = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT


class Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def refuse_netlink(call: int) -> None:
    """From now on, here and in all children."""
    steps = [
        (LOAD, 0, 0, 0),  # the call's number
        (EQUALS, 0, 3, call),
        (LOAD, 0, 0, 16),  # its first argument: the family
        (EQUALS, 0, 1, socket.AF_NETLINK),
        (ANSWER, 0, 0, REFUSE),
        (ANSWER, 0, 0, ALLOW),
    ]
    program = Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


if __name__ == "__main__":
    if platform.machine() in SOCKET_CALL:
        refuse_netlink(SOCKET_CALL[platform.machine()])
    os.execv(CHROMIUM, [CHROMIUM, *sys.argv[1:]])  # noqa: S606 - no shell
