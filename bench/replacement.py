"""`PYTHONPATH=agent python -m bench.replacement`: from a container's first bad answer to its running successor.

On one engine, checked by the portal itself and by an agent: containers that answer 500, one that accepts connections
and says nothing, and one that its engine has to kill. Before them what the engine alone takes to replace a container.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from bench.measurement import registration_url
from tests import engine as engines
from tests.docker.agent_process import AgentProcess
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

RUNS = int(os.environ.get("RUNS", "6"))
INTERVAL, THRESHOLD, ALLOWED = 0.5, 3, 2.0
STAGGER = 0.2  # seconds between containers that fall ill together
LABEL = "io.rancher.container.name"
CHECK = {
    "port": 80,
    "requestLine": "GET /cgi-bin/up HTTP/1.0",
    "interval": int(INTERVAL * 1000),
    "responseTimeout": int(INTERVAL * 1000),
    "unhealthyThreshold": THRESHOLD,
}
SERVER = r"""mkdir -p /www/cgi-bin
cat > /www/cgi-bin/up <<'END'
#!/bin/sh
[ -e /tmp/silent ] && sleep 60
printf "Status: $(cat /tmp/status 2>/dev/null || echo 200 OK)\r\n\r\n"
END
chmod +x /www/cgi-bin/up
exec %s
"""
EVENTS = ("kill", "create", "start")


@dataclass(frozen=True)
class Fault:
    """What is done to a container, how many seconds each failing check takes, and to how many at a time."""

    name: str
    what: str
    command: str = "echo '500 Oops' > /tmp/status"
    check_seconds: float = 0.0
    at_once: int = 1
    program: str = "serve"
    ports: tuple[str, ...] = ("80/tcp",)


FAULTS = (
    Fault("bad", "answers 500"),
    Fault("silent", "says nothing", command="touch /tmp/silent", check_seconds=INTERVAL),
    Fault("several", "three answer 500", at_once=3),
    # As process 1 a program without a handler ignores TERM: its engine waits ten seconds before it kills it.
    Fault("deaf", "answers 500, ignores TERM", program="httpd -f -p 80 -h /www", ports=()),
)


def main() -> int:
    """Print the figures; the exit code says whether every successor ran in time."""
    passed = True
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        engine = engines.start()
        try:
            for count in sorted({fault.at_once for fault in FAULTS}):
                alone = _figures(_engine_alone(engine, count))
                print(f"  {f'the engine alone replaces {count} at once':<56} {alone}", flush=True)
            for checker, checked in (("portal", _checked_by_portal), ("agent", _checked_by_agent)):
                with checked(engine, Path(folder) / checker) as api:
                    for fault in FAULTS:
                        passed &= _measure(api, engine, checker, fault)
        finally:
            engines.stop(engine)
    return 0 if passed else 1


def _engine_alone(engine: PrivateEngine, at_once: int) -> list[float]:
    """What a replacement takes with nothing but the engine at work, through its own SDK."""
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60, num_pools=at_once)
    client.create_network("bench-replacement", driver="bridge")
    host = client.create_host_config(network_mode="bench-replacement", port_bindings={80: None})

    def start(number: int) -> str:
        name = f"alone{number}"
        made = client.create_container("bb:local", _command("serve"), ports=[80], name=name, host_config=host)["Id"]
        client.start(made)
        return str(made)

    def replace(number: int, box: str) -> float:
        time.sleep(number * STAGGER)
        began = time.monotonic()
        client.stop(box, timeout=10)
        client.remove_container(box, v=True, force=True)
        boxes[number] = start(number)
        return time.monotonic() - began

    boxes, found = {number: start(number) for number in range(at_once)}, list[float]()
    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(RUNS):
            time.sleep(1)
            found += pool.map(replace, boxes.keys(), boxes.values())
    for box in boxes.values():
        client.remove_container(box, force=True)
    client.remove_network("bench-replacement")
    client.close()
    return found


@contextlib.contextmanager
def _portal(url: str, folder: Path) -> Iterator[Api]:
    folder.mkdir()
    portal = PortalProcess(folder / "data", url)
    portal.data_dir.mkdir()
    portal.start()
    try:
        yield portal.api()
    except BaseException:
        sys.stderr.write(portal.log.read_text()[-4000:])
        raise
    finally:
        portal.end()
        if keep := os.environ.get("KEEP_LOGS"):
            (Path(keep) / f"{folder.name}.log").write_bytes(portal.log.read_bytes())


def _checked_by_portal(engine: PrivateEngine, folder: Path) -> contextlib.AbstractContextManager[Api]:
    """A portal on the engine's own machine."""
    return _portal(engine.url, folder)


