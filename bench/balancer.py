"""`python -m bench.balancer`: HAProxy with the portal's configuration against one written by hand, in turns, by wrk."""

from __future__ import annotations

import contextlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from apps.stacks.balancer.config import Backend, BalancerConfig, BalancerRule, Listener, Server
from apps.stacks.balancer.render import FOLDER, render

ROUNDS, SECONDS, CONNECTIONS, TARGETS = 5, 3, 32, 4
LEAST_SHARE = 0.98
HOST, FIRST_TARGET = "127.0.0.1", 5470
PORTS = {"ours": 5461, "by hand": 5462}
_HEALTH_PORT = 5463

_TARGET = """\
global
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend target
    {binds}
    http-request return status 200 content-type text/plain string hello
"""
_BY_HAND = """\
global
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend web
    bind {host}:{port}
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port {port}
    default_backend web
backend web
    balance roundrobin
    {servers}
"""


def main() -> int:
    """Print the requests a second of both; the exit code says whether the limit holds."""
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        binds = "\n    ".join(f"bind {HOST}:{FIRST_TARGET + number}" for number in range(TARGETS))
        for what, text in {"target": _TARGET.format(binds=binds), "hand": by_hand(), "ours": ours(folder)}.items():
            stack.enter_context(_haproxy(folder / f"{what}.cfg", text))
        for port in PORTS.values():
            _wait_for(port)
        rates: dict[str, list[float]] = {name: [] for name in PORTS}
        for number in range(ROUNDS):
            for each in list(PORTS)[:: 1 if number % 2 else -1]:  # whoever is second finds warm caches
                rates[each].append(_rate(PORTS[each]))
    for each, found in rates.items():
        print(f"  {f'requests a second, {each}':58} {statistics.median(found):12.0f}")
    share = statistics.median(mine / theirs for mine, theirs in zip(*rates.values(), strict=True))
    holds = share >= LEAST_SHARE
    print(f"  {'ours / by hand, median of the rounds':58} {share:10.3f} x   >= {LEAST_SHARE} x")
    return 0 if holds else 1


def by_hand() -> str:
    """What somebody would write for these targets, to tell them as much about the client as ours does."""
    servers = "\n    ".join(f"server s{number} {HOST}:{FIRST_TARGET + number} check" for number in range(TARGETS))
    return _BY_HAND.format(host=HOST, port=PORTS["by hand"], servers=servers)


def ours(folder: Path) -> str:
    """What the portal has a balancer load for them, its files in another folder."""
    servers = tuple(Server(f"web-{number}", HOST, FIRST_TARGET + number) for number in range(TARGETS))
    config = BalancerConfig(
        (Listener(PORTS["ours"]),),
        (BalancerRule(PORTS["ours"], "", "", "web"),),
        (Backend("web", servers),),
        health_port=_HEALTH_PORT,
    )
    return render(config).text.replace(FOLDER, str(folder)).replace("/run/haproxy", str(folder))


@contextlib.contextmanager
def _haproxy(file: Path, text: str) -> Iterator[None]:
    file.write_text(text)
    with subprocess.Popen(["haproxy", "-f", str(file)], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(URLError, ConnectionError), urlopen(f"http://{HOST}:{port}/", timeout=5) as answer:
            assert answer.status == 200
            return
        assert time.monotonic() < deadline, f"nothing answers at port {port}"
        time.sleep(0.1)


def _rate(port: int) -> float:
    """Requests a second on connections that are kept open."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://{HOST}:{port}/"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


if __name__ == "__main__":
    sys.exit(main())
