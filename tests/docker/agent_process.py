"""A real agent as a process of its own, in front of the tests' private engine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.docker.portal_process import ROOT, clean_environment
from tests.engine import PrivateEngine


class AgentProcess:
    """`python -m corral_agent` with a state folder of its own."""

    def __init__(self, folder: Path, engine: PrivateEngine, **extra: str) -> None:
        self.log = folder / "agent.log"
        self.environment = clean_environment(
            PYTHONPATH=f"{ROOT / 'agent'}:{ROOT}",
            CORRAL_STATE=str(folder / "state"),
            DOCKER_SOCKET=str(engine.url).removeprefix("unix://"),
            CATTLE_AGENT_IP="127.0.0.1",
            CORRAL_NETWORK="off",  # it shares this machine's own network, which no test may touch
            **extra,
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, url: str = "") -> None:
        """Start it; with a registration URL it registers first."""
        command = [sys.executable, "-m", "corral_agent", *([url] if url else [])]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait for the end unless it only pauses."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            if number not in {signal.SIGSTOP, signal.SIGCONT}:
                self.process.wait(60)

    def log_text(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")
