"""One driver per engine, found by its address."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from apps.drivers import registry
from apps.drivers.base import Endpoint, EngineDown, EngineRefused
from apps.drivers.docker.sdk import EngineConnection
from apps.drivers.simulated import engine


def test_an_engine_has_one_driver_until_it_is_forgotten() -> None:
    endpoint = Endpoint("unix:///nowhere")
    first = registry.get_driver(endpoint)
    assert registry.get_driver(Endpoint("unix:///nowhere")) is first
    registry.discard_driver(endpoint)
    registry.discard_driver(endpoint)
    assert registry.get_driver(endpoint) is not first
    registry.discard_driver(endpoint)


def test_other_credentials_are_another_driver() -> None:
    one, other = Endpoint("tcp://h:2376", ca="a"), Endpoint("tcp://h:2376", ca="b")
    assert registry.get_driver(one) is not registry.get_driver(other)
    registry.discard_driver(one)
    registry.discard_driver(other)


def test_a_simulated_engine_outlives_its_drivers_place() -> None:
    endpoint = Endpoint("sim://registry")
    first = registry.get_driver(endpoint)
    registry.discard_driver(endpoint)
    assert registry.get_driver(endpoint) is first
    registry.discard_driver(endpoint)


def test_reset_switches_simulated_engines_off() -> None:
    before = engine.simulated_engine("registry")
    engine.reset_engines()
    with pytest.raises(EngineDown):
        before.ping()
    engine.simulated_engine("registry").ping()
    engine.reset_engines()


@pytest.mark.parametrize("url", ["", "http://host", "unix://", "ssh://", "host:2375"])
def test_an_unknown_address_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(EngineRefused, match="use unix:///path"):
        registry.get_driver(Endpoint(url))


def test_the_sdk_is_loaded_only_where_it_is_needed() -> None:
    code = (
        "import sys\nfrom apps.drivers import registry\nfrom apps.drivers.base import Endpoint\n"
        "registry.get_driver(Endpoint('sim://x'))\nassert 'docker' not in sys.modules and 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Endpoint("tcp://h:1", key="secret"))


def test_a_remembered_failure_holds_nothing_of_the_call_that_failed(tmp_path: Path) -> None:
    class Caller:
        """Whatever a caller has in its hands."""

    def call(_caller: Caller) -> None:
        with pytest.raises(EngineDown):
            connection.client()

    connection, caller = EngineConnection(Endpoint(f"unix://{tmp_path}/absent.sock")), Caller()
    held = weakref.ref(caller)
    call(caller)
    del caller
    gc.collect()
    assert held() is None
