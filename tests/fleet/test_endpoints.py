"""Engines that no agent stands for, on machines of their own: a vanished one is noticed, a registry asks who comes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.ssh import connection, login
from tests.docker.portal_process import wait_until
from tests.drivers.conformance import collected
from tests.fleet.fleet import Fleet
from tests.fleet.registry import Registry
from tests.fleet.sshd import Sshd

pytestmark = pytest.mark.docker


@pytest.fixture
def far(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerDriver]:
    """Host 2's engine through its sshd, whose silence is noticed sooner than usual."""
    monkeypatch.setattr(login, "KEEPALIVE", 0.3)
    monkeypatch.setattr(connection, "OPEN_TIMEOUT", 1.0)
    monkeypatch.setattr(login, "LOGIN_TIMEOUT", 1.5)
    driver = DockerDriver(Endpoint(sshd.url, host_key=sshd.host_key, private_key=sshd.private_key))
    yield driver
    driver.close()


def test_a_vanished_machine_ends_its_streams_and_is_down_until_it_is_back(fleet: Fleet, far: DockerDriver):
    host = fleet.hosts[2]
    stream, began = far.events(), time.monotonic()
    with collected(stream) as seen:
        host.disconnect()
        try:
            with pytest.raises(EngineDown):
                far.info()
            # The reader is a thread of its own: once its stream has ended, so has the thread.
            wait_until(lambda: _ended(stream), seconds=60, what="the end of the stream")
            assert time.monotonic() - began < 8
        finally:
            host.reconnect()
    assert seen == []
    wait_until(lambda: _name(far) == "h2", seconds=60, what="the engine again")


def _ended(stream: object) -> bool:
    return bool(stream._response.connection._closed)  # type: ignore[attr-defined]


def _name(driver: DockerDriver) -> str:
    try:
        return driver.info().name
    except EngineError:
        return ""


def test_an_engine_that_restarts_is_heard_again_through_the_same_login(fleet: Fleet, far: DockerDriver):
    assert _name(far) == "h2"
    fleet.engines[2].end()
    try:
        with pytest.raises(EngineDown):  # on a connection that was at hand
            far.ping()
        with pytest.raises(EngineDown, match=r"/var/run/docker\.sock cannot be opened there"):
            far.ping()
    finally:
        fleet.engines[2].restart()
    assert _name(far) == "h2"


def test_a_registry_with_a_password_is_pulled_from_with_it_only(fleet: Fleet, private_registry: Registry):
    one, two = fleet.hosts[1], DockerDriver(fleet.hosts[2].endpoint)
    image, auth = f"{private_registry.name}/team/web:1", private_registry.auth
    one.terminal.tag("bb:local", image)
    pushed = one.terminal.push(image, auth_config=auth)
    assert "error" not in pushed
    for wrong in (None, {**auth, "password": "wrong"}):
        with pytest.raises(EngineError, match="auth"):
            list(two.pull(image, wrong))
        assert two.find_image(image) is None
    assert list(two.pull(image, auth))[-1].percent == 100
    assert two.find_image(image) is not None
    two.remove_image(image)
    one.terminal.remove_image(image)
    two.close()
