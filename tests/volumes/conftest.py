"""Volumes of the lab's host: listed at once, and mounted by containers that bob makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_one
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.volumes.models import StoragePool, Volume

ListNow = Callable[[], None]


@pytest.fixture
def list_now(host: Host) -> ListNow:
    """Lists the volumes of the lab's hosts now, instead of within two minutes."""

    def run() -> None:
        reconcile_one("host", host.pk)
        for pool in StoragePool.all_objects.all():
            reconcile_one("storagePool", pool.pk)

    return run


@pytest.fixture
def volume(host: Host, list_now: ListNow) -> Callable[[str], Volume]:
    """The row of a volume, after a listing."""

    def find(name: str) -> Volume:
        list_now()
        return Volume.all_objects.get(name=name, removed=None)

    return find


@pytest.fixture
def mounting(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Callable[..., Container]:
    """Bob makes a container with these volumes."""

    def make(*volumes: str, name: str = "web") -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": list(volumes)})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
        run_loop()
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def unmount(actor_of: Any, run_loop: Callable[[], None]) -> Callable[[Container], None]:
    """Bob removes a container."""

    def remove(row: Container) -> None:
        container_act(row, "remove", actor=actor_of("bob"))
        run_loop()

    return remove
