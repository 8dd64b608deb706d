"""A real Docker engine for tests: private, beside any other on the machine, and gone without a trace afterwards."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker

from apps.drivers.base import Endpoint, EngineError
from portal.tools.busybox_image import build_image

IMAGE = "bb:local"
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 40.0
_NETS = [f"10.{byte}.0.0/16" for byte in range(201, 250)]


class NoEngine(Exception):
    """No engine can be started here; `str()` says why."""


_numbers = itertools.count()


@dataclass
class PrivateEngine:
    """A running dockerd of our own; `url` is its unix socket."""

    url: str
    folder: Path
    bridge: str
    net: str
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url)


def start() -> PrivateEngine:
    """Start an engine with its own folders, bridge and addresses, holding the image `bb:local`."""
    if os.geteuid() != 0:
        raise NoEngine("only root can start a private Docker engine")
    if shutil.which("dockerd") is None:
        raise NoEngine("dockerd is not installed")
    folder = Path(tempfile.mkdtemp(prefix="corral-engine-"))
    bridge, net = f"crl{os.getpid()}-{next(_numbers)}", _free_net()
    _run_ip("link", "add", bridge, "type", "bridge")
    _run_ip("addr", "add", f"{ipaddress.ip_network(net)[1]}/24", "dev", bridge)
    _run_ip("link", "set", bridge, "up")
    _set_forwarding_rule(net, "-I")
    engine = PrivateEngine(f"unix://{folder}/docker.sock", folder, bridge, net, _dockerd(folder, bridge, net))
    try:
        _wait_until_ready(engine)
        build_image(engine.url, IMAGE)
    except BaseException:
        stop(engine)
        raise
    return engine


def remove_all_containers(terminal: docker.APIClient, seconds: float = 60.0) -> None:
    """Remove every container that an engine lists now, and return when they are gone.

    A portal that still runs may remove them at the same time: to be gone already, or on the way out, is no fault. It
    may also replace them, with which this does not compete.

    :raises TimeoutError: after `seconds`, if one of them is still there.
    """
    give_up_at = time.monotonic() + seconds
    for each in terminal.containers(all=True):
        while _remove_or_wait(terminal, each["Id"]):
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"still on the engine: {each['Names']}")
            time.sleep(0.1)


def _remove_or_wait(terminal: docker.APIClient, key: str) -> bool:
    """Remove a container; whether somebody else's removal of it is still under way."""
    try:
        terminal.remove_container(key, force=True)
    except docker.errors.APIError as failure:
        if failure.status_code not in (404, 409):
            raise
        return bool(failure.status_code == 409)
    return False


def _dockerd(folder: Path, bridge: str, net: str) -> subprocess.Popen[bytes]:
    # --iptables=false: a second engine would rewrite the first one's chains; published ports go through its proxy.
    options = [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host=unix://{folder}/docker.sock",
        f"--bridge={bridge}",
        f"--default-address-pool=base={net},size=24",
        f"--containerd-namespace={bridge}",
        f"--containerd-plugins-namespace={bridge}-plugins",
        f"--cgroup-parent=/{bridge}",
        "--iptables=false",
        "--ip-forward=false",
        f"--config-file={folder}/config.json",  # not the machine's own
    ]
    (folder / "config.json").write_text("{}")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "dockerd", *options], stdout=log, stderr=log, start_new_session=True
        )


def _wait_until_ready(engine: PrivateEngine) -> None:
    until = time.monotonic() + _START_TIMEOUT
    while not _is_responding(engine.folder / "docker.sock"):
        if time.monotonic() > until or engine.process.poll() is not None:
            last = (engine.folder / "log").read_text(errors="replace").splitlines()[-3:]
            raise NoEngine("dockerd did not come up: " + " / ".join(last))
        time.sleep(0.05)


def _is_responding(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.settimeout(2)
        client.connect(str(path))
        client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in client.recv(64)
    return False


def stop(engine: PrivateEngine) -> None:
    """Remove the engine's containers, end it, and take away everything it left."""
    _remove_all_containers(engine.endpoint)
    if engine.process.poll() is None:
        engine.process.send_signal(signal.SIGTERM)
        try:
            engine.process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(engine.process.pid, signal.SIGKILL)
            engine.process.wait()
    _kill_orphaned_containers(engine.folder)
    _unmount(engine.folder)
    _set_forwarding_rule(engine.net, "-D")
    for name in (engine.bridge, *_leftover_bridges(engine.net)):
        _run_ip("link", "del", name)
    for controller in Path("/sys/fs/cgroup").glob(f"*/{engine.bridge}"):
        with contextlib.suppress(OSError):
            controller.rmdir()
    shutil.rmtree(engine.folder, ignore_errors=True)


def _kill_orphaned_containers(folder: Path) -> None:
    """End the containers that outlived their engine, because it was killed while somebody still made them."""
    for keeper in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (keeper / "cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and any(each.startswith(bytes(folder)) for each in words):
                for process in [*(keeper / "task" / keeper.name / "children").read_text().split(), keeper.name]:
                    os.kill(int(process), signal.SIGKILL)


def _remove_all_containers(endpoint: Endpoint) -> None:
    from apps.drivers.docker.engine import DockerDriver

    engine = DockerDriver(endpoint)
    with contextlib.suppress(EngineError):
        for container in engine.containers():
            engine.remove(container.id)
    engine.close()


def _unmount(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, timeout=10, capture_output=True)


def _free_net() -> str:
    taken = [
        ipaddress.ip_network(line.split()[0], strict=False)
        for line in _run_ip("-4", "route").splitlines()
        if _is_network_route(line)
    ]
    return next(net for net in _NETS if not any(ipaddress.ip_network(net).overlaps(other) for other in taken))


def _is_network_route(line: str) -> bool:
    return line[:1].isdigit()


def _leftover_bridges(net: str) -> list[str]:
    """Bridges of networks that the engine had made and did not take along."""
    inside = ipaddress.ip_network(net)
    rows = [line.split() for line in _run_ip("-4", "-o", "addr").splitlines()]
    return [row[1] for row in rows if ipaddress.ip_interface(row[3]).ip in inside and row[1].startswith("br-")]


def _set_forwarding_rule(net: str, how: str) -> None:
    """Another engine's firewall would drop what our containers say to each other."""
    command = ["iptables", "-w", how, "FORWARD", "-s", net, "-d", net, "-j", "ACCEPT"]
    with contextlib.suppress(OSError):
        subprocess.run(command, check=False, timeout=10, capture_output=True)


def _run_ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=False, timeout=10, capture_output=True, text=True).stdout
