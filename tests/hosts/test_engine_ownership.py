"""An engine belongs to one host of one environment, on every way in and whenever its id is learned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps as installed_apps
from django.db import IntegrityError, close_old_connections, connection, transaction

from apps.containers.images.inventory import take_inventory
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.drivers import registry
from apps.drivers.base import CreateRequest, EngineDown, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts import engine_ownership, services
from apps.hosts.agents import agent_register
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.services import host_act, host_create, token_create
from apps.hosts.watch import Gateway

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dfkvVqUyFHtqIW9gdYnJVxBXVpGhZ1yYmTgxUQBZ8"


@pytest.fixture
def foreign(people: Any, actor_of: Callable[..., Any]) -> Environment:
    """Mallory's environment."""
    return environment_create(actor=actor_of("mallory"), name="Far")


@pytest.fixture
def same_engine(sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the address: the lab's engine answers."""
    monkeypatch.setattr(registry, "get_driver", lambda _endpoint: sim)


def reload(host: Host) -> Host:
    host.refresh_from_db()
    return host


def claim(engine_id: str, request: str = "k") -> dict[str, Any]:
    return {"key": request, "publicKey": PUBLIC_KEY, "hostname": "node", "engineId": engine_id, "agentVersion": "1"}


@pytest.mark.parametrize("url", ["unix:///run/docker.sock", "tcp://10.0.0.5:2375", "ssh://me@10.0.0.5", "sim://lab"])
def test_an_engine_of_another_environment_is_refused_however_it_is_addressed(
    url: str, host: Host, foreign: Environment, same_engine: None
) -> None:
    with pytest.raises(Invalid) as caught:
        host_create(actor=None, environment=foreign, url=url, tls={"password": "x"} if "ssh" in url else {})
    assert (caught.value.status, caught.value.field, caught.value.code) == (422, "url", "NotUnique")
    assert "engine-id" in caught.value.message
    assert not [word for word in ("Lab", host.name) if word in caught.value.message]
    assert Host.all_objects.get() == host


def test_an_agent_is_refused_an_engine_of_another_environment(
    host: Host, foreign: Environment, actor_of: Callable[..., Any]
) -> None:
    token = token_create(actor=actor_of("mallory"), environment=foreign)
    with pytest.raises(Invalid) as caught:
        agent_register(token, claim(host.engine_id), address="10.0.0.9")
    assert (caught.value.field, caught.value.code) == ("engineId", "NotUnique")
    assert Host.all_objects.get() == host


def test_an_id_that_is_learned_later_is_refused_before_anything_is_read(
    host: Host, sim: SimulatedDriver, foreign: Environment
) -> None:
    secret = sim.create(CreateRequest("secret", {"Image": "bb:local", "Env": ["PASSWORD=x"]}))
    late = host_create(actor=None, environment=foreign, url="sim://lab", probe=False)
    sim.calls.clear()
    reconcile_one("host", late.pk)
    assert (reload(late).display_state, late.engine_id, late.message) == ("error", "", engine_ownership.ENGINE_TAKEN)
    assert "containers" not in sim.calls
    assert not Container.all_objects.filter(environment=foreign).exists()
    with pytest.raises(EngineDown, match="another environment"):
        driver_of(late)
    with pytest.raises(EngineError):
        take_inventory(late)
    assert secret in [each.id for each in driver_of(host).containers()]


def test_nothing_is_requested_of_an_engine_before_its_id_is_known(lab: Environment, sim: SimulatedDriver) -> None:
    row = host_create(actor=None, environment=lab, url="sim://lab", probe=False)
    gateway = Gateway()
    gateway.run_once()
    assert not gateway._watchers
    with pytest.raises(EngineDown, match="not known yet"):
        driver_of(row)
    reconcile_one("host", row.pk)
    assert driver_of(reload(row)) is sim


def test_an_engine_that_was_exchanged_is_not_used_until_the_right_one_is_back(host: Host, sim: SimulatedDriver) -> None:
    Host.all_objects.filter(pk=host.pk).update(engine_id="SIM:other")
    reconcile_one("host", host.pk)
    gateway = Gateway()
    gateway.run_once()
    assert not gateway._watchers
    with pytest.raises(EngineDown, match="Another engine"):
        driver_of(reload(host))
    Host.all_objects.filter(pk=host.pk).update(engine_id=sim.info().engine_id)
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, host.fenced, driver_of(host)) == ("active", "", sim)


