"""An HAProxy in memory, in the place of all that balancers' containers run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.containers.models import Container
from apps.containers.network_checks import store_reports
from apps.drivers.base import EngineError
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import Listener
from apps.stacks.balancer.launch import config_of_balancer
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess, Worker
from apps.stacks.balancer.render import CONFIG_FILE
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import BALANCER, ServiceOptions
from apps.stacks.services import service_create
from tests.loop.simulated_fleet import SimulatedFleet


class FakeHaproxy:
    """One HAProxy for all containers: it has the servers of what it loaded, and is busy as tests say.

    Servers whose names begin with one of `unanswered` do not answer its checks.
    """

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.busy: dict[str, int] = {}
        self.unanswered: set[str] = set()
        self.out: list[str] = []
        self.refusal: haproxy.ConfigRefusal | None = None
        self.down = False

    def read(self, _engine: Any, _container: str) -> HaproxyProcess:
        if self.down:
            raise EngineError("HAProxy does not answer.")
        words = [line.split() for text in self.loaded for line in text.splitlines()]
        names = {each[1] for each in words if each[:1] == ["server"]}
        counters = {("http-80", name): self._counters(name) for name in names}
        return HaproxyProcess((Worker(7, 0, counters),))

    def _counters(self, name: str) -> HaproxyCounters:
        status = "DOWN" if name.startswith(tuple(self.unanswered)) else "UP"
        return HaproxyCounters(sessions=self.busy.get(name, 0), status=status)

    def load(self, _engine: Any, _container: str, files: Mapping[str, bytes]) -> haproxy.ConfigRefusal | None:
        text = files[CONFIG_FILE].decode()
        if self.refusal is None or "bogus" not in text:
            self.loaded.append(text)
            return None
        return self.refusal

    def read_config(self, _engine: Any, _container: str) -> str:
        return self.loaded[-1] if self.loaded else ""

    def take_out(self, _engine: Any, _container: str, places: Iterable[tuple[int, str, str]]) -> None:
        self.out += [server for _pid, _backend, server in places]

    @property
    def servers(self) -> list[str]:
        """The servers of what was loaded last, without their numbers."""
        lines = [line.split() for line in self.loaded[-1].splitlines()]
        return [each[1].rpartition("-")[0] for each in lines if each[:1] == ["server"]]


def balancer_of(fleet: SimulatedFleet, shop: Stack, target: Service, scale: int = 1) -> Service:
    """A balancer at port 80 that leads to the service, healthy."""
    options = ServiceOptions(BALANCER, balancer=BalancerSettings((Listener(80, target_port=8080),)))
    config = config_of_balancer({"ports": ["80:8080"]}, "launchConfig.")
    row = service_create(
        actor=fleet.actor, stack=shop, name="lb", config=config, options=options, scale=scale, start_on_create=True
    )
    ServiceLink.objects.create(service=row, target=target, name=target.name)
    fleet.run()
    set_health(row, "healthy")
    fleet.pass_moment(seconds=5)
    return row


def set_health(row: Service, health: str) -> None:
    """As the check of port 42 reports it."""
    for each in Container.all_objects.filter(spread_key=str(row.uuid), removed=None):
        report = {"state": health, "run": each.status.get("started_at", "")}
        store_reports(each.host_id, {str(each.uuid): report})
