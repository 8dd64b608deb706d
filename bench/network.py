"""`PYTHONPATH=agent python -m bench.network`: from a container to one on another host, by our network and a swarm's."""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import django

from bench.measurement import why_left_out
from tests.fleet.commands import wait_for
from tests.fleet.engine import IMAGE
from tests.fleet.fleet import Fleet, fleet
from tests.fleet.host import Host
from tests.fleet.managed_network import Lab

ROUNDS, SECONDS, PINGS = 3, 3, 200
MOST_PING, LEAST_THROUGHPUT = 1.1, 0.95  # of the swarm's, without encryption
BARE, OURS, SWARM, ENCRYPTED = "bare cable, host to host", "managed network", "swarm overlay", "managed, WireGuard"
_SWARM_PORT = 4790  # ours has the usual one
_PORT = 5201
_TIMES = re.compile(r"time=([\d.]+) ms")


@dataclass
class Path:
    """A way from host 1 to host 2: what to put before a command at its near end, and at its far end."""

    near: list[str]
    far: list[str]
    address: str
    pings: list[float] = field(default_factory=list)
    throughputs: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """One more round, with a server that is there already."""
        said = _run([*self.near, "ping", "-c", str(PINGS), "-i", "0.01", "-W", "1", self.address])
        times = [float(each) for each in _TIMES.findall(said)]
        assert len(times) > PINGS * 0.9, said[-500:]
        self.pings.append(statistics.median(times))
        client = ("iperf3", "-J", "-c", self.address, "-p", str(_PORT), "-t", str(SECONDS))
        sums = json.loads(_run([*self.near, *client]))["end"]["sum_received"]
        self.throughputs.append(sums["bits_per_second"] / 1e9)


def main() -> int:
    """Print the figures; the exit code says whether the limits hold. Without the programs there is nothing to say."""
    if reason := why_left_out("iperf3"):
        print(f"  left out: {reason}")
        return 0
    with fleet(2) as hosts:
        return _judge(_measure_all(hosts))


def _measure_all(hosts: Fleet) -> dict[str, Path]:
    one, two = hosts.hosts[1], hosts.hosts[2]
    with Lab.of(hosts) as lab, contextlib.ExitStack() as stack:
        near, far = lab.run(1, "10.42.4.1"), lab.run(2, "10.42.4.2")
        lab.push()
        managed = Path(_inside(one, near), _inside(two, far), "10.42.4.2")
        paths = {BARE: Path(one.enter_command, two.enter_command, two.address), OURS: managed}
        paths[SWARM] = _swarm_path(one, two)
        for path in paths.values():
            stack.enter_context(_server(path))
        for _ in range(ROUNDS):
            for path in paths.values():
                path.measure()
        lab.encrypt()
        encrypted = paths[ENCRYPTED] = Path(managed.near, managed.far, managed.address)
        _until_reached(encrypted)
        for _ in range(ROUNDS):
            encrypted.measure()
        for container, number in ((near, 1), (far, 2)):
            lab.stop(number, container)
        return paths


def _judge(paths: dict[str, Path]) -> int:
    for name, path in paths.items():
        ping, rate = statistics.median(path.pings), statistics.median(path.throughputs)
        print(f"  {name:<44} ping {1000 * ping:6.0f} us   {rate:6.2f} Gbit/s")
    ours, swarm = paths[OURS], paths[SWARM]
    ping = _ratio(ours.pings, swarm.pings)
    rate = _ratio(ours.throughputs, swarm.throughputs)
    print(f"  {'managed / swarm, median of the rounds: ping':<58} {ping:10.2f} x   <= {MOST_PING} x")
    print(f"  {'managed / swarm, likewise: throughput':<58} {rate:10.2f} x   >= {LEAST_THROUGHPUT} x")
    return 0 if ping <= MOST_PING and rate >= LEAST_THROUGHPUT else 1


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Round by round, because what else the machine does changes from one round to the next."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _inside(host: Host, container: str) -> list[str]:
    """What to put before a program of this machine to have it run in a container's network."""
    pid = host.terminal.inspect_container(container)["State"]["Pid"]
    return [*host.enter_command, "nsenter", "-t", str(pid), "-n"]


def _swarm_path(one: Host, two: Host) -> Path:
    one.terminal.init_swarm(advertise_addr=one.address, data_path_port=_SWARM_PORT)
    token = one.terminal.inspect_swarm()["JoinTokens"]["Worker"]
    two.terminal.join_swarm([one.address], token, advertise_addr=two.address)
    one.terminal.create_network("bench", driver="overlay", attachable=True)
    near, far = _in_overlay(one), _in_overlay(two)
    networks = two.terminal.inspect_container(far)["NetworkSettings"]["Networks"]
    path = Path(_inside(one, near), _inside(two, far), networks["bench"]["IPAddress"])
    _until_reached(path)
    return path


def _in_overlay(host: Host) -> str:
    api = host.terminal
    config = api.create_host_config(network_mode="bench")
    made = str(api.create_container(IMAGE, host_config=config)["Id"])
    # A worker hears of an attachable network only once it is asked for.
    _retry(lambda: api.start(made))
    return made


def _retry(act: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            act()
        except Exception:  # whatever the engine says meanwhile
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _until_reached(path: Path) -> None:
    def reached() -> bool:
        ping = [*path.near, "ping", "-c1", "-W1", path.address]
        return subprocess.run(ping, capture_output=True, check=False, timeout=20).returncode == 0

    wait_for(reached, f"{path.address} to be reached")


@contextlib.contextmanager
def _server(path: Path) -> Iterator[None]:
    command = [*path.far, "iperf3", "-s", "-p", str(_PORT), "--forceflush"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            while "listening" not in (line := server.stdout.readline()):
                assert line or server.poll() is None, "iperf3 does not start"
            yield
        finally:
            subprocess.run(["kill", *_descendants(server.pid)], check=False)


def _descendants(pid: int) -> list[str]:
    """The process itself, and what `nsenter` has begun for it."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [each for child in found for each in _descendants(int(child))] + [str(pid)]


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


if __name__ == "__main__":
    django.setup()
    sys.exit(main())
