"""A program that goes on running on a host."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fleet.commands import tail, wait_for


class Program:
    """Started inside a host's namespaces; signals reach the program itself, not what started it."""

    def __init__(self, enter_command: Sequence[str], command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        with log.open("ab") as out:
            self._outer = subprocess.Popen(
                [*enter_command, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's number as this machine sees it; 0 before it is there and after its end."""
        try:
            inner = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        except OSError:
            return 0
        return int(inner[0]) if inner else 0

    @property
    def alive(self) -> bool:
        return self._outer.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program, if it is there."""
        wait_for(lambda: self.pid > 0 or not self.alive, "the program to be there")
        if pid := self.pid:
            os.kill(pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 60) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.send(number)
        return self._outer.wait(seconds)

    def wait_ended(self) -> None:
        """Wait for the end that its host's has brought."""
        self._outer.wait(60)

    def log_tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return tail(self.log, lines)

    def memory(self) -> int:
        """Resident bytes (proportional share)."""
        rows = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
