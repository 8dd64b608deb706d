"""Who asks, as the lowest apps need to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    pass


class Asker(Protocol):
    """Who asks, as the lowest apps need to know it; `environments.access.Actor` is the real thing."""

    @property
    def via(self) -> str: ...

    @property
    def is_admin(self) -> bool: ...

    @property
    def api_key(self) -> Any: ...

    @property
    def is_fresh(self) -> bool: ...
