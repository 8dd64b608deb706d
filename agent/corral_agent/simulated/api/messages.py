"""One request to a simulated engine, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from corral_agent.simulated.errors import bad_request

if TYPE_CHECKING:
    from corral_agent.simulated.engine import SimulatedEngine
    from corral_agent.simulated.shell import SimulatedExec

_TRUE = {"1", "true", "True"}


@dataclass(slots=True)
class SimulatedRequest:
    """`keys` are the path's own parts, `query` the last value of each parameter."""

    engine: SimulatedEngine
    keys: tuple[str, ...]
    query: dict[str, str]
    body: AsyncIterator[bytes]

    async def json(self) -> dict[str, Any]:
        """The body as an object. Raises `Refusal`."""
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
        """The parameter `filters`, in either of its two spellings."""
        try:
            found = json.loads(self.query.get("filters") or "{}")
        except ValueError as error:
            raise bad_request(f"invalid filter: {error}") from None
        return {str(key): [str(value) for value in values] for key, values in found.items()}


@dataclass(slots=True)
class SimulatedResponse:
    """`body` is JSON-able, None for none, or pieces as they come; `session` takes the connection over."""

    body: Any = None
    status: int = 200
    pieces: AsyncIterator[bytes] | None = None
    session: SimulatedExec | None = None
    kind: str = "application/json"
    headers: tuple[str, ...] = field(default=())


Handler = Callable[[SimulatedRequest], Awaitable[SimulatedResponse]]
Route = tuple[str, str, Handler]


async def json_lines(found: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """JSON values as lines."""
    async for item in found:
        yield json.dumps(item, separators=(",", ":")).encode() + b"\n"