@contextlib.contextmanager
def _checked_by_agent(engine: PrivateEngine, folder: Path) -> Iterator[Api]:
    """A portal whose only host has an agent in front of the engine."""
    with _portal("unix:///nonexistent.sock", folder) as api:
        agent = AgentProcess(folder, engine)
        agent.start(registration_url(api))
        try:
            wait_until(lambda: _active_hosts(api), seconds=120, what="the host")
            yield api
        finally:
            agent.end()


def _active_hosts(api: Api) -> list[Any]:
    return [row for row in api.get("hosts")["data"] if row["state"] == "active"]


def _command(program: str) -> list[str]:
    return ["sh", "-c", SERVER % program]


def _measure(api: Api, engine: PrivateEngine, checker: str, fault: Fault) -> bool:
    """Make one container after the other ill, each of a slot of its own: a slot's second failure would be put off."""
    launch = {"command": _command(fault.program), "healthCheck": CHECK, "ports": list(fault.ports)}
    stack, _service = api.deploy(fault.name, "web", RUNS, **launch)
    runs: list[dict[str, float]] = []
    with ThreadPoolExecutor(fault.at_once) as pool:
        for first in range(1, RUNS + 1, fault.at_once):
            _until_all_are_healthy(api, fault.name)
            names = [f"{fault.name}_web_{first + each}" for each in range(min(fault.at_once, RUNS + 1 - first))]
            runs += pool.map(lambda each: _replacement(engine, each[1], fault, each[0] * STAGGER), enumerate(names))
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=120)
    limit, times = INTERVAL * THRESHOLD + fault.check_seconds + ALLOWED, [each["start"] for each in runs]
    print(f"  {f'checked by the {checker}, {fault.what}':<56} {_figures(times)}   <= {limit:.1f} s", flush=True)
    print(f"    {', '.join(f'{what} {_middle(runs, what):.2f} s' for what in EVENTS)} (medians)", flush=True)
    return max(times) <= limit


def _until_all_are_healthy(api: Api, stack: str) -> None:
    def healths() -> list[str]:
        return [row["healthState"] for row in api.containers(f"{stack}_web_")]

    wait_until(lambda: healths() == ["healthy"] * RUNS, seconds=120, what="healthy containers", pause=0.2)
    time.sleep(1)


def _replacement(engine: PrivateEngine, name: str, fault: Fault, delay: float) -> dict[str, float]:
    """When the engine says that each thing happened, in seconds from the first moment with a bad answer."""
    time.sleep(delay)
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    client.exec_start(client.exec_create(name, ["sh", "-c", fault.command])["Id"])
    began, found = time.time(), dict[str, float]()
    events = client.events(since=int(began), decode=True, filters={"type": "container", "event": list(EVENTS)})
    for each in events:
        happened = each["timeNano"] / 1e9 - began
        if each["Actor"]["Attributes"].get(LABEL) == name and happened > 0:
            found.setdefault(each["Action"], happened)
        if "start" in found:
            break
    client.close()
    return found


def _middle(runs: list[dict[str, float]], what: str) -> float:
    return statistics.median(each[what] for each in runs)


def _figures(times: Iterable[float]) -> str:
    times = sorted(times)
    return f"{times[0]:.2f} to {times[-1]:.2f} s, median {statistics.median(times):.2f} s"


if __name__ == "__main__":
    sys.exit(main())
