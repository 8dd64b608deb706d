"""A request to a simulated engine, and its response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from corral_agent.simulated.api.attached_exec import AttachedExec
from simulated_engine.engine import EngineCore
from simulated_engine.errors import bad_request

_TRUE = {"1", "true", "True"}


@dataclass(slots=True)
class SimulatedRequest:
    """`keys` are the path's variable parts, `query` the last value of each parameter."""

    engine: EngineCore
    keys: tuple[str, ...]
    query: dict[str, str]
    body: AsyncIterator[bytes]

    async def json(self) -> dict[str, Any]:
        """The body as an object. Raises `EngineApiError`."""
        try:
            found = json.loads(b"".join([piece async for piece in self.body]) or b"{}")
        except ValueError as error:
            raise bad_request(f"invalid JSON: {error}") from None
        if not isinstance(found, dict):
            raise bad_request("invalid JSON: cannot unmarshal into an object")
        return found

    def flag(self, name: str) -> bool:
        """A parameter that is on or off."""
        return self.query.get(name, "") in _TRUE

    def filters(self) -> dict[str, list[str]]:
        """The parameter `filters`: a list of values each, or an object with the values as its keys."""
        try:
            found = json.loads(self.query.get("filters") or "{}")
        except ValueError as error:
            raise bad_request(f"invalid filter: {error}") from None
        return {str(key): [str(value) for value in values] for key, values in found.items()}

    def time(self, name: str) -> int | None:
        """A parameter in seconds, as nanoseconds, or None without it. Raises `EngineApiError`.

        Its fraction is read as digits: as a float it would not be exact to the nanosecond.
        """
        text = self.query.get(name, "")
        whole, _, fraction = text.partition(".")
        if not text:
            return None
        if not (whole + (fraction or "0")).isdecimal():
            raise bad_request(f"invalid value for {name}: {text}")
        return int(whole or 0) * 10**9 + int(fraction.ljust(9, "0")[:9])


@dataclass(slots=True)
class SimulatedResponse:
    """`body` is JSON-able, None for none, or `pieces` as they come; `session` takes the connection over."""

    body: Any = None
    status: int = 200
    pieces: AsyncIterator[bytes] | None = None
    session: AttachedExec | None = None
    kind: str = "application/json"
    headers: tuple[str, ...] = field(default=())


Handler = Callable[[SimulatedRequest], Awaitable[SimulatedResponse]]
Route = tuple[str, str, Handler]


async def json_lines(items: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """JSON values as lines."""
    async for item in items:
        yield json.dumps(item, separators=(",", ":")).encode() + b"\n"
