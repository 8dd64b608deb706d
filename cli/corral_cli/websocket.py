"""A WebSocket client (RFC 6455) of the standard library: bounded messages, time-outs, proxies."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from corral_cli.errors import CliError, ExitCode
from corral_cli.unreachable import unreachable

MAX_MESSAGE = 4 * 1024 * 1024
_MAX_HEAD = 64 * 1024
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL = 0x8


class WebSocket:
    """An open connection; one thread reads, any may send."""

    def __init__(self, connection: socket.socket, rest: bytes = b"") -> None:
        self._connection = connection
        self._buffer = bytearray(rest)
        self._parts = bytearray()
        self._kind = 0
        self._lock = threading.Lock()
        self._closed: str | None = None

    @property
    def closed(self) -> str | None:
        """Why it is closed, None while it is open."""
        return self._closed

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None when the time is over or the other side has closed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._closed is None:
            frame = self._take_frame()
            if frame is None:
                if self._closed is not None or not self._fill(deadline):
                    return None
                continue
            message = self._handle(*frame)
            if message is not None:
                return message
        return None

    def send(self, message: str | bytes) -> None:
        """Send one message; to a closed connection nothing."""
        kind = _TEXT if isinstance(message, str) else _BINARY
        self._send_frame(kind, message.encode() if isinstance(message, str) else message)

    def close(self) -> None:
        """Say goodbye and close; nothing is waited for."""
        if self._closed is None:
            self._send_frame(_CLOSE, struct.pack("!H", 1000))
            self._closed = ""
        self._connection.close()

    def _fill(self, deadline: float | None) -> bool:
        """Read what has come; False when the time is over or nothing will come any more."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        try:
            self._connection.settimeout(left)
            data = self._connection.recv(65536)
        except (TimeoutError, socket.timeout):
            return False
        except OSError as error:
            self._end(f"the connection broke: {error.strerror or error}")
            return False
        if not data:
            self._end("the connection broke")
            return False
        self._buffer += data
        return True

    def _take_frame(self) -> tuple[int, bool, bytes] | None:
        """The first whole frame of what was read: opcode, whether it is the last of its message, payload."""
        found = self._buffer
        if len(found) < 2:
            return None
        size, start = found[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(found) < 2 + width:
                return None
            size, start = int.from_bytes(found[2 : 2 + width], "big"), 2 + width
        if found[1] & 0x80 or found[0] & 0x70 or size + len(self._parts) > MAX_MESSAGE:
            self._end("the portal sent what is no message, or too large a one")
            return None
        if len(found) < start + size:
            return None
        payload = bytes(found[start : start + size])
        first = found[0]
        del found[: start + size]
        return first & 0x0F, bool(first & 0x80), payload

    def _handle(self, opcode: int, final: bool, payload: bytes) -> str | bytes | None:  # noqa: FBT001 - a bit of the frame
        if opcode & _CONTROL:
            self._control(opcode, payload)
            return None
        if opcode:
            self._kind = opcode
        self._parts += payload
        if not final:
            return None
        whole, self._parts = bytes(self._parts), bytearray()
        return whole.decode("utf-8", "replace") if self._kind == _TEXT else whole

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._send_frame(_PONG, payload)
        elif opcode == _CLOSE:
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1000
            reason = payload[2:].decode("utf-8", "replace")
            self._send_frame(_CLOSE, payload[:2])
            self._end(reason or ("" if code == 1000 else f"closed with code {code}"))

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        """Send one frame, masked as clients must."""
        if self._closed is not None:
            return
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0xFE]) + struct.pack("!H", size)
        else:
            head += bytes([0xFF]) + struct.pack("!Q", size)
        repeated = mask * (size // 4 + 1)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:size], "big")).to_bytes(size, "big")
        try:
            with self._lock:
                self._connection.sendall(head + mask + masked)
        except OSError as error:
            self._end(f"the connection broke: {error.strerror or error}")

    def _end(self, reason: str) -> None:
        if self._closed is None:
            self._closed = reason


def connect(url: str, headers: Mapping[str, str], context: Any, *, timeout: float) -> WebSocket:
    """Open a WebSocket; `context` is the TLS context of a `wss` URL. Raises `CliError`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        connection = _connection(parts.hostname or "", port, secure=context is not None, timeout=timeout)
    except OSError as error:
        raise unreachable(url.replace("ws", "http", 1), error) from None
    try:
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        return _shake_hands(connection, parts, headers, time.monotonic() + timeout)
    except OSError as error:
        connection.close()
        raise unreachable(url.replace("ws", "http", 1), error) from None
    except BaseException:
        connection.close()
        raise


def _shake_hands(
    connection: socket.socket, parts: SplitResult, headers: Mapping[str, str], deadline: float
) -> WebSocket:
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(_request(parts.path or "/", parts.query, parts.netloc, key, headers))
    status, found, rest = _read_head(connection, deadline)
    expected = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324 - RFC 6455 says so
    if status == 401:
        raise CliError("The portal does not accept this key any more: log in again.", ExitCode.CREDENTIALS)
    if status != 101 or found.get("sec-websocket-accept") != expected:
        raise CliError(
            f"{parts.netloc} opens no WebSocket (status {status}): a proxy between may not let it through.",
            ExitCode.UNREACHABLE,
        )
    return WebSocket(connection, rest)


def _request(path: str, query: str, host: str, key: str, headers: Mapping[str, str]) -> bytes:
    ours = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    target = f"{path}?{query}" if query else path
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in ours.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _connection(host: str, port: int, *, secure: bool, timeout: float) -> socket.socket:
    """A connection to the host, through the proxy of the environment if there is one."""
    from urllib.request import getproxies, proxy_bypass

    proxy = "" if proxy_bypass(host) else getproxies().get("https" if secure else "http", "")
    if not proxy:
        return socket.create_connection((host, port), timeout)
    at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = socket.create_connection((at.hostname or "", at.port or 80), timeout)
    login = ""
    if at.username:
        pair = base64.b64encode(f"{at.username}:{at.password or ''}".encode()).decode()
        login = f"Proxy-Authorization: Basic {pair}\r\n"
    connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n".encode())
    status, _headers, _rest = _read_head(connection, time.monotonic() + timeout)
    if status != 200:
        connection.close()
        raise OSError(f"the proxy {at.hostname} refuses with status {status}")
    return connection


def _read_head(connection: socket.socket, deadline: float) -> tuple[int, dict[str, str], bytes]:
    """Status and headers of an answer, and what came after them. Raises `OSError`."""
    found = b""
    while b"\r\n\r\n" not in found:
        left = deadline - time.monotonic()
        if left <= 0 or len(found) > _MAX_HEAD:
            raise TimeoutError
        connection.settimeout(left)
        data = connection.recv(4096)
        if not data:
            raise OSError("the connection was closed")
        found += data
    head, _, rest = found.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return status, headers, rest
