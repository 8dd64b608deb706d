"""Pulls from registries that ask who comes: with which account, what failing ones say, when they are tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.containers.failing_pulls import failing_pulls
from apps.containers.launch.config import LaunchConfig
from apps.containers.lifecycle import rate_limit_delay
from apps.containers.models import Container, Pull
from apps.containers.pull_attempts import PullAttempts
from apps.containers.registry_logins import pulls_awaiting_login
from apps.containers.services import container_create
from apps.control.reconcile import reconcile_one
from apps.drivers.base import EngineError
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.vault.models import Registry, RegistryCredential
from apps.vault.registries.services import registry_add, registry_credential_update

IMAGE, SECRET, NEWER = "quay.io/acme/web:1", "s3cret-w0rd", "newer-w0rd"
Run = Callable[[], None]


@pytest.fixture
def quay(sim: SimulatedDriver) -> SimulatedDriver:
    """The engine whose quay.io has the image, for alice only."""
    sim.registry.add(IMAGE)
    sim.registry.accounts["quay.io"] = ("alice", SECRET)
    return sim


@pytest.fixture
def add(lab: Environment, actor_of: Any) -> Callable[[str], Registry]:
    """Adds quay.io with alice's account and this password."""

    def make(password: str) -> Registry:
        account = {"public_value": "alice", "secret_value": password}
        return registry_add(actor=actor_of("bob"), environment=lab, server_address="quay.io", **account)

    return make


@pytest.fixture
def launch(lab: Environment, host: Host, actor_of: Any, run_loop: Run) -> Callable[[], Container]:
    """Has a container of a service wait for the image."""

    def make() -> Container:
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
        Container.all_objects.update(keep_running=True)
        run_loop()
        row.refresh_from_db()
        return row

    return make


def _failing(lab: Environment) -> Any:
    (found,) = failing_pulls(lab.pk, Container.all_objects.all())
    return found


def test_an_image_is_pulled_with_the_account_of_its_registry(quay: SimulatedDriver, add: Any, launch: Any):
    add(SECRET)
    assert launch().display_state == "running"
    assert quay.find_image(IMAGE) is not None


@pytest.mark.parametrize("password", ["", "wrong-w0rd"])
def test_a_refused_pull_names_the_registry_and_what_to_do(
    password: str, quay: SimulatedDriver, add: Any, launch: Any, lab: Environment
):
    if password:
        add(password)
    row = launch()
    failing = _failing(lab)
    assert (row.message, failing.failure.kind) == ("Image pull failed: Access denied by quay.io.", "denied")
    assert failing.failure.needs_credential
    assert "credential of quay.io" in failing.failure.remedy


def test_a_corrected_password_is_used_at_once(
    quay: SimulatedDriver, add: Any, launch: Any, lab: Environment, actor_of: Any, run_loop: Run
):
    add("wrong-w0rd")
    row, pull = launch(), Pull.all_objects.get()
    assert PullAttempts.from_pull(pull).due_at is not None
    before = quay.calls["pull"]
    reconcile_one("pull", pull.pk)
    assert quay.calls["pull"] == before  # it is not due yet, and nothing has changed
    account = RegistryCredential.all_objects.get()
    registry_credential_update(account, actor=actor_of("bob"), secret_value=SECRET)
    account.refresh_from_db()
    assert pulls_awaiting_login(account) == [("pull", pull.pk)]
    run_loop()
    row.refresh_from_db()
    assert (quay.calls["pull"], row.display_state) == (before + 1, "running")


def test_a_first_account_is_used_at_once(quay: SimulatedDriver, add: Any, launch: Any, run_loop: Run):
    row = launch()
    add(SECRET)
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "running"


def test_a_rotated_password_is_used_by_the_next_pull(
    quay: SimulatedDriver, add: Any, launch: Any, actor_of: Any, run_loop: Run, lab: Environment
):
    add(SECRET)
    launch()
    quay.registry.accounts["quay.io"] = ("alice", NEWER)
    quay.registry.add("quay.io/acme/web:2")
    registry_credential_update(RegistryCredential.all_objects.get(), actor=actor_of("bob"), secret_value=NEWER)
    config = LaunchConfig.from_wire({"imageUuid": "docker:quay.io/acme/web:2"})
    row = container_create(actor=actor_of("alice"), environment=lab, config=config, name="web2")
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "running"


def test_a_password_that_the_registry_repeats_is_written_nowhere(
    quay: SimulatedDriver, add: Any, launch: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    add(SECRET)
    quay.fail_next("pull", EngineError(f"denied: alice:{SECRET} (YWxpY2U6czNjcmV0LXcwcmQ=) is locked"), times=2)
    row = launch()
    assert "is locked" in Pull.all_objects.get().message
    with connection.cursor() as cursor:
        stored = ""
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the names of our own tables
            stored += str(cursor.fetchall())
    for secret in (SECRET, "YWxpY2U6czNjcmV0LXcwcmQ"):
        assert secret not in stored
        assert secret not in caplog.text
        assert secret not in row.message


def test_a_rate_limit_is_waited_out(quay: SimulatedDriver, launch: Any, lab: Environment, run_loop: Run):
    quay.fail_next("pull", EngineError("toomanyrequests: You have reached your pull rate limit."), times=2)
    row = launch()
    failing = _failing(lab)
    assert row.message == "Image pull failed: The rate limit of quay.io is reached."
    assert failing.failure.needs_credential
    assert 290 < (failing.next_at - timezone.now()).total_seconds() <= 300
    calls = quay.calls["pull"]
    run_loop()
    assert quay.calls["pull"] == calls
    assert [rate_limit_delay(tries) for tries in (1, 2, 3, 4, 5, 99)] == [300, 600, 1200, 2400, 3600, 3600]


def test_three_hosts_pull_with_the_same_account_at_once(
    quay: SimulatedDriver, add: Any, lab: Environment, host: Host, actor_of: Any, run_loop: Run
):
    add(SECRET)
    engines, hosts = [quay], [host]
    for name in ("lab2", "lab3"):
        engines.append(simulated_engine(name))
        engines[-1].registry.add(IMAGE)
        engines[-1].registry.accounts["quay.io"] = ("alice", SECRET)
        hosts.append(host_create(actor=None, environment=lab, url=f"sim://{name}", name=name))
    run_loop()
    for row in hosts:
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}", "requestedHostId": f"1h{row.pk}"})
        container_create(actor=actor_of("bob"), environment=lab, config=config, name=f"web-{row.pk}")
    run_loop()
    assert {row.display_state for row in Container.all_objects.all()} == {"running"}
    assert [(engine.calls["pull"], engine.calls["load"]) for engine in engines] == [(1, 0)] * 3
