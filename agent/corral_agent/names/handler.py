"""Applies the document of names: keeps the name server open, and says how it is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from corral_agent.names.answering import Answering
from corral_agent.names.document import parse_names
from corral_agent.names.server import NameServer
from corral_agent.names.upstream import HostResolvers, Upstream
from corral_agent.port_holder import find_port_holder
from corral_agent.service_address import NAMES_PORT, SERVICE_ADDRESS
from corral_agent.threads import run_in_thread

log = logging.getLogger("corral_agent")

RETRY_DELAY = 2.0
_REASONS = {
    errno.EADDRINUSE: "Port {port} of {address}, where the name server listens, is taken{holder}: have that listen on "
    "another port.",
    errno.EACCES: "The agent may not open port {port}: run it as root.",
    errno.EPERM: "The agent may not open port {port}: run it as root.",
}


class NamesHandler:
    """The name server of one host, from its first document on; `off` is why there is to be none."""

    def __init__(
        self,
        address: str = SERVICE_ADDRESS,
        port: int = NAMES_PORT,
        resolvers: HostResolvers | None = None,
        off: str = "",
    ) -> None:
        self._address, self._port = address, port
        self._upstream = Upstream(resolvers or HostResolvers())
        self._answering = Answering(self._upstream)
        self._server = NameServer(self._answering)
        self._opening: asyncio.Task[None] | None = None
        self._changed: Callable[[], None] = lambda: None
        self._state, self._reason = ("off", off) if off else ("waiting", "No document of names has arrived yet.")
        self.port = 0

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to report."""
        self._changed = changed

    def apply(self, document: Mapping[str, Any]) -> None:
        """Answer out of this document from now on; the sockets are opened with the first one."""
        self._answering.use(parse_names(document))
        if self._opening is None and self._state != "off":
            self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        """Open the sockets, however long something else has the port."""
        while True:
            try:
                self.port = await self._server.open(self._address, self._port)
            except OSError as error:
                text = _REASONS.get(error.errno or 0, f"The name server cannot be opened: {error.strerror}.")
                holder = await run_in_thread(partial(find_port_holder, self._port)) if "{holder}" in text else ""
                held = f" by {holder}" if holder else ""
                self._report("error", text.format(address=self._address, port=self._port, holder=held))
                await asyncio.sleep(RETRY_DELAY)
            else:
                self._report("active", "")
                return

    def _report(self, state: str, reason: str) -> None:
        if (state, reason) != (self._state, self._reason):
            self._state, self._reason = state, reason
            log.info("names: %s", reason or state)
            self._changed()

    def status(self) -> dict[str, Any]:
        """Whether names are answered, and why not."""
        return {"state": self._state, "reason": self._reason, "counts": dict(self._answering.counts)}

    async def close(self) -> None:
        """End: without the agent there is nobody to answer."""
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
        await self._server.close()
        await self._upstream.close()
