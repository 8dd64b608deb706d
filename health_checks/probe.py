"""One check over the network: connect, and if need be ask and read the status, within a time and a few bytes.

Callbacks of the event loop instead of tasks and streams: 1,000 checks every two seconds have to stay cheap.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import re
import socket
from collections.abc import Callable

from health_checks.check import Check
from health_checks.request import request_bytes

_MAX_HEAD = 4096
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})")

Done = Callable[[str], None]


class Probe:
    """A check under way; `done` hears of its outcome once, the empty text for success."""

    __slots__ = ("_check", "_descriptor", "_done", "_loop", "_received", "_socket", "_stop_waiting", "_timer")

    def __init__(self, check: Check, done: Done) -> None:
        self._check, self._done = check, done
        self._loop = asyncio.get_running_loop()
        self._received = b""
        family = socket.AF_INET6 if ":" in check.address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._descriptor = self._socket.fileno()  # with the socket itself asyncio would format it for each look-up
        self._stop_waiting: Callable[[int], bool] | None = None
        code = self._socket.connect_ex((check.address, check.port))  # an address, never a name to be looked up
        self._timer: asyncio.TimerHandle | None = None  # made by the first that waits: most connect at once
        if code == errno.EINPROGRESS:
            self._limit_time()
            self._stop_waiting = self._loop.remove_writer
            self._loop.add_writer(self._descriptor, self._connected)
        elif code:
            self._loop.call_soon(self._finish, _words(code))
        else:  # a container of this machine has often accepted already
            self._loop.call_soon(self._connected)

    def _limit_time(self) -> None:
        if self._timer is None:
            timeout = self._check.timeout
            self._timer = self._loop.call_later(timeout, self._finish, f"no answer within {timeout:g} s")

    def _connected(self) -> None:
        if self._socket.fileno() < 0:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code or not self._check.request:
            self._finish(_words(code) if code else "")
            return
        if self._stop_waiting is not None:
            self._stop_waiting(self._descriptor)
        try:
            self._socket.send(request_bytes(self._check.request, self._check.address))
        except OSError as error:
            self._finish(_words(error.errno or 0))
            return
        self._limit_time()
        self._stop_waiting = self._loop.remove_reader
        self._loop.add_reader(self._descriptor, self._answered)

    def _answered(self) -> None:
        try:
            data = self._socket.recv(_MAX_HEAD)
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(_words(error.errno or 0))
            return
        self._received += data
        if not data or b"\n" in self._received or len(self._received) >= _MAX_HEAD:
            self._finish(failure_of(self._received))

    def cancel(self) -> None:
        """Give it up; nobody hears of an outcome."""
        self._done = _ignore
        self._finish("")

    def _finish(self, failure: str) -> None:
        if self._socket.fileno() < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._stop_waiting is not None:
            self._stop_waiting(self._descriptor)
        self._socket.close()
        self._done(failure)


def _ignore(_: str) -> None:
    """The outcome of a check that was given up."""


def _words(code: int) -> str:
    return os.strerror(code).lower()


def failure_of(received: bytes) -> str:
    """Why an answer is none of success, 2xx or 3xx; empty if it is."""
    found = _STATUS_LINE.match(received)
    if found is None:
        return "the answer is not HTTP" if received else "the connection was closed without an answer"
    status = int(found[1])
    return "" if 200 <= status < 400 else f"HTTP status {status}"


def reachable(check: Check) -> bool:
    """Whether this machine has an address in the container's network: a route through elsewhere ends at a firewall."""
    if not check.subnet:
        return False
    family = socket.AF_INET6 if ":" in check.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((check.address, check.port))  # sends nothing: it asks the kernel for the route
            source = probe.getsockname()[0]
    except OSError:
        return False
    return ipaddress.ip_address(source) in ipaddress.ip_network(check.subnet)
