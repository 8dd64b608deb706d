"""`python -m bench.tunnel`: the agent's tunnel against the engine's own socket, in one run, on one engine."""

from __future__ import annotations

import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

PINGS, ROUNDS, MEGABYTES, LINES = 300, 3, 100, 500_000
IMAGE = "bench:big"


def main() -> None:
    """Measure both ways in turns, print medians."""
    django.setup()
    from bench.measurement import portal_at, registration_url
    from tests.docker.portal_process import ROOT, wait_until
    from tests.fleet.fleet import fleet

    with fleet(1) as made, tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        host, portal = made.hosts[1], portal_at(Path(folder) / "portal", made.switch.portal)
        try:
            url, env = registration_url(portal.api()), {"PYTHONPATH": f"{ROOT / 'agent'}:{ROOT}"}
            agent = host.spawn("agent", sys.executable, "-m", "corral_agent", url, **env)
            query = "SELECT tunnel_socket FROM hosts_host WHERE tunnel_socket != '' AND state = 'active'"
            sock = wait_until(lambda: portal.rows(query), seconds=20, what="the tunnel")[0][0]
            _compare(host.url, f"unix://{sock}")
            print(f"  the agent's memory after it (PSS)                  {agent.memory() / 1e6:.0f} MB")
        finally:
            portal.end()


def _compare(direct: str, tunnel: str) -> None:
    from apps.drivers.base import Endpoint
    from apps.drivers.docker.engine import DockerDriver

    ways = {"direct": DockerDriver(Endpoint(direct)), "tunnel": DockerDriver(Endpoint(tunnel))}
    print(f"{'':50} {'direct':>10} {'tunnel':>10}")
    pings = {name: _measure_pings(way) for name, way in ways.items()}
    _report("ping p50, ms", {name: statistics.median(times) for name, times in pings.items()})
    _report("ping p99, ms", {name: sorted(times)[int(len(times) * 0.99)] for name, times in pings.items()})
    archive = _archive(ways["direct"])
    _report(f"load of an image of {MEGABYTES} MB, s", _medians(ways, lambda way: _measure_load(way, archive)))
    talk = _create_log_container(ways["direct"])
    _report("log of 50 MB, MB/s", {n: 50 / t for n, t in _medians(ways, lambda way: _measure_log(way, talk)).items()})
    for way in ways.values():
        way.close()


def _report(what: str, figures: dict[str, float]) -> None:
    print(f"  {what:48} {figures['direct']:10.2f} {figures['tunnel']:10.2f}", flush=True)


def _medians(ways: dict[str, Any], run: Callable[[Any], float]) -> dict[str, float]:
    rounds = [{name: run(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(each[name] for each in rounds) for name in ways}


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _measure_pings(way: Any) -> list[float]:
    way.ping()
    return [1000 * _timed(way.ping) for _ in range(PINGS)]


def _archive(way: Any) -> list[bytes]:
    """A new image's archive; what is in it cannot be pressed."""
    from apps.drivers.docker.sdk import EngineConnection

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("blob")
        entry.size = MEGABYTES * 1_000_000
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    line = EngineConnection(way.endpoint)
    with line() as sdk:
        sdk.import_image_from_data(buffer.getvalue(), *IMAGE.split(":"))
    line.close()
    return list(way.save(IMAGE))


def _measure_load(way: Any, archive: list[bytes]) -> float:
    way.remove_image(IMAGE, force=True)
    return _timed(lambda: way.load(archive))


def _create_log_container(way: Any) -> str:
    """A container that has said 50 MB."""
    from apps.drivers.base import CreateRequest
    from tests.docker.portal_process import wait_until

    words = f"yes {'x' * 99} | head -n {LINES}"
    made = way.create(CreateRequest("talker", {"Image": "bb:local", "Cmd": ["sh", "-c", words]}))
    way.start(made)
    wait_until(lambda: way.inspect(made).state == "exited", seconds=120, what="the end of the talk")
    return made


def _measure_log(way: Any, container: str) -> float:
    from apps.drivers.docker.http import send_request

    path = f"/containers/{container}/logs?stdout=1"
    return _timed(lambda: sum(len(piece) for piece in send_request(way.endpoint, "GET", f"/v1.41{path}")))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    main()
