"""`PYTHONPATH=agent python -m bench.arrival`: when a new container's name is known elsewhere, and what an agent weighs.

Two pretend hosts with real engines and agents; names are asked for on the host where the container is not.
"""

from __future__ import annotations

import datetime
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

from bench.measurement import why_left_out
from tests.docker.portal_process import wait_until
from tests.fleet import flood
from tests.fleet.fleet import fleet
from tests.fleet.shop import SLEEP, Shop

RUNS, MOST_SECONDS = 20, 1.0
CONTAINERS, NAMES, MOST_MB = 100, 1_000, 60
_FRACTION = re.compile(r"\.(\d{6})\d*")


def main() -> int:
    """Print the figures; the exit code says whether the limits hold. Without the programs there is nothing to say."""
    if reason := why_left_out():
        print(f"  left out: {reason}")
        return 0
    with fleet(2) as hosts, tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        shop = Shop(hosts, Path(folder))
        try:
            shop.open()
            passed = _measure_names(shop)
            return 0 if passed & _measure_memory(shop) else 1
        finally:
            shop.close()


def _measure_names(shop: Shop) -> bool:
    """Start one container after another on host 1, and ask for its name on host 2."""
    hosts = {row["hostname"]: row["id"] for row in shop.api.get("hosts")["data"]}
    from_request, from_start = list[float](), list[float]()
    for number in range(RUNS):
        name = f"new{number}"
        made = shop.api.create(
            "containers", name=name, imageUuid="docker:bb:local", command=SLEEP, stopSignal="SIGKILL",
            requestedHostId=hosts["h1"], startOnCreate=False,
        )  # fmt: skip
        made = shop.api.until_state(made, "stopped")
        with _watching(shop, f"{name}.rancher.internal") as watching:
            began = time.time()
            shop.api.act(made, "start")
            known, _ = watching.communicate(timeout=90)
        row = shop.api.until_state(made, "running")
        from_request.append(float(known) - began)
        from_start.append(float(known) - _started(shop, row["externalId"]))
        shop.api.delete(row)
    for what, times in (("the request to start it", from_request), ("its start by the engine", from_start)):
        middle, worst = statistics.median(times), _p95(times)
        limit = f"   < {MOST_SECONDS:.0f} s" if times is from_start else ""
        print(f"  {f'from {what} to its name on another host':<58} median {middle:.2f} s, p95 {worst:.2f} s{limit}")
    return _p95(from_start) < MOST_SECONDS


def _watching(shop: Shop, name: str) -> subprocess.Popen[str]:
    """Asks on host 2 for as long as it takes, and prints the time; there already when this returns."""
    program = [sys.executable, str(Path(flood.__file__)), "await", name]
    made = subprocess.Popen([*shop.fleet.hosts[2].enter_command, *program], stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert made.stdout.readline() == "asking\n"
    return made


def _started(shop: Shop, engine_id: str) -> float:
    text = shop.fleet.hosts[1].terminal.inspect_container(engine_id)["State"]["StartedAt"]
    return datetime.datetime.fromisoformat(_FRACTION.sub(r".\1", text)).timestamp()


def _p95(times: list[float]) -> float:
    return sorted(times)[round(len(times) * 0.95) - 1]


def _measure_memory(shop: Shop) -> bool:
    """The agent of host 1, run as in its image, with many containers of its own and many names."""
    shop.agents[1].end()
    shop.agents[1].start(PYTHONOPTIMIZE="2", PYTHONNODEBUGRANGES="1")
    shop.api.act(next(row for row in shop.api.get("hosts")["data"] if row["hostname"] == "h2"), "deactivate")
    stack = shop.api.create("environments", name="many")
    shop.service(stack, "box", CONTAINERS)
    shop.api.until_running("many_box", CONTAINERS, seconds=300)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _external(shop, stack, number), range(NAMES - CONTAINERS)))
    wait_until(lambda: len(json.dumps(shop.document("names", 1)).split("192.0.2.")) > NAMES - CONTAINERS, seconds=120,
               what="all names on the host", pause=0.5)  # fmt: skip
    program = shop.agents[1].program
    assert program is not None
    resident = _resident(program.pid)
    what = f"an agent with {CONTAINERS} containers and {NAMES} names, resident"
    print(f"  {what:<58} {resident:.0f} MB   <= {MOST_MB} MB")
    return resident <= MOST_MB


def _external(shop: Shop, stack: Any, number: int) -> None:
    address = f"192.0.2.{number % 250 + 1}"
    shop.api.create("externalservices", name=f"out{number}", environmentId=stack["id"], externalIpAddresses=[address],
                    startOnCreate=True)  # fmt: skip


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


if __name__ == "__main__":
    django.setup()
    sys.exit(main())
