"""Not one request is lost while HAProxy gets other servers, certificates and texts, fifty times."""

from __future__ import annotations

import ssl
import time

import docker
import pytest

from apps.drivers.base import Driver
from apps.drivers.registry import get_driver
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import (
    HTTPS,
    Backend,
    BalancerCertificate,
    BalancerConfig,
    BalancerRule,
    CustomText,
    Listener,
    Server,
)
from apps.stacks.balancer.process import server_states
from apps.stacks.balancer.render import STATE_FILE, Rendering, render
from portal.tools import haproxy_image
from tests.docker.self_signed import certificate
from tests.docker.steady_load import SteadyLoad, steady_load
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

RELOADS = 50
IMAGE = "corral/haproxy:test"


class Lab:
    """A balancer and five web servers on the private engine."""

    def __init__(self, engine: PrivateEngine, terminal: docker.APIClient) -> None:
        haproxy_image.build(engine.url, IMAGE)
        self.driver: Driver = get_driver(engine.endpoint)
        self.balancer = self._run(terminal, IMAGE)
        self.web = [self._run(terminal, "bb:local") for _ in range(5)]
        self.addresses = {each: self._address(each) for each in (self.balancer, *self.web)}
        self.key = {number: certificate(f"{number}.example.com") for number in (1, 2)}
        deadline = time.monotonic() + 30
        while not haproxy.read_process(self.driver, self.balancer).workers:
            assert time.monotonic() < deadline

    def _run(self, terminal: docker.APIClient, image: str) -> str:
        made = str(terminal.create_container(image)["Id"])
        terminal.start(made)
        return made

    def _address(self, container: str) -> str:
        return next(each for each in self.driver.inspect(container).networks.values() if each)

    def config(self, servers: int, number: int = 0, certificate_number: int = 1) -> BalancerConfig:
        """So many of the servers at port 80 and, encrypted, 443; another number is another text."""
        there = tuple(Server(each[:8], self.addresses[each], 80) for each in self.web[:servers])
        return BalancerConfig(
            (Listener(80), Listener(443, HTTPS)),
            tuple(BalancerRule(port, "", "", f"b{port}") for port in (80, 443)),
            tuple(Backend(f"b{port}", there) for port in (80, 443)),
            default_certificate=BalancerCertificate(certificate_number, "x"),
            custom=CustomText(f"# {number}"),
        )

    def load(self, config: BalancerConfig) -> haproxy.ConfigRefusal | None:
        """As the loop does it: loaded, then what is gone is taken out of the workers of before."""
        rendering = render(config, self.key)
        process = haproxy.read_process(self.driver, self.balancer)
        files = {**rendering.files, STATE_FILE: server_states(process, rendering.servers).encode()}
        refusal = haproxy.load_files(self.driver, self.balancer, files)
        self._take_out_stale(rendering)
        return refusal

    def _take_out_stale(self, rendering: Rendering) -> None:
        process = haproxy.read_process(self.driver, self.balancer)
        kept = {(each.backend, each.name) for each in rendering.servers}
        haproxy.take_out(self.driver, self.balancer, process.stale(kept))


@pytest.fixture
def balancing(engine: PrivateEngine, terminal: docker.APIClient, _clean_engine: None) -> Lab:
    made = Lab(engine, terminal)
    assert made.load(made.config(3)) is None
    return made


def shown_certificate(lab: Lab) -> bytes:
    return ssl.get_server_certificate((lab.addresses[lab.balancer], 443)).encode()


def test_fifty_reloads_and_another_certificate_under_load(balancing: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    address = balancing.addresses[balancing.balancer]
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    plain = SteadyLoad(address, 80)
    encrypted = SteadyLoad(address, 443, tls=trusting, new=2, kept=2)
    assert shown_certificate(balancing) in balancing.key[1]
    with steady_load(plain), steady_load(encrypted):
        for number in range(RELOADS):
            assert balancing.load(balancing.config(1 + number % 5, number, 1 + number // 25)) is None
    summary = f"{plain.summary('50 reloads, HTTP')}; {encrypted.summary('HTTPS, certificate changed')}"
    with capsys.disabled():
        print(f"\n{summary}")  # noqa: T201 - a figure that people read
    assert plain.failures + encrypted.failures == []
    assert min(*plain.done.values(), *encrypted.done.values()) > RELOADS
    assert shown_certificate(balancing) in balancing.key[2]


def test_what_is_refused_leaves_all_as_it_was(balancing: Lab) -> None:
    """A text that does not pass the check, and one that passes and cannot be loaded."""
    before = haproxy.read_process(balancing.driver, balancing.balancer)
    for text in ("no such thing", "maxconn 900000000"):
        broken = BalancerConfig(custom=CustomText(text))
        assert balancing.load(broken) is not None
        with steady_load(SteadyLoad(balancing.addresses[balancing.balancer], 80, new=1, kept=1)) as load:
            time.sleep(0.3)
        assert load.failures == []
    after = haproxy.read_process(balancing.driver, balancing.balancer)
    assert [each.pid for each in after.workers] == [each.pid for each in before.workers if not each.reloads]
    balancing.driver.restart(balancing.balancer, timeout=1)
    deadline = time.monotonic() + 30
    workers = lambda: haproxy.read_process(balancing.driver, balancing.balancer).workers  # noqa: E731
    while not any(len(each.counters) >= 5 for each in workers()):  # for a moment there is none yet
        assert time.monotonic() < deadline, "the container starts with what it had loaded last"


def test_a_server_that_is_taken_out_gets_nothing_more_and_a_new_one_waits_for_its_check(
    balancing: Lab, terminal: docker.APIClient
) -> None:
    gone = balancing.web[0]
    process = haproxy.read_process(balancing.driver, balancing.balancer)
    haproxy.take_out(balancing.driver, balancing.balancer, process.places({gone[:8]}))
    with steady_load(SteadyLoad(balancing.addresses[balancing.balancer], 80)) as load:
        time.sleep(0.5)
        terminal.remove_container(gone, force=True)
        assert balancing.load(balancing.config(5)) is None  # it is in the configuration again, and not there
        time.sleep(1.0)
    assert load.failures == []
    assert not any(gone[:12] in body for body in load.bodies)
