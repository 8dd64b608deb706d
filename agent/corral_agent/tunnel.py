"""The tunnel: SSH inside one WebSocket that the agent dials; the agent is its server, the portal its only client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import asyncssh
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from corral_agent import VERSION, keys
from corral_agent.engine_proxy.streams import CHUNK, Sink, Source

log = logging.getLogger("corral_agent")

SOCKET = "/var/run/docker.sock"
_USER = "corral"
_CIPHER = "aes128-gcm@openssh.com"  # authenticated by itself, and done in hardware by most processors
_OPEN_TIMEOUT = 20.0
_LOGIN_TIMEOUT = 90.0  # after a restart all agents connect at once, and the portal lets them in one after the other
_PING = 20.0
_KEEPALIVE, _KEEPALIVE_MISSES = 5, 3  # a silent portal is noticed after 15 s
_MAX_MESSAGE = 4 * 1024 * 1024
_GRACE = 1.0  # for the WebSocket to say why it closed: the SSH session often ends first
_CLOSE_RESTART, _CLOSE_REVOKED = 1012, 4401

ServeConnection = Callable[[Source, Sink], Awaitable[None]]


class TunnelRefused(Exception):
    """The portal refuses this agent, or the agent does not trust this portal; `str()` says why."""


class TunnelClosed(Exception):
    """The tunnel ended or was not established; `restart` when the portal announced that it is back at once."""

    def __init__(self, message: str, *, restart: bool = False) -> None:
        super().__init__(message)
        self.restart = restart


class _PortalAuth(asyncssh.SSHServer):
    """Accepts one key, and for one purpose: channels to the engine's socket."""

    def __init__(self, trusted: bytes, serve: ServeConnection) -> None:
        self._trusted, self._serve = trusted, serve
        self.key_rejected = self.socket_taken = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:  # noqa: ARG002  # asyncssh's signature
        """From here on asyncssh closes the socket."""
        self.socket_taken = True

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002  # asyncssh's signature
        """Authentication is always required."""
        return True

    def public_key_auth_supported(self) -> bool:
        """By key only."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """The portal's pinned key."""
        known = username == _USER and key.public_data == self._trusted
        self.key_rejected = self.key_rejected or not known
        return known

    def unix_connection_requested(self, dest_path: str) -> Any:
        """A channel to the engine; any other path is refused."""
        if dest_path != SOCKET:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "only the engine's socket")
        return self._serve_channel

    async def _serve_channel(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            await self._serve(cast(Source, reader), cast(Sink, writer))


class PortalSession:
    """The portal's SSH session on a connected socket, whatever carries it; only the portal's pinned key is let in."""

    def __init__(self, private_key: str, portal_key: str) -> None:
        self._key = keys.load_private_key(private_key)
        self._trusted = keys.load_public_key_data(portal_key)

    async def run(self, sock: socket.socket, serve: ServeConnection, on_connected: Callable[[], None]) -> None:
        """Serve until the session ends, which is always `TunnelClosed` or `TunnelRefused`."""
        auth = _PortalAuth(self._trusted, serve)
        try:
            session = await self._accept_login(sock, auth)
        except (asyncssh.Error, OSError) as error:
            if auth.key_rejected:
                raise TunnelRefused(
                    "the portal's key changed: it is not the one this host was registered with"
                ) from None
            raise TunnelClosed(f"the portal did not log in: {error or 'it took too long'}") from None
        finally:
            if not auth.socket_taken:
                sock.close()
        try:
            on_connected()
            await session.wait_closed()
        finally:
            session.abort()
        raise TunnelClosed("the portal ended the tunnel")

    async def _accept_login(self, sock: socket.socket, auth: _PortalAuth) -> asyncssh.SSHServerConnection:
        return await asyncssh.run_server(
            sock,
            config=None,
            server_factory=lambda: auth,
            server_host_keys=[self._key],
            encryption_algs=[_CIPHER],
            compression_algs=None,
            login_timeout=_LOGIN_TIMEOUT,
            connect_timeout=_LOGIN_TIMEOUT,
            keepalive_interval=_KEEPALIVE,
            keepalive_count_max=_KEEPALIVE_MISSES,
            agent_forwarding=False,
            x11_forwarding=False,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_auth=False,
            gss_kex=False,
        )


class PortalTunnel:
    """One agent's tunnel."""

    def __init__(
        self, *, url: str, credential: tuple[str, str], private_key: str, portal_key: str, tls: ssl.SSLContext | None
    ) -> None:
        credentials = base64.b64encode(":".join(credential).encode()).decode()
        self._url = url
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._session = PortalSession(private_key, portal_key)
        self._tls = tls
        self._websocket: ClientConnection | None = None

    def drop_silently(self) -> socket.socket | None:
        """End as a pulled cable does: the portal sees no close for as long as the returned socket stays open."""
        if self._websocket is None or self._websocket.transport.is_closing():
            return None
        duplicate: socket.socket = self._websocket.transport.get_extra_info("socket").dup()
        self._websocket.transport.abort()
        return duplicate

    async def run(self, serve: ServeConnection, on_connected: Callable[[], None]) -> None:
        """Dial, and serve until the tunnel ends, which is always `TunnelClosed` or `TunnelRefused`."""
        try:
            async with self._connect() as websocket:
                self._websocket = websocket
                await self._run_session(websocket, serve, on_connected)
        except InvalidStatus as error:
            raise _error_from_status(error) from None
        except ConnectionClosed as error:
            raise _error_from_close(error) from None
        except (OSError, WebSocketException) as error:
            raise TunnelClosed(f"the portal cannot be reached: {error or type(error).__name__}") from None

    def _connect(self) -> connect:
        return connect(
            self._url,
            additional_headers=self._headers,
            user_agent_header=f"corral-agent/{VERSION}",
            compression=None,
            open_timeout=_OPEN_TIMEOUT,
            ping_interval=_PING,
            ping_timeout=_PING,
            close_timeout=2,
            max_size=_MAX_MESSAGE,
            ssl=self._tls,
        )

    async def _run_session(
        self, websocket: ClientConnection, serve: ServeConnection, on_connected: Callable[[], None]
    ) -> None:
        agent_end, portal_end = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=agent_end)
        forwarding = [
            asyncio.ensure_future(_forward_to_portal(reader, websocket)),
            asyncio.ensure_future(_forward_from_portal(websocket, writer)),
        ]
        try:
            await self._session.run(portal_end, serve, on_connected)
        except TunnelClosed as error:
            await asyncio.wait(forwarding, timeout=_GRACE, return_when=asyncio.FIRST_EXCEPTION)
            raise _websocket_error(forwarding) or error from None
        finally:
            for each in forwarding:
                each.cancel()
            await asyncio.gather(*forwarding, return_exceptions=True)
            writer.close()


