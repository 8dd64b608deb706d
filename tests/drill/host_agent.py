"""The agents of the pretend hosts, as a supervisor there would run them."""

from __future__ import annotations

import signal
import sys

from tests.docker.portal_process import ROOT
from tests.fleet.host import Host
from tests.fleet.program import Program


class HostAgent:
    """`python -m corral_agent` on one host, its state where it usually is."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.program: Program | None = None

    def start(self, url: str = "", **env: str) -> None:
        """Start it; with a registration URL it registers first."""
        command = [sys.executable, "-m", "corral_agent", *([url] if url else [])]
        ours = {"PYTHONPATH": f"{ROOT / 'agent'}:{ROOT}", "CATTLE_AGENT_IP": self.host.address, **env}
        self.program = self.host.spawn("agent", *command, **ours)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        if self.program is not None and self.program.alive:
            self.program.end(number)

    def restart(self, **env: str) -> None:
        """End it, and start it as it was registered."""
        self.end()
        self.start(**env)

    def log_tail(self) -> str:
        """The end of its log."""
        return self.program.log_tail() if self.program else ""
