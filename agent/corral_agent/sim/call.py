"""One request to a simulated engine, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from corral_agent.sim.refusals import bad

if TYPE_CHECKING:
    from corral_agent.sim.engine import SimEngine
    from corral_agent.sim.shell import Exec

_TRUE = {"1", "true", "True"}


@dataclass(slots=True)
class Call:
    """`keys` are the path's own parts, `query` the last value of each parameter."""

    engine: SimEngine
    keys: tuple[str, ...]
    query: dict[str, str]
    body: AsyncIterator[bytes]

    async def json(self) -> dict[str, Any]:
        """The body as an object. Raises `Refusal`."""
        try:
            found = json.loads(b"".join([piece async for piece in self.body]) or b"{}")
        except ValueError as error:
            raise bad(f"invalid JSON: {error}") from None
        if not isinstance(found, dict):
            raise bad("invalid JSON: cannot unmarshal into an object")
        return found

    def flag(self, name: str) -> bool:
        """A parameter that is on or off."""
        return self.query.get(name, "") in _TRUE

    def filters(self) -> dict[str, list[str]]:
        """The parameter `filters`, in either of its two spellings."""
        try:
            found = json.loads(self.query.get("filters") or "{}")
        except ValueError as error:
            raise bad(f"invalid filter: {error}") from None
        return {str(key): [str(value) for value in values] for key, values in found.items()}


@dataclass(slots=True)
class Reply:
    """`body` is JSON-able, None for none, or pieces as they come; `session` takes the connection over."""

    body: Any = None
    status: int = 200
    pieces: AsyncIterator[bytes] | None = None
    session: Exec | None = None
    kind: str = "application/json"
    headers: tuple[str, ...] = field(default=())


Handler = Callable[[Call], Awaitable[Reply]]
Route = tuple[str, str, Handler]


async def lines(found: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """JSON values as lines."""
    async for item in found:
        yield json.dumps(item, separators=(",", ":")).encode() + b"\n"
