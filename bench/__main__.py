"""`make bench`: one run on one engine of its own; prints every figure beside its limit."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.deploy import (
    COUNT,
    DeploymentMethods,
    has_compose,
    measure_recovery,
)
from bench.measurement import wait_until_idle
from bench.placement import measure_placement
from portal.tools.busybox_image import image_tar
from tests import engine as engines
from tests.docker.portal_process import (
    ROOT,
    Api,
    PortalProcess,
    clean_environment,
)

ROUNDS = int(os.environ.get("ROUNDS", "5"))
START_COUNT = 3
CHILD_TIMEOUT = 600


def say(line: str = "") -> None:
    """One line at once."""
    print(line, flush=True)


def report(what: str, figure: str, limit: str = "") -> None:
    """One figure, and its limit if there is one."""
    say(f"  {what:<58} {figure:>12}   {limit}")


def isolate_network() -> None:
    """Start again in a network namespace: another engine here takes ports from the same range, and ours would fail."""
    if os.geteuid() != 0 or os.environ.get("BENCH_ISOLATED"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
        return
    image_tar()  # what must be fetched is fetched now: no mirror can be reached from inside
    os.environ["BENCH_ISOLATED"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", "bench", *sys.argv[1:]])  # noqa: S606


def main() -> int:
    """Everything, in order; the exit code says whether the limits hold."""
    isolate_network()
    began = time.monotonic()
    say(f"Corral's benchmark on {os.cpu_count()} cores; seconds are wall-clock, medians unless said otherwise.\n")
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        engine = engines.start()
        try:
            passed = _on_an_engine(engine.url, Path(folder))
        finally:
            engines.stop(engine)
        passed &= _pages(Path(folder) / "pages")
    passed &= _placement()
    passed &= _child("bench.cli_start", "`corral`, as the portal serves it, from its start to its end, medians of 20")
    passed &= _child("bench.agents", "200 simulated agents in four processes on one portal")
    passed &= _child(
        "bench.tunnel", "The agent's tunnel against the engine's own socket, one engine, medians of 3 in turns"
    )
    passed &= _child(
        "bench.catalogs", "A catalog of 130 templates with 9,360 versions, in a git repository of this machine"
    )
    passed &= _child("bench.overload", "1,000 containers at once on 200 simulated hosts")
    passed &= _child("bench.checks", "1,000 health checks over the network, made by one agent")
    passed &= _child("bench.replacement", "From a container's first bad answer to its running successor, 6 runs each")
    passed &= _child(
        "bench.names", "The agent's name server against dnsmasq, 1,000 records, by dnsperf, medians of 3 in turns"
    )
    passed &= _child(
        "bench.network",
        "From container to container on another host: ours against a swarm's overlay, medians of 3 in turns",
    )
    passed &= _child(
        "bench.arrival",
        "A new container's name on another host, 20 starts; and an agent with 100 containers and 1,000 names",
    )
    passed &= _child("bench.balancer", "HAProxy with the portal's configuration against one written by hand, by wrk")
    os.environ.setdefault("SOAK_MINUTES", "2")
    passed &= _child("bench.soak", "The portal's memory before, under and after a load of 260 simulated hosts")
    say(f"\n{'Every limit holds.' if passed else 'A limit is broken.'} ({time.monotonic() - began:.0f} s)")
    return 0 if passed else 1


def _placement() -> bool:
    say("\nPlacing 1,000 containers with affinity rules onto 1,000 hosts, in memory")
    seconds = min(measure_placement() for _ in range(3))
    report("the scheduler, best of 3", f"{seconds:.2f} s", "< 2 s")
    return seconds < 2


def _on_an_engine(url: str, folder: Path) -> bool:
    data = folder / "portal"
    data.mkdir()
    portal = PortalProcess(data, url)
    try:
        passed = _starts(portal)
        api = portal.api()
        passed &= _deployments(portal, api, url, folder)
        passed &= _memory(portal, api)
        return passed & _healing(api, url)
    except BaseException:
        sys.stderr.write(portal.log.read_text()[-4000:])
        raise
    finally:
        if portal.process is not None:
            portal.end(signal.SIGTERM)


def _starts(portal: PortalProcess) -> bool:
    say("Start")
    report("first start, empty data folder, to the log-in page", f"{portal.start():.2f} s")
    times = []
    for _ in range(START_COUNT):
        portal.end(signal.SIGTERM)
        times.append(portal.start())
    middle = statistics.median(times)
    report(f"later start to the log-in page ({START_COUNT} runs)", f"{middle:.2f} s", "<= 2 s")
    return middle <= 2


def _deployments(portal: PortalProcess, api: Api, url: str, folder: Path) -> bool:
    say(f"\nDeploying {COUNT} containers of a local image, {ROUNDS} interleaved rounds")
    methods = DeploymentMethods(portal, api, url, folder)
    runs = {"Corral": methods.corral, "SDK": methods.sdk}
    if has_compose():
        runs["compose"] = methods.compose
    else:
        say("  docker-compose is not installed and cannot be: left out.")
    for run in runs.values():
        run()  # warm-up, not counted
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS):
        order = list(runs)[number % len(runs) :] + list(runs)[: number % len(runs)]
        for name in order:
            wait_until_idle()
            times[name].append(runs[name]())
        say(f"  round {number + 1}: " + "   ".join(f"{name} {times[name][-1]:.2f} s" for name in runs))
    methods.close()
    report("Corral: until its API says so too", f"{statistics.median(methods.api_times[1:]):.2f} s")
    middle = {name: statistics.median(each) for name, each in times.items()}
    labels = {
        "Corral": "from the API call until all run",
        "SDK": "SDK, 4 threads",
        "compose": "docker-compose 1.29 up",
    }
    for name, figure in middle.items():
        report(f"{name}: {labels[name]}", f"{figure:.2f} s")
    limit = _ratio(times, "SDK")
    report("Corral / SDK, median of the rounds' ratios", f"{limit:.2f} x", "<= 1.20 x")
    if "compose" not in times:
        return limit <= 1.2
    other = _ratio(times, "compose")
    report("Corral / docker-compose, likewise", f"{other:.2f} x", "< 1 x")
    return limit <= 1.2 and other < 1


def _ratio(times: dict[str, list[float]], other: str) -> float:
    """Round by round, because what else the machine does changes from one round to the next."""
    return statistics.median(ours / theirs for ours, theirs in zip(times["Corral"], times[other], strict=True))


def _memory(portal: PortalProcess, api: Api) -> bool:
    stack, service = api.deploy("ten", "web", 10)
    api.until_state(service, "active")
    time.sleep(5)
    used = portal.memory() / 1e6
    say("\nMemory (PSS of all processes of the portal, broker included)")
    report("with ten containers running", f"{used:.0f} MB", "<= 150 MB")
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=60)
    return used <= 150


def _healing(api: Api, url: str) -> bool:
    say("\nFrom the engine's loss to a running container")
    worst = 0.0
    for how, words in (("kill", "docker kill"), ("rm", "docker rm -f")):
        times = measure_recovery(api, url, how)
        worst = max(worst, *times)
        report(f"{words}, 5 runs (worst {max(times):.2f} s)", f"{statistics.median(times):.2f} s", "<= 2 s")
    return worst <= 2


def _child(module: str, heading: str) -> bool:
    """A benchmark that needs a process of its own, and prints for itself."""
    say(f"\n{heading}")
    env = clean_environment(DJANGO_SETTINGS_MODULE="portal.settings.test", PYTHONPATH=f"{ROOT / 'agent'}:{ROOT}")
    with subprocess.Popen([sys.executable, "-u", "-W", "ignore", "-m", module], cwd=ROOT, env=env) as running:
        try:
            return running.wait(CHILD_TIMEOUT) == 0
        except subprocess.TimeoutExpired:
            say(f"  not done within {CHILD_TIMEOUT} s")
            running.send_signal(signal.SIGINT)  # it ends what it started
            return False


def _pages(data: Path) -> bool:
    say("\nA page of 100 among 10,000 simulated containers")
    settings = {"DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "portal.settings.test"}
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.pages"],
        cwd=ROOT,
        env=clean_environment() | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        say(done.stderr[-2000:])
        return False
    passed = True
    for path, cost in json.loads(done.stdout.splitlines()[-1]).items():
        figure = f"{cost['milliseconds']:.0f} ms"
        report(f"{path}: {cost['queries']} queries, {cost['bytes'] / 1000:.0f} kB", figure)
        report("  compressed", f"{cost['compressed'] / 1000:.1f} kB", "<= 1/5")
        passed &= cost["queries"] <= 20 and cost["compressed"] * 5 <= cost["bytes"]
        if "refresh" in cost:
            report("  a live refresh after a change, compressed", f"{cost['refresh'] / 1000:.1f} kB")
            report("  a live refresh without one", f"{cost['unchanged']} B", "0 B")
            passed &= cost["unchanged"] == 0
    return passed


if __name__ == "__main__":
    sys.exit(main())
