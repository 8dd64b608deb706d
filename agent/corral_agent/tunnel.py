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
from corral_agent.door.flow import CHUNK, Sink, Source

log = logging.getLogger("corral_agent")

SOCKET = "/var/run/docker.sock"
_USER = "corral"
_CIPHER = "aes128-gcm@openssh.com"
_OPEN_TIMEOUT = _LOGIN_TIMEOUT = 20.0
_PING = 20.0
_ALIVE, _MISSED = 5, 3
_LARGEST = 4 * 1024 * 1024
_GRACE = 1.0
_RESTARTS, _REVOKED = 1012, 4401

Serve = Callable[[Source, Sink], Awaitable[None]]


class Refused(Exception):
    """The portal does not want this agent, or the agent does not trust this portal; `str()` says why."""


class Cut(Exception):
    """The tunnel ended, or did not come about; `restart` when the portal said that it comes back at once."""

    def __init__(self, words: str, *, restart: bool = False) -> None:
        super().__init__(words)
        self.restart = restart


class _Gate(asyncssh.SSHServer):
    """Lets one key in, for one thing: channels to the engine's socket."""

    def __init__(self, trusted: bytes, serve: Serve) -> None:
        self._trusted, self._serve = trusted, serve
        self.stranger = self.taken = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:  # noqa: ARG002  # asyncssh's word
        """From here on the socket is asyncssh's to close."""
        self.taken = True

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002  # asyncssh's word
        """Everybody must prove who they are."""
        return True

    def public_key_auth_supported(self) -> bool:
        """By key only."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """The portal's pinned key."""
        known = username == _USER and key.public_data == self._trusted
        self.stranger = self.stranger or not known
        return known

    def unix_connection_requested(self, dest_path: str) -> Any:
        """A channel to the engine; any other path is refused."""
        if dest_path != SOCKET:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "only the engine's socket")
        return self._carry

    async def _carry(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            await self._serve(cast(Source, reader), cast(Sink, writer))


class Tunnel:
    """One agent's tunnel."""

    def __init__(
        self, *, url: str, credential: tuple[str, str], private_key: str, portal_key: str, tls: ssl.SSLContext | None
    ) -> None:
        pair = base64.b64encode(":".join(credential).encode()).decode()
        self._url = url
        self._fields = {"Authorization": f"Basic {pair}"}
        self._key = keys.private(private_key)
        self._trusted = keys.public_data(portal_key)
        self._tls = tls
        self._line: ClientConnection | None = None

    def fall_silent(self) -> socket.socket | None:
        """End as a pulled cable does: the portal is told nothing, and hears nothing while what is given is open."""
        if self._line is None or self._line.transport.is_closing():
            return None
        kept: socket.socket = self._line.transport.get_extra_info("socket").dup()
        self._line.transport.abort()
        return kept

    async def run(self, serve: Serve, live: Callable[[], None]) -> None:
        """Dial, and serve until the tunnel ends: always by `Cut` or `Refused`."""
        try:
            async with self._dialled() as line:
                self._line = line
                await self._speak(line, serve, live)
        except InvalidStatus as error:
            raise _not_let_in(error) from None
        except ConnectionClosed as error:
            raise _closed(error) from None
        except (OSError, WebSocketException) as error:
            raise Cut(f"the portal cannot be reached: {error or type(error).__name__}") from None

    def _dialled(self) -> connect:
        return connect(
            self._url,
            additional_headers=self._fields,
            user_agent_header=f"corral-agent/{VERSION}",
            compression=None,
            open_timeout=_OPEN_TIMEOUT,
            ping_interval=_PING,
            ping_timeout=_PING,
            close_timeout=2,
            max_size=_LARGEST,
            ssl=self._tls,
        )

    async def _speak(self, line: ClientConnection, serve: Serve, live: Callable[[], None]) -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        carrying = [asyncio.ensure_future(_up(reader, line)), asyncio.ensure_future(_down(line, writer))]
        try:
            await self._session(theirs, serve, live)
        except Cut as error:
            await asyncio.wait(carrying, timeout=_GRACE, return_when=asyncio.FIRST_EXCEPTION)
            raise _cause(carrying) or error from None
        finally:
            for each in carrying:
                each.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
            writer.close()

    async def _session(self, sock: socket.socket, serve: Serve, live: Callable[[], None]) -> None:
        gate = _Gate(self._trusted, serve)
        try:
            session = await self._logged_in(sock, gate)
        except (asyncssh.Error, OSError) as error:
            if gate.stranger:
                raise Refused("the portal's key changed: it is not the one this host was registered with") from None
            raise Cut(f"the portal did not log in: {error or 'it took too long'}") from None
        finally:
            if not gate.taken:
                sock.close()
        try:
            live()
            await session.wait_closed()
        finally:
            session.abort()
        raise Cut("the portal ended the tunnel")

    async def _logged_in(self, sock: socket.socket, gate: _Gate) -> asyncssh.SSHServerConnection:
        return await asyncssh.run_server(
            sock,
            config=None,
            server_factory=lambda: gate,
            server_host_keys=[self._key],
            encryption_algs=[_CIPHER],
            compression_algs=None,
            login_timeout=_LOGIN_TIMEOUT,
            connect_timeout=_LOGIN_TIMEOUT,
            keepalive_interval=_ALIVE,
            keepalive_count_max=_MISSED,
            agent_forwarding=False,
            x11_forwarding=False,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_auth=False,
            gss_kex=False,
        )


async def _up(reader: asyncio.StreamReader, line: ClientConnection) -> None:
    while piece := await reader.read(CHUNK):
        await line.send(piece)


async def _down(line: ClientConnection, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            piece = await line.recv(decode=False)
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


def _cause(carrying: Sequence[asyncio.Future[None]]) -> BaseException | None:
    """Why the WebSocket ended, if it did."""
    errors = [each.exception() for each in carrying if each.done() and not each.cancelled()]
    return next((error for error in errors if isinstance(error, ConnectionClosed)), None)


def _not_let_in(error: InvalidStatus) -> Exception:
    status = error.response.status_code
    if status in {401, 403}:
        return Refused("the portal refuses this host's credential: the host was removed there, or its key revoked")
    return Cut(f"the portal answered with HTTP status {status}", restart=False)


def _closed(error: ConnectionClosed) -> Exception:
    code = error.rcvd.code if error.rcvd else 1006
    if code == _REVOKED:
        return Refused("the portal took this host's credential back: the host was removed there, or its key revoked")
    words = "the portal restarts" if code == _RESTARTS else f"the connection was closed with code {code}"
    return Cut(words, restart=code == _RESTARTS)
