"""Lines for the person who started the portal."""

from __future__ import annotations

import sys


class CannotStart(Exception):
    """The portal cannot start; the text says why and what to do."""


def say(line: str) -> None:
    """Write one line to the console at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
