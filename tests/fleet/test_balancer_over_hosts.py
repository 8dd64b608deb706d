"""Not one request is lost over three hosts while targets, certificate and balancers change and a host is emptied."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import docker.errors
import pytest

from apps.stacks.balancer.draining import DRAIN_SETTING, LEAVE_SETTING
from apps.stacks.balancer.finding import FIND_SETTING
from apps.stacks.balancer.render import HEALTH_PATH
from tests.docker.self_signed import certificate
from tests.docker.steady_load import SpreadAddresses, SteadyLoad, steady_load
from tests.fleet.fleet import Fleet
from tests.fleet.managed_network import show
from tests.fleet.shop import PATIENCE, Shop, until

pytestmark = pytest.mark.docker

OLD, NEW = "bb:local", "bb:two"
WEB, BALANCER = "shop_web_", "shop_lb_"
SSL_PORTS = "io.rancher.loadbalancer.ssl.ports"
# What is promised holds within these limits, and a busy machine takes longer than their defaults.
LIMITS = {LEAVE_SETTING: "6", DRAIN_SETTING: "600", FIND_SETTING: "600"}
SET_LIMITS = f"[Setting.objects.create(name=key, value=value) for key, value in {LIMITS}.items()]"
QUICK_CHECK = {"port": 42, "interval": 500, "healthyThreshold": 1, "unhealthyThreshold": 20}
DRAINS = int(os.environ.get("HOST_DRAINS", "1"))


class BalancedSite:
    """Two web servers on three hosts, and two balancers in front of them at ports 8080 and 8443."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.api, self.hosts = shop, shop.api, shop.fleet.hosts
        self.web: Any = None
        self.balancer: Any = None

    def open(self) -> None:
        self.shop.portal.manage("shell", "-c", f"from apps.core.models import Setting; {SET_LIMITS}")
        self.shop.join(self.api, *self.hosts)
        for host in self.hosts.values():
            host.terminal.tag(OLD, "bb", "two")
        stack, self.web = self.api.deploy("shop", "web", 2, stopSignal="SIGKILL")
        launch = {"ports": ["8080:80", "8443:80"], "labels": {SSL_PORTS: "8443"}, "healthCheck": QUICK_CHECK}
        self.balancer = self.api.create(
            "loadbalancerservices", name="lb", environmentId=stack["id"], scale=2, startOnCreate=True,
            launchConfig=launch, defaultCertificateId=self.new_certificate(1)["id"],
        )  # fmt: skip
        links = [{"serviceId": self.web["id"], "ports": []}]
        self.api.act(self.api.reload(self.balancer), "setservicelinks", serviceLinks=links)
        self.until_two_of_each()

    def until_two_of_each(self) -> None:
        for prefix in (WEB, BALANCER):
            self.api.until_running(prefix, 2, seconds=PATIENCE)

    def new_certificate(self, number: int) -> Any:
        """One for `number`.example.com."""
        cert, begin, key = certificate(f"{number}.example.com").decode().partition("-----BEGIN PRIVATE")
        return self.api.create("certificates", name=f"c{number}", cert=cert, key=begin + key)

    def change_certificate(self) -> None:
        new = self.new_certificate(2)
        self.api.request("PUT", self.balancer["links"]["self"], {"defaultCertificateId": new["id"]})
        expected = new["cert"].encode().strip()
        names = {self.api.get(f"hosts/{row['hostId']}")["hostname"] for row in self.api.containers(BALANCER)}
        addresses = [host.address for host in self.hosts.values() if host.name in names]
        until(partial(_all_present, addresses, expected), "the new certificate", pause=0.2)
        self.api.until_state(self.balancer, "active", seconds=PATIENCE)

    def upgrade(self, row: Any, **changes: Any) -> None:
        """In service and finished; nothing but balancers is waited for."""
        config = {**self.api.reload(row)["launchConfig"], **changes}
        strategy = {"batchSize": 1, "intervalMillis": 100, "minReadySeconds": 0, "startFirst": row is self.web}
        self.api.act(self.api.reload(row), "upgrade", inServiceStrategy={"launchConfig": config, **strategy})
        self.api.act(self.api.until_state(row, "upgraded", seconds=PATIENCE), "finishupgrade")
        self.api.until_state(row, "active", seconds=PATIENCE)

    def empty_a_host(self) -> str:
        """One that has a balancer and, if there is such a one, a web server; its name. It is used again afterwards."""
        web = {row["hostId"] for row in self.api.containers(WEB)}
        balancers = [row["hostId"] for row in self.api.containers(BALANCER)]
        chosen = next((each for each in balancers if each in web), balancers[0])
        host = self.api.get(f"hosts/{chosen}")
        self.api.act(host, "evacuate")
        until(lambda: not self._is_used(chosen), "an empty host", pause=0.2)
        self.until_two_of_each()
        until(lambda: "activate" in self.api.reload(host)["actions"], "a drained host", pause=0.2)
        self.api.act(self.api.reload(host), "activate")
        return str(host["hostname"])

    def _is_used(self, host: str) -> bool:
        return any(row["hostId"] == host for row in self.api.containers("shop_"))


def _all_present(addresses: list[str], expected: bytes) -> bool:
    """Whether this certificate is shown at all of these."""
    return all(ssl.get_server_certificate((each, 8443), timeout=30).encode().strip() == expected for each in addresses)


class Requests:
    """Requests to all balancers, plain and encrypted, and how many there were after each change."""

    def __init__(self, addresses: list[str]) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.spread = SpreadAddresses(addresses, 8080, HEALTH_PATH)
        self.plain = SteadyLoad("", 8080, spread=self.spread, new=3, kept=3)
        self.encrypted = SteadyLoad("", 8443, tls=trusting, spread=self.spread, new=1, kept=1)

    @property
    def failures(self) -> list[str]:
        return self.plain.failures + self.encrypted.failures

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        with self.spread.checked():
            until(lambda: self.spread.count == 2, "two balancers that answer", pause=0.2)
            try:
                with steady_load(self.plain), steady_load(self.encrypted):
                    yield
            finally:
                show("\n".join([self.plain.summary("HTTP"), self.encrypted.summary("HTTPS"), *self.failures[:20]]))

    def mark(self, what: str) -> None:
        done = sum(self.plain.done.values()) + sum(self.encrypted.done.values())
        show(f"{what}: {done} requests, {len(self.failures)} failed")


@pytest.fixture(scope="module")
def site(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BalancedSite]:
    shop = Shop(fleet, tmp_path_factory.mktemp("balanced"))
    try:
        made = BalancedSite(shop)
        made.open()
        yield made
    finally:
        shop.close()
        for host in fleet.hosts.values():
            with contextlib.suppress(docker.errors.APIError):
                host.terminal.remove_image(NEW)


def test_no_request_is_lost(site: BalancedSite) -> None:
    sent = Requests([host.address for host in site.hosts.values()])
    with sent.going_on():
        site.upgrade(site.web, imageUuid=f"docker:{NEW}")
        sent.mark("web servers upgraded")
        site.change_certificate()
        sent.mark("another certificate shown")
        site.upgrade(site.balancer, labels={SSL_PORTS: "8443", "turn": "two"})
        sent.mark("balancers upgraded")
        for _ in range(DRAINS):
            sent.mark(f"host {site.empty_a_host()} emptied")
    assert sent.failures == []
    assert min(*sent.plain.done.values(), *sent.encrypted.done.values()) > 20
    assert len(sent.plain.bodies) > 4  # which servers there were