def test_the_second_host_of_one_environment_is_told_of_the_first(host: Host, lab: Environment) -> None:
    late = host_create(actor=None, environment=lab, url="sim://lab", probe=False)
    reconcile_one("host", late.pk)
    assert reload(late).message == engine_ownership.ENGINE_TWICE


def test_the_engine_is_free_once_its_host_is_removed(
    host: Host, foreign: Environment, actor_of: Callable[..., Any]
) -> None:
    late = host_create(actor=None, environment=foreign, url="sim://lab", probe=False)
    for action in ("deactivate", "remove"):
        host_act(reload(host), action, actor=actor_of("alice"))
        reconcile_one("host", host.pk)
    reconcile_one("host", late.pk)
    assert (reload(late).display_state, late.fenced, late.engine_id) == ("active", "", "SIM:lab")


def test_an_engine_without_an_id_is_refused(
    lab: Environment, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = SimpleNamespace(engine_id="", name="old")
    monkeypatch.setattr(services, "probe_engine", lambda _row, **_options: nameless)
    with pytest.raises(Invalid, match="no id"):
        host_create(actor=None, environment=lab, url="sim://lab")
    row = host_create(actor=None, environment=lab, url="sim://lab", probe=False)
    assert "no id" in engine_ownership.claim_engine(row, "")


def test_an_agents_word_keeps_nobody_from_an_engine(
    lab: Environment, foreign: Environment, sim: SimulatedDriver, actor_of: Callable[..., Any]
) -> None:
    token = token_create(actor=actor_of("mallory"), environment=foreign)
    squatter = agent_register(token, claim("SIM:lab"), address="10.0.0.9").credential.host
    assert (squatter.engine_id, squatter.agent["engineId"]) == ("", "SIM:lab")
    mine = host_create(actor=None, environment=lab, url="sim://lab")
    assert (mine.engine_id, reload(squatter).engine_id) == ("SIM:lab", "")


def test_an_agent_that_registers_twice_before_its_engine_answered_is_one_host(
    lab: Environment, actor_of: Callable[..., Any]
) -> None:
    token = token_create(actor=actor_of("alice"), environment=lab)
    hosts = {agent_register(token, claim("E:1", key), address="10.0.0.9").credential.host.pk for key in ("a", "b")}
    assert len(hosts) == 1


def test_the_database_holds_it_whoever_writes(host: Host, foreign: Environment) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Host.all_objects.create(environment=foreign, url="tcp://x:1", engine_id=host.engine_id, desired="active")
    Host.all_objects.create(environment=foreign, url="tcp://x:1", desired="active")
    Host.all_objects.create(environment=foreign, url="tcp://x:2", desired="active")


@pytest.mark.django_db(transaction=True)
def test_of_those_who_add_an_engine_at_once_one_gets_it(
    lab: Environment, foreign: Environment, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier, asked = threading.Barrier(2), threading.local()

    def nobody_yet(engine_id: str) -> Host | None:
        if getattr(asked, "before", False):
            return engine_ownership.owner_of(engine_id)
        asked.before = True
        barrier.wait(10)
        return None

    def add(environment: Environment) -> str:
        try:
            return str(host_create(actor=None, environment=environment, url="sim://lab").engine_id)
        except Invalid as refused:
            return refused.code
        finally:
            close_old_connections()

    monkeypatch.setattr(services, "owner_of", nobody_yet)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, (lab, foreign))) == ["NotUnique", "SIM:lab"]
    assert Host.all_objects.filter(removed=None).count() == 1


def test_an_upgrade_leaves_a_shared_engine_to_its_first_host(host: Host, foreign: Environment) -> None:
    upgrade = import_module("apps.hosts.migrations.0006_fenced_hosts")
    with connection.cursor() as cursor:  # as it was before the upgrade; undone with the test's transaction
        cursor.execute("DROP INDEX one_host_per_engine")
    late = Host.all_objects.create(
        environment=foreign, url="sim://lab", engine_id="SIM:lab", agent={"version": "1"}, desired="active"
    )
    upgrade.fence_later_hosts(installed_apps, None)
    assert (reload(host).engine_id, host.fenced) == ("SIM:lab", "")
    assert (reload(late).engine_id, late.state) == ("", "error")
    assert "added first keeps it" in late.fenced
    assert late.agent == {"version": "1", "engineId": "SIM:lab"}
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNIQUE INDEX one_host_per_engine ON hosts_host (engine_id) "
            "WHERE removed IS NULL AND NOT engine_id = ''"
        )
    reconcile_one("host", late.pk)
    assert reload(late).message == engine_ownership.ENGINE_TAKEN
