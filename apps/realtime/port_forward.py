"""A TCP connection to a port of a container, as binary frames both ways."""

from __future__ import annotations

from typing import Any

from apps.containers.port_forward import forward_end_reason, forward_open
from apps.drivers.base import ExecSession
from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.base_socket import NOT_FOUND, SocketRejected
from apps.realtime.shell import ShellSocket

MAX_BYTES = 4 * 1024**3
"""Each way: a forgotten connection must not pass data for ever."""


class PortForwardSocket(ShellSocket):
    """`/ws/forward?token=`: one connection. It takes a ticket, which says the container and the port, and works once.

    The same permission as a shell, which is asked again and again, and the same audit entries under another name.
    """

    verb = "forward"
    event = "container.portForward"

    def resolve_target(self, actor: Actor) -> int:
        """The container and the port of the ticket."""
        ticket = self.credentials.ticket
        if ticket is None:
            raise SocketRejected(NOT_FOUND, "A port is forwarded with a ticket: request one with portforward.")
        self._passed = 0
        self.port = int(ticket.details["port"])
        self.row = targets.get_container(actor, ticket.target)
        self._require_values_for(self.row)
        return self.row.environment_id

    def request_details(self) -> dict[str, Any]:
        """What the audit entry says of it."""
        return {"port": self.port}

    def open_session(self) -> ExecSession:
        """Connect."""
        return forward_open(self.row, self.port)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        """Bytes for the port; text is ignored."""
        if bytes_data is not None and await self._count(bytes_data):
            await self.send_keys(bytes_data)

    async def send_output(self, data: bytes) -> None:
        """Bytes from the port."""
        if await self._count(data):
            await self.put(bytes_data=data)

    async def send_end(self, code: int | None, reason: str) -> None:
        """Say how it ended."""
        await super().send_end(code, reason or forward_end_reason(code, self.port))

    async def _count(self, data: bytes) -> bool:
        self._passed += len(data)
        if self._passed > MAX_BYTES:
            await self.end(1009, "A connection passes 4 GB at most; connect again.")
            return False
        return True
