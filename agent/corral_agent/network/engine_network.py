"""The Docker network behind the bridge, by the engine's API: made where it is absent, and who is connected to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from corral_agent.engine_proxy import http_head
from corral_agent.engine_proxy.streams import MessageReader, Sink, Source
from corral_agent.network.document import NetworkDocument

Opener = Callable[[], Awaitable[tuple[Source, Sink]]]

_TIMEOUT = 10.0
_ANSWER_LIMIT = 16 * 1024 * 1024


class EngineSilent(Exception):
    """The engine cannot be asked; `str()` says why."""


class EngineNetwork:
    """The engine's side of one managed network."""

    def __init__(self, open_engine: Opener) -> None:
        self._open = open_engine

    async def endpoints(self, document: NetworkDocument) -> dict[str, str] | None:
        """The address of each MAC address that the engine gave here; None without the network.

        One that is not as the document has it, such as that of another environment, is removed while nobody is
        connected to it. Raises `EngineSilent`.
        """
        path = f"/networks/{document.network}"
        status, found = await self._request("GET", path)
        if status == 404:
            return None
        connected = parse_endpoints(found)
        if connected or is_as_wanted(found, document):
            return connected
        await self.remove(document.network)
        return None

    async def create(self, document: NetworkDocument) -> None:
        """Make the network, as the portal does. Raises `EngineSilent`, also with the engine's refusal."""
        status, found = await self._request("POST", "/networks/create", creation_body(document))
        # Made by the portal in the same moment, most likely; the next look will tell.
        if status not in {201, 403, 409}:
            raise EngineSilent(f"the engine does not make the network {document.network}: {_message(found, status)}")

    async def remove(self, name: str) -> None:
        """Remove the network, unless containers are connected to it. Raises `EngineSilent`."""
        status, found = await self._request("DELETE", f"/networks/{name}")
        if status not in {204, 404}:
            raise EngineSilent(f"the engine does not remove the network {name}: {_message(found, status)}")

    async def _request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                source, sink = await self._open()
                try:
                    sink.write(f"{head}\r\n\r\n".encode() + data)
                    await sink.drain()
                    return await _read_answer(MessageReader(source))
                finally:
                    sink.close()
        except (OSError, ValueError, http_head.BadMessage) as error:
            raise EngineSilent(f"the engine does not answer: {error or 'it did not answer in time'}") from None


async def _read_answer(reader: MessageReader) -> tuple[int, Any]:
    status, size, pieces = http_head.parse_response(await reader.head()).status, 0, []
    async for piece in reader.read_to_end():
        pieces.append(piece)
        size += len(piece)
        if size > _ANSWER_LIMIT:
            raise ValueError("its answer is too long")
    return status, json.loads(b"".join(pieces) or b"null")


def creation_body(document: NetworkDocument) -> dict[str, Any]:
    """What the engine is sent. Its own pool is the gateway alone, so that it gives no address by itself."""
    pool = {"Subnet": document.subnet, "IPRange": f"{document.gateway}/32", "Gateway": document.gateway}
    return {
        "Name": document.network,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [pool]},
        "Options": {
            "com.docker.network.bridge.name": document.bridge,
            "com.docker.network.driver.mtu": str(document.mtu),
        },
        "Labels": {"io.corral.environment": document.environment},
    }


def is_as_wanted(found: object, document: NetworkDocument) -> bool:
    """Whether an inspected network is the one that would be made."""
    if not isinstance(found, Mapping):
        return True
    body = creation_body(document)
    options = found.get("Options") or {}
    has_options = all(options.get(name) == value for name, value in body["Options"].items())
    return has_options and (found.get("IPAM") or {}).get("Config") == body["IPAM"]["Config"]


def parse_endpoints(found: object) -> dict[str, str]:
    """From the inspection of a network: the address of each MAC address."""
    containers = found.get("Containers") if isinstance(found, Mapping) else None
    rows = containers.values() if isinstance(containers, Mapping) else ()
    pairs = [
        (str(row.get("MacAddress", "")), str(row.get("IPv4Address", ""))) for row in rows if isinstance(row, Mapping)
    ]
    return {mac.lower(): address.partition("/")[0] for mac, address in pairs if mac and address}


def _message(found: object, status: int) -> str:
    return str(found.get("message"))[:300] if isinstance(found, Mapping) else f"HTTP status {status}"
