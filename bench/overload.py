"""`python -m bench.overload`: a thousand containers at once on two hundred simulated hosts; no host may look lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

from bench.agents import start_agents
from bench.measurement import portal_at, registration_url
from tests.docker.portal_process import Api, PortalProcess, wait_until

PROCESSES = 4
HOSTS = int(os.environ.get("OVERLOAD_HOSTS", "200"))
CONTAINERS = int(os.environ.get("OVERLOAD_CONTAINERS", "1000"))
SECONDS = float(os.environ.get("OVERLOAD_SECONDS", "300"))
_LOST = ("reconnecting", "disconnected", "error")


def main() -> int:
    """Place them and watch; the exit code says whether every host stayed active."""
    agents: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="corral-overload-") as name:
        folder = Path(name)
        portal = portal_at(folder / "portal", "127.0.0.1")
        try:
            api = portal.api()
            url = registration_url(api)
            agents += [start_agents(folder, number, url, HOSTS // PROCESSES) for number in range(PROCESSES)]
            wait_until(lambda: _hosts(portal)["active"] == HOSTS, seconds=400, what="all hosts active", pause=1)
            return _place(portal, api)
        finally:
            for each in agents:
                each.kill()
                each.wait()
            portal.end(signal.SIGKILL)


def _hosts(portal: PortalProcess) -> Counter[str]:
    return Counter(dict(portal.rows("SELECT state, count(*) FROM hosts_host WHERE removed IS NULL GROUP BY state")))


def _running(portal: PortalProcess) -> int:
    return int(portal.rows("SELECT count(*) FROM containers_container WHERE state = 'running'")[0][0])


def _place(portal: PortalProcess, api: Api) -> int:
    began = time.monotonic()
    for number in range(0, CONTAINERS, 250):
        api.deploy(f"many{number}", "web", min(250, CONTAINERS - number), imageUuid="docker:sim:web", ports=[])
    lost, slowest, running = 0, 0.0, 0
    while running < CONTAINERS and time.monotonic() - began < SECONDS:
        time.sleep(2)
        states, running = _hosts(portal), _running(portal)
        lost = max(lost, sum(states[state] for state in _LOST))
        slowest = max(slowest, _login_seconds(portal))
    took = time.monotonic() - began
    locked = portal.log.read_text().count("database is locked")
    _report(f"{running} of {CONTAINERS} containers running after", took, "s")
    _report("hosts that looked lost meanwhile, at most (limit 0)", lost, "")
    _report('"database is locked" in the log (limit 0)', locked, "")
    _report("slowest log-in page meanwhile", slowest, "s")
    return 1 if lost or locked else 0


def _login_seconds(portal: PortalProcess) -> float:
    began = time.monotonic()
    connection = HTTPConnection(portal.address, portal.port, timeout=60)
    try:
        connection.request("GET", "/login")
        connection.getresponse().read()
    finally:
        connection.close()
    return time.monotonic() - began


def _report(what: str, figure: float, unit: str) -> None:
    print(f"  {what:<66} {figure:8.1f} {unit}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    sys.exit(main())
