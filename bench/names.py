"""`python -m bench.names`: the agent's name server against dnsmasq with the same records, in turns, by dnsperf."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measurement import memory_mb

NAMES, ROUNDS, SECONDS = 1_000, 3, 3
STEADY_RATE = 2_000  # questions a second while latency is measured
LEAST_SHARE, MOST_P99_MS, MOST_P99_SHARE = 0.5, 2.0, 1.5  # the latter where the machine is busy with other things
DOMAIN, HOST = "rancher.internal", "127.0.0.1"
_ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print both servers' figures; the exit code says whether the limits hold."""
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder, contextlib.ExitStack() as stack:
        questions = Path(folder) / "questions"
        questions.write_text("".join(f"web{number}.lab.{DOMAIN} A\n" for number in range(NAMES)))
        ports = {"agent": 5453, "dnsmasq": 5454}
        ours = stack.enter_context(_agent(ports["agent"]))
        stack.enter_context(_dnsmasq(ports["dnsmasq"], Path(folder) / "dnsmasq.conf"))
        rates: dict[str, list[float]] = {name: [] for name in ports}
        late: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(ROUNDS):
            for name, port in ports.items():
                rates[name].append(_rate(port, questions))
                late[name].append(_p99(port, questions))
        rate = {name: statistics.median(found) for name, found in rates.items()}
        p99 = {name: statistics.median(found) for name, found in late.items()}
        share = rate["agent"] / rate["dnsmasq"]
        print(f"{'':50} {'agent':>10} {'dnsmasq':>10}")
        print(f"  {'questions a second':48} {rate['agent']:10.0f} {rate['dnsmasq']:10.0f}   {share:.2f} x")
        print(f"  {f'p99 at {STEADY_RATE} a second, ms':48} {p99['agent']:10.2f} {p99['dnsmasq']:10.2f}")
        print(f"  {f'memory of a name server alone, {NAMES} names, MB':48} {memory_mb([ours]):10.0f}")
        holds = share >= LEAST_SHARE and p99["agent"] < max(MOST_P99_MS, MOST_P99_SHARE * p99["dnsmasq"])
        print(f"  {'the limits':48} {'hold' if holds else 'BROKEN':>10}   >= {LEAST_SHARE} x, < {MOST_P99_MS} ms")
        return 0 if holds else 1


def _rate(port: int, questions: Path) -> float:
    """Questions answered in a second, of twenty clients with a hundred outstanding."""
    found = _dnsperf(port, questions, "-c", "20", "-q", "100")
    lost, sent = (_figure(rf"Queries {what}:\s+(\d+)", found) for what in ("lost", "sent"))
    assert lost < sent / 1000, f"{lost:.0f} of {sent:.0f} questions were not answered"
    return _figure(r"Queries per second:\s+([\d.]+)", found)


def _p99(port: int, questions: Path) -> float:
    """Milliseconds within which 99 of 100 questions are answered at a steady rate."""
    found = _dnsperf(port, questions, "-c", "4", "-Q", str(STEADY_RATE), "-v")
    times = sorted(float(each) for each in re.findall(r"^> NOERROR \S+ A ([\d.]+)$", found, re.MULTILINE))
    return times[int(len(times) * 0.99)] * 1000


def _dnsperf(port: int, questions: Path, *options: str) -> str:
    command = ["dnsperf", "-s", HOST, "-p", str(port), "-d", str(questions), "-l", str(SECONDS), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _figure(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


@contextlib.contextmanager
def _process(*command: str, **env: str) -> Iterator[int]:
    with subprocess.Popen(command, cwd=_ROOT, env={**os.environ, **env}, stdout=subprocess.DEVNULL) as process:
        try:
            time.sleep(1)
            assert process.poll() is None, f"{command[0]} ended"
            yield process.pid
        finally:
            process.send_signal(signal.SIGKILL)


def _agent(port: int) -> contextlib.AbstractContextManager[int]:
    # Optimized and without column positions, as the agent's image runs it.
    program = (sys.executable, "-OO", "-X", "no_debug_ranges", "-m", "bench.names", "serve", str(port))
    return _process(*program, PYTHONPATH=str(_ROOT / "agent"))


def _dnsmasq(port: int, config: Path) -> contextlib.AbstractContextManager[int]:
    lines = ["no-resolv", "no-hosts", "bind-interfaces", f"listen-address={HOST}", f"port={port}", "local-ttl=1"]
    lines += [f"local=/{DOMAIN}/", "user=root", "dns-forward-max=1000"]
    lines += [f"host-record=web{number}.lab.{DOMAIN},{_address(number)}" for number in range(NAMES)]
    config.write_text("\n".join(lines) + "\n")
    return _process("dnsmasq", "--keep-in-foreground", f"--conf-file={config}")


def _address(number: int) -> str:
    return f"10.42.{4 + number // 250}.{1 + number % 250}"


async def _serve(port: int) -> None:
    """The agent's name server alone, without its limit for each client: dnsperf has one address."""
    from corral_agent.names import server
    from corral_agent.names.handler import NamesHandler

    server.MAX_QUESTIONS_PER_SECOND = 1 << 30
    handler = NamesHandler(HOST, port)
    records = {f"web{number}.lab": [_address(number)] for number in range(NAMES)}
    handler.apply({"version": 1, "domain": DOMAIN, "records": records})
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve(int(sys.argv[2])))
    sys.exit(main())
