"""`python -m bench.soak`: what a portal's memory does under load, and what is left of it when the load is over."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.agents import start_agents
from bench.measurement import memory_mb, portal_at, registration_url
from tests.docker.portal_process import Api, PortalProcess, wait_until

PROCESSES, HOSTS = 4, int(os.environ.get("SOAK_HOSTS", "260"))
CONTAINERS = int(os.environ.get("SOAK_CONTAINERS", "300"))
SOCKETS, CLIENTS = 20, 4
SETTLE_SECONDS = 45
GOAL, LIMIT = 1.5, 2.0  # what it is to be; what it may not be: `docs/critiques.md` says what is known of the rest
_BARS = "▁▂▃▄▅▆▇█"
_PAGES = ("hosts?limit=300", "containers?limit=1000", "services", "environments", "schemas", "auditlogs?limit=100")
_TROUBLE = ("containers/1i999999", "nonsense", "hosts?limit=x", "projects/1a77/hosts", "services?name_like=%25a%25")


class MemoryCurve:
    """A sample every five seconds, with the phase it was taken in."""

    def __init__(self, portal: PortalProcess) -> None:
        self._portal, self._began = portal, time.monotonic()
        self.samples: list[tuple[float, float, str]] = []
        self.phase = "idle"
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(5):
            with contextlib.suppress(OSError):
                self.sample()

    def sample(self) -> float:
        """Take one now; MB."""
        found = memory_mb(self._portal.process_ids())
        self.samples.append((time.monotonic() - self._began, found, self.phase))
        return found

    def last(self, phase: str) -> float:
        """The last figure of a phase, in MB."""
        return [mb for _at, mb, found in self.samples if found == phase][-1]

    def end(self) -> None:
        """Take no more."""
        self._ended.set()

    def show(self) -> None:
        """The curve as bars, and its figures as lines of CSV."""
        top = max(mb for _at, mb, _phase in self.samples)
        step = max(1, len(self.samples) // 100)
        print("  " + "".join(_BARS[min(7, int(8 * mb / top))] for _at, mb, _phase in self.samples[::step]))
        print("  seconds,MB,phase")
        for at, mb, phase in self.samples[::step]:
            print(f"  {at:.0f},{mb:.0f},{phase}")


def main() -> int:
    """Idle, loaded, idle again; the exit code says whether the limit holds."""
    agents: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="corral-soak-") as name:
        portal = portal_at(Path(name) / "portal", "127.0.0.1")
        curve = MemoryCurve(portal)
        try:
            _run_phases(portal, curve, agents, Path(name))
        finally:
            curve.end()
            _end(agents)
            portal.end(signal.SIGKILL)
    curve.show()
    _report("before the load, one host", curve.last("idle"))
    _report(f"highest, with {HOSTS} hosts and the load", max(mb for _at, mb, _phase in curve.samples))
    _report(f"at rest, the {HOSTS} hosts still connected", curve.last("rest"))
    _report("after the load, one host again", curve.last("alone"))
    ratio = curve.last("alone") / curve.last("idle")
    print(f"  {'memory after load / before':<58} {ratio:>10.2f} x   <= {LIMIT} x (goal {GOAL} x)", flush=True)
    return 0 if ratio <= LIMIT else 1


def _run_phases(portal: PortalProcess, curve: MemoryCurve, agents: list[subprocess.Popen[bytes]], folder: Path) -> None:
    api = portal.api()
    portal.page("/")
    url = registration_url(api)
    # One host from the start: what is loaded for the first one belongs to every portal that is used.
    first = start_agents(folder, PROCESSES, url, 1)
    try:
        _until_active(portal, 1)
        time.sleep(15)
        curve.sample()
        _crowd(portal, curve, agents, folder)
    finally:
        _end([first])


def _crowd(portal: PortalProcess, curve: MemoryCurve, agents: list[subprocess.Popen[bytes]], folder: Path) -> None:
    """The other hosts come, are put to work, rest, and are gone."""
    api = portal.api()
    url = registration_url(api)
    curve.phase = "hosts"
    agents += [start_agents(folder, number, url, HOSTS // PROCESSES) for number in range(PROCESSES)]
    _until_active(portal, 1 + HOSTS // PROCESSES * PROCESSES)
    curve.phase = "load"
    _load(portal, api, float(os.environ.get("SOAK_MINUTES", "30")))
    curve.phase = "rest"
    time.sleep(SETTLE_SECONDS)
    curve.sample()
    curve.phase = "alone"
    _end(agents)
    time.sleep(SETTLE_SECONDS)
    curve.sample()


def _report(what: str, mb: float) -> None:
    print(f"  {what:<58} {mb:>9.0f} MB", flush=True)


def _until_active(portal: PortalProcess, wanted: int) -> None:
    query = "SELECT count(*) FROM hosts_host WHERE state = 'active' AND tunnel_socket != ''"
    wait_until(lambda: portal.rows(query)[0][0] == wanted, seconds=400, what="all hosts active", pause=1)


def _load(portal: PortalProcess, api: Api, minutes: float) -> None:
    """Containers, readers, wrong requests and sockets, for so long."""
    stack, _service = api.deploy("soak", "web", CONTAINERS, imageUuid="docker:sim:web", ports=[])
    ending = threading.Event()
    works = [threading.Thread(target=_read, args=(api, ending, seed)) for seed in range(CLIENTS)]
    works += [threading.Thread(target=_listen, args=(portal, api, ending)) for _ in range(SOCKETS)]
    for each in works:
        each.start()
    time.sleep(minutes * 60)
    ending.set()
    for each in works:
        each.join(60)
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=300)


def _read(api: Api, ending: threading.Event, seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311 - variety, not secrecy
    with requests.Session() as client:
        client.headers["Authorization"] = api.authorization
        while not ending.wait(0.2):
            with contextlib.suppress(requests.RequestException):
                if choice.random() < 0.3:
                    body = {"name": "x" * choice.randrange(20_000)}
                    client.post(f"{api.base}/v1/{choice.choice(_TROUBLE)}", json=body, timeout=30)
                else:
                    client.get(f"{api.base}/v1/{choice.choice((*_PAGES, *_TROUBLE))}", timeout=60)


def _listen(portal: PortalProcess, api: Api, ending: threading.Event) -> None:
    url = f"ws://{portal.address}:{portal.port}/v1/subscribe?eventNames=resource.change"
    headers = {"Authorization": api.authorization}
    while not ending.is_set():
        try:
            with connect(url, additional_headers=headers, open_timeout=30) as socket:
                until = time.monotonic() + 20
                while time.monotonic() < until and not ending.is_set():
                    with contextlib.suppress(TimeoutError):
                        socket.recv(1)
        except (OSError, TimeoutError, WebSocketException):
            ending.wait(1)


def _end(agents: list[subprocess.Popen[bytes]]) -> None:
    for each in agents:
        each.kill()
        each.wait()
    agents.clear()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    sys.exit(main())
