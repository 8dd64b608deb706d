"""A pretend host: namespaces of its own with a process 1, and its own /run, disks and network address."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path

import docker

from apps.drivers.base import Endpoint
from tests.fleet.commands import (
    NoFleet,
    run,
    tail,
    wait_for,
)
from tests.fleet.program import Program
from tests.fleet.switch import Switch

_BOOT = Path(__file__).with_name("boot.sh")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class Host:
    """One host; its engine listens on its own /var/run/docker.sock, which is `url` from outside."""

    def __init__(self, switch: Switch, folder: Path, number: int) -> None:
        self.number, self.name, self.switch = number, f"h{number}", switch
        self.address = switch.address(number)
        self.folder = folder / self.name
        self.url = f"unix://{self.folder}/run/docker.sock"
        self.endpoint = Endpoint(self.url)
        self.netns = switch.attach_host(number)
        self._programs: list[Program] = []
        self._power: subprocess.Popen[bytes] | None = None
        for name in ("run", "docker", "rancher", "identity"):
            (self.folder / name).mkdir(parents=True)

    def power_on(self) -> None:
        """Start its process 1 (from the main thread: the host dies with the thread that started it)."""
        for each in (self.folder / "run").iterdir():  # /run is empty after a boot
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        lone = ("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{self.netns}")
        own = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
        script = ("sh", str(_BOOT), str(self.folder), self.name, self.address, self.switch.portal)
        with (self.folder / "boot.log").open("wb") as log:
            self._power = subprocess.Popen(
                [*lone, *own, *script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_booted(self) -> None:
        """Wait until its process 1 has made everything ready."""
        with contextlib.suppress(NoFleet):
            wait_for((self.folder / "run" / "booted").exists, f"{self.name} to boot", seconds=60)
            wait_for(lambda: self.pid > 0, f"{self.name} to have a process 1")
            return
        raise NoFleet(f"{self.name} does not boot: {tail(self.folder / 'boot.log')}")

    @property
    def pid(self) -> int:
        """Its process 1 as this machine sees it; 0 when it is off."""
        if self._power is None or self._power.poll() is not None:
            return 0
        with contextlib.suppress(OSError):
            inner = Path(f"/proc/{self._power.pid}/task/{self._power.pid}/children").read_text().split()
            return int(inner[0]) if inner else 0
        return 0

    def power_off(self) -> None:
        """As if the plug were pulled: everything on it dies at once, its disks stay."""
        if self._power is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self._power.pid, signal.SIGKILL)
            self._power.wait(60)
            self._leave_terminal()
            for program in self._programs:
                program.wait_ended()
        self._power = None

    def _leave_terminal(self) -> None:
        if terminal := self.__dict__.pop("terminal", None):
            terminal.close()

    @property
    def enter_command(self) -> list[str]:
        """What to put before a command to have it run on this host."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-i", "-p", "--"]

    def run(self, *command: str, check: bool = True, timeout: float = 30) -> str:
        """What a command on this host printed."""
        return run(*self.enter_command, *command, check=check, timeout=timeout)

    def spawn(self, name: str, *command: str, **env: str) -> Program:
        """A command that stays on this host, its output in `<folder>/<name>.log`."""
        program = Program(self.enter_command, command, self.folder / f"{name}.log", {**os.environ, **env})
        self._programs.append(program)
        return program

    def disconnect(self) -> None:
        """Pull its network cable."""
        self.switch.plug(self.number, plugged=False)

    def reconnect(self) -> None:
        """Put its network cable back."""
        self.switch.plug(self.number, plugged=True)

    @cached_property
    def terminal(self) -> docker.APIClient:
        """The engine as somebody at the host's own console uses it."""
        return docker.APIClient(base_url=self.url, version="auto", timeout=60)


def shifted_clock(offset: str) -> dict[str, str]:
    """The environment of a program whose clock is off, such as by "+1h"."""
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}
