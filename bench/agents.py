"""`python -m bench.agents`: 200 simulated agents in four processes on one embedded portal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measurement import (
    cpu_seconds,
    memory_mb,
    portal_at,
    registration_url,
)
from tests.docker.portal_process import (
    ROOT,
    PortalProcess,
    clean_environment,
    wait_until,
)

PROCESSES, AGENTS_PER_PROCESS, IDLE_SECONDS = 4, 50, 30.0
_CONNECTED_QUERY = "SELECT gateway FROM hosts_host WHERE tunnel_socket != '' AND removed IS NULL"


def main() -> None:
    """Enrol them, watch them rest, lose the portal and have them all come back."""
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        portal, agents = portal_at(Path(folder) / "portal", "127.0.0.1"), []
        try:
            url = registration_url(portal.api())
            began = time.monotonic()
            agents = [start_agents(Path(folder), number, url, AGENTS_PER_PROCESS) for number in range(PROCESSES)]
            _until_active(portal)
            _report("from starting them to all hosts active, registration included", time.monotonic() - began, "s")
            _measure_idle(portal, [each.pid for each in agents])
            _measure_reconnect(portal)
        finally:
            for each in agents:
                each.kill()
                each.wait()
            portal.end(signal.SIGKILL)


def start_agents(folder: Path, number: int, url: str, count: int) -> subprocess.Popen[bytes]:
    """One process with so many simulated hosts."""
    command = [
        sys.executable,
        "-m",
        "corral_agent",
        "--simulate",
        str(count),
        "--name",
        f"sim{number}",
        url,
    ]
    modules = os.pathsep.join((str(ROOT / "agent"), str(ROOT)))  # the agent, and the engine that it simulates
    env = clean_environment(PYTHONPATH=modules, CORRAL_STATE=str(folder / f"state{number}"))
    with (folder / f"agents{number}.log").open("wb") as log:
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)


def _until_active(portal: PortalProcess) -> None:
    query = "SELECT count(*) FROM hosts_host WHERE state = 'active' AND tunnel_socket != ''"
    wait_until(
        lambda: portal.rows(query)[0][0] == PROCESSES * AGENTS_PER_PROCESS, seconds=240, what="all active", pause=0.5
    )


def _measure_idle(portal: PortalProcess, agents: list[int]) -> None:
    time.sleep(10)
    for what, pids in (("portal", portal.process_ids()), ("agents", agents)):
        before, began = cpu_seconds(pids), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = 100 * (cpu_seconds(pids) - before) / (time.monotonic() - began)
        _report(f"{what} at rest, mean of {IDLE_SECONDS:.0f} s, of one core", share, "%")
        _report(f"{what} at rest, memory of all processes (PSS)", memory_mb(pids), "MB")


def _measure_reconnect(portal: PortalProcess) -> None:
    """The portal is killed and started: every agent has to come back."""
    old = {row[0] for row in portal.rows(_CONNECTED_QUERY)}
    portal.end(signal.SIGKILL)
    began = time.monotonic()
    portal.start()

    def back() -> bool:
        return sum(row[0] not in old for row in portal.rows(_CONNECTED_QUERY)) == PROCESSES * AGENTS_PER_PROCESS

    wait_until(back, seconds=240, what="everybody back", pause=0.2)
    _report("mass reconnect: from the portal's kill -9 and start to all back", time.monotonic() - began, "s")


def _report(what: str, figure: float, unit: str) -> None:
    print(f"  {what:<66} {figure:8.1f} {unit}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    main()
