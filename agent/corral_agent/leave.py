"""`python -m corral_agent.leave`: have this container's `SystemAgent` take away what it made on the host."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

LEFT = Path("/run/corral/left")
_PATIENCE, _PAUSE = 25.0, 0.1


def main(process: int = 1, left: Path = LEFT, patience: float = _PATIENCE) -> int:
    """The exit code: 0 when everything is taken away; else the reason is printed."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        os.kill(process, signal.SIGUSR1)  # again and again: one that has just started does not hear it yet
        if left.exists():
            reason = left.read_text()
            sys.stdout.write(reason)
            return 1 if reason else 0
        time.sleep(_PAUSE)
    sys.stdout.write("The system container did not take its network away in time.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
