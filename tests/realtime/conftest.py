"""A channel layer as in production, and a container on a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from portal.boot.broker import Broker
from tests.realtime.scripted_engine import ScriptedEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    found = ScriptedEngine()
    monkeypatch.setattr("apps.containers.streams.driver_of", lambda _host: found)
    monkeypatch.setattr("apps.realtime.stats.driver_of", lambda _host: found)
    return found


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("b")
    child = Broker(folder, folder / "log")
    child.start()
    child.wait()
    yield child.socket
    child.stop()


@pytest.fixture(autouse=True)
def layer(broker: Path, settings: Any) -> None:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [f"unix://{broker}"]}}}
    settings.ALLOWED_HOSTS = ["portal.test"]


@pytest.fixture
def container(lab: Environment) -> Container:
    """A container of the lab that runs on a host."""
    host = Host.all_objects.create(
        environment=lab, name="h1", url="sim://h1", engine_id="SIM:h1", desired="active", state="active"
    )
    row: Container = Container.all_objects.create(
        environment=lab, host=host, name="web", external_id="c0ffee", desired="running", state="running"
    )
    return row


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: sockets run in real time, so these tests mostly wait."""
    for item in items:
        if "realtime" in item.path.parts:
            item.add_marker("sockets")
