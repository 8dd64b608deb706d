"""`/v1/agent`: the WebSocket that the agent of a host opens; it carries the tunnel of `apps.hosts.tunnels`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import Mapping
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.core.events import agent_group
from apps.hosts.agents import authenticate_agent, is_credential_valid
from apps.hosts.models import AgentCredential
from apps.hosts.tunnels.open_tunnels import REVOKED
from apps.hosts.tunnels.tunnel import AgentTunnel
from apps.realtime.base_socket import run_in_thread
from apps.realtime.origin import Scope, header

_MAX_REASON_BYTES = 120  # a close frame holds 123

_running: set[asyncio.Task[None]] = set()


def agent_of_handshake(scope: Scope) -> AgentCredential | None:
    """The credential in the Authorization header; None if it is not valid, or a browser sent it (it has an Origin)."""
    scheme, _, coded = header(scope, "authorization").partition(" ")
    if scheme.lower() != "basic" or header(scope, "origin"):
        return None
    try:
        access, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return authenticate_agent(access, secret)


class AgentSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """The connection of one agent, from its handshake to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.tunnel: AgentTunnel | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the socket; however it ends, the transport is marked as lost and the tunnel cleans up after itself."""

        async def receive_but_frames() -> Any:
            """The next message that is no frame of SSH: Channels makes a task of each, and waits for it."""
            while True:
                message = await receive()
                if self.tunnel is None or message["type"] != "websocket.receive" or not message.get("bytes"):
                    return message
                self.tunnel.transport.feed(message["bytes"])

        try:
            await super().__call__(scope, receive_but_frames, send)
        finally:
            if self.tunnel is not None:
                self.tunnel.transport.mark_lost()
                await self._leave_group(self.tunnel)

    async def connect(self) -> None:
        """Accept the agent, or say why not: it can only read a close reason that follows a handshake."""
        credential = await run_in_thread(agent_of_handshake, self.scope)
        await self.accept()
        if credential is None:
            await self.close(REVOKED, "This credential is not valid: the host was removed or registered again.")
            return
        self.tunnel = AgentTunnel(credential, peer=(self.scope.get("client") or ("",))[0])
        await self.channel_layer.group_add(agent_group(credential.host_id), self.channel_name)
        self._spawn(self._send_outgoing(self.tunnel))
        self._spawn(self._run(self.tunnel))
        await self.rights_changed({})  # it may have been revoked before the group was joined

    async def rights_changed(self, _message: Mapping[str, Any]) -> None:
        """From the channel layer: the credentials of the host changed."""
        if self.tunnel is not None and not await run_in_thread(is_credential_valid, self.tunnel.credential_id):
            self.tunnel.end(REVOKED, "The host was removed from the portal, or its agent registered again.")

    async def websocket_disconnect(self, _message: Mapping[str, Any]) -> None:
        """The agent is gone; `__call__` cleans up."""
        raise StopConsumer

    def _spawn(self, coroutine: Any) -> None:
        """Run a coroutine beside the socket; it may outlive the socket for as long as cleaning up takes."""
        task = asyncio.get_running_loop().create_task(coroutine)
        _running.add(task)
        task.add_done_callback(_running.discard)

    async def _send_outgoing(self, tunnel: AgentTunnel) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the peer may just have gone
            while data := await tunnel.transport.next_frame():
                await self.send(bytes_data=data)

    async def _run(self, tunnel: AgentTunnel) -> None:
        code, reason = await tunnel.run()
        with contextlib.suppress(OSError, RuntimeError):
            await self.close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))

    async def _leave_group(self, tunnel: AgentTunnel) -> None:
        with contextlib.suppress(Exception, asyncio.CancelledError):  # the last step, also when the process stops
            await self.channel_layer.group_discard(agent_group(tunnel.host_id), self.channel_name)
