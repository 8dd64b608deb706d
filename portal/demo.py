"""The demonstration: a sample stack, deployed through the API of a portal with its own data folder."""

from __future__ import annotations

from portal.boot.console import say


def demo() -> int:
    """Deploy the sample stack."""
    say("The demonstration comes with the API.")
    return 1
