"""The Docker engine of a pretend host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

from portal.tools.busybox_image import build_image
from tests.engine import remove_all_containers
from tests.fleet.certificates import Authority
from tests.fleet.commands import NoFleet, tail, wait_for
from tests.fleet.host import Host

IMAGE = "bb:local"
_RUNTIME = Path(__file__).with_name("runtime.sh")


class Engine:
    """dockerd on a host with its default paths; on a port with TLS too where it has an authority."""

    def __init__(self, host: Host, authority: Authority | None = None) -> None:
        self.host = host
        self.tls = authority and authority.server(host.name, host.address, host.folder)

    def start(self) -> None:
        """Begin to start; `wait_until_responding` says when it is there."""
        switch = self.host.switch
        options = [
            "--host=unix:///var/run/docker.sock",
            f"--cgroup-parent=/{switch.prefix}/{self.host.name}",
            f"--insecure-registry={switch.net}",
            f"--config-file={self._config()}",
            *("--add-runtime", f"limited={_RUNTIME}", "--default-runtime=limited"),
        ]
        if self.tls:
            files = (f"--tlscacert={self.tls.ca}", f"--tlscert={self.tls.cert}", f"--tlskey={self.tls.key}")
            options += [f"--host=tcp://{self.host.address}:2376", "--tlsverify", *files]
        self.host.spawn("dockerd", "dockerd", *options)

    def _config(self) -> Path:
        path = self.host.folder / "daemon.json"
        path.write_text("{}")  # not the machine's own
        return path

    def wait_until_responding(self) -> None:
        """Wait until it answers."""
        with contextlib.suppress(NoFleet):
            return wait_for(self.is_responding, f"the engine of {self.host.name}")
        raise NoFleet(f"the engine of {self.host.name} does not start: {tail(self.host.folder / 'dockerd.log')}")

    def is_responding(self) -> bool:
        """Whether it answers now."""
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(2)
            client.connect(self.host.url.removeprefix("unix://"))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(64)
        return False

    def restart(self) -> None:
        """Start it and wait until it answers."""
        self.start()
        self.wait_until_responding()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, or kill it: then its containers go on running without it."""
        file = self.host.folder / "run" / "docker.pid"
        inner_pid = file.read_text().strip()
        self.host.run("kill", f"-{number.value}", inner_pid)
        wait_for(lambda: not _process_exists(self.host, inner_pid), f"the engine of {self.host.name} to end")
        file.unlink(missing_ok=True)

    def load_image(self) -> None:
        """Put the image `bb:local` on it."""
        build_image(self.host.url, IMAGE)

    def remove_containers(self) -> None:
        """Remove every container."""
        remove_all_containers(self.host.terminal)

    def remove_network(self, name: str) -> None:
        """Remove a network of this name that somebody before has left."""
        for each in self.host.terminal.networks(names=[name]):
            if each["Name"] == name:
                self.host.terminal.remove_network(each["Id"])


def _process_exists(host: Host, inner_pid: str) -> bool:
    return os.path.exists(f"/proc/{host.pid}/root/proc/{inner_pid}")  # noqa: PTH110 - a path through another's root
