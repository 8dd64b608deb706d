"""Several pretend hosts with real Docker engines on one machine, gone without a trace afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.fleet import leftovers
from tests.fleet.certificates import Authority
from tests.fleet.commands import NoFleet, missing_programs
from tests.fleet.engine import Engine
from tests.fleet.host import Host
from tests.fleet.switch import Switch

TLS = 1  # the host whose engine listens with TLS too


class Fleet:
    """Hosts h1, h2, ... with their engines; host 1 also listens on tcp port 2376 with TLS."""

    def __init__(self) -> None:
        self.prefix = f"{leftovers.PREFIX}{os.getpid()}"
        self.folder = leftovers.folder_of(self.prefix)
        self.switch = Switch(self.prefix)
        self.authority = Authority()
        self.hosts: dict[int, Host] = {}
        self.engines: dict[int, Engine] = {}

    def up(self, count: int) -> None:
        """Make hosts 1 to `count`, their engines started, with the image `bb:local`."""
        self.folder.mkdir()
        self.switch.up()
        for number in range(1, count + 1):
            self.hosts[number] = Host(self.switch, self.folder, number)
            self.engines[number] = Engine(self.hosts[number], self.authority if number == TLS else None)
        self.power_on(*self.hosts)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Engine.load_image, self.engines.values()))

    def remove_containers(self) -> None:
        """Remove every container of every host; a portal makes anew what is removed while it runs, so end it first."""
        for engine in self.engines.values():
            engine.remove_containers()

    def power_on(self, *numbers: int) -> None:
        """Boot these hosts side by side, and wait for their engines."""
        for number in numbers:
            self.hosts[number].power_on()
        for number in numbers:
            self.hosts[number].wait_until_booted()
            self.engines[number].start()
        for number in numbers:
            self.engines[number].wait_until_responding()

    def down(self) -> None:
        """Take everything away."""
        for host in self.hosts.values():
            host.power_off()
        leftovers.clear(self.prefix)


@contextlib.contextmanager
def fleet(count: int) -> Iterator[Fleet]:
    """A fleet for as long as the block runs; what dead ones left is taken away first."""
    if os.geteuid() != 0:
        raise NoFleet("only root can make pretend hosts")
    if lacking := missing_programs():
        raise NoFleet(f"these programs are not installed (make tools): {', '.join(lacking)}")
    leftovers.clear_dead()
    made = Fleet()
    try:
        made.up(count)
        yield made
    finally:
        made.down()