async def _forward_to_portal(reader: asyncio.StreamReader, websocket: ClientConnection) -> None:
    while piece := await reader.read(CHUNK):
        await websocket.send(piece)


async def _forward_from_portal(websocket: ClientConnection, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            piece = await websocket.recv(decode=False)
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


def _websocket_error(forwarding: Sequence[asyncio.Future[None]]) -> BaseException | None:
    """Why the WebSocket ended, if it did."""
    errors = [each.exception() for each in forwarding if each.done() and not each.cancelled()]
    return next((error for error in errors if isinstance(error, ConnectionClosed)), None)


def _error_from_status(error: InvalidStatus) -> Exception:
    status = error.response.status_code
    if status in {401, 403}:
        return TunnelRefused(
            "the portal refuses this host's credential: the host was removed there, or its key revoked"
        )
    return TunnelClosed(f"the portal answered with HTTP status {status}", restart=False)


def _error_from_close(error: ConnectionClosed) -> Exception:
    code = error.rcvd.code if error.rcvd else 1006
    if code == _CLOSE_REVOKED:
        return TunnelRefused(
            "the portal took this host's credential back: the host was removed there, or its key revoked"
        )
    message = "the portal restarts" if code == _CLOSE_RESTART else f"the connection was closed with code {code}"
    return TunnelClosed(message, restart=code == _CLOSE_RESTART)
