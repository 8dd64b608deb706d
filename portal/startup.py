"""What the portal does once at its start, between the migrations and the first request."""

from __future__ import annotations

from portal.boot.console import say


def prepare() -> None:
    """Make what must be there before the first request."""


def engine_found(url: str) -> None:
    """A local engine answers on `url`."""
    say(f"The local Docker engine answers on {url}.")
