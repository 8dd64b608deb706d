"""Containers that violate the host policy, whoever created them: stop and remove work, start and shells do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.services import container_act, container_create
from apps.containers.streams import shell_open
from apps.control.models import Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import SYSTEM
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create

HX = {"HX-Request": "true"}
DANGEROUS: dict[str, dict[str, Any]] = {
    "root of the host": {"Binds": ["/:/host"]},
    "long form of a mount": {"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/e"}]},
    "privileged": {"Privileged": True},
    "network of the host": {"NetworkMode": "host"},
    "processes of the host": {"PidMode": "host"},
    "shared memory of the host": {"IpcMode": "host"},
    "capability": {"CapAdd": ["SYS_ADMIN"]},
    "device": {"Devices": [{"PathOnHost": "/dev/mem", "PathInContainer": "/dev/mem", "CgroupPermissions": "rwm"}]},
}


@pytest.fixture
def foreign(host: Host, sim: SimulatedDriver, run_loop: Any) -> Callable[..., Container]:
    """Creates a container on the engine, outside Corral, and lets the portal discover it."""

    def make(running: bool = False, **options: Any) -> Container:
        made = sim.create(CreateRequest("native", {"Image": "bb:local", "HostConfig": options}))
        if running:
            sim.start(made)
        reconcile_one("host", host.pk)
        run_loop()
        row: Container = Container.all_objects.get(native=True)
        return row

    return make


@pytest.fixture
def forbidden_container(host: Host, lab: Environment, actor_of: Any, run_loop: Any) -> Container:
    """A running container that the policy allowed when it was created."""
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "privileged": True})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="box")
    run_loop()
    policy_reset(lab, actor=actor_of("root"))
    row.refresh_from_db()
    assert row.display_state == "running"
    return row


@pytest.mark.parametrize("options", DANGEROUS.values(), ids=DANGEROUS.keys())
def test_a_container_made_outside_the_portal_is_not_started_against_the_policy(
    options: dict[str, Any], foreign: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
):
    row = foreign(**options)
    for who in ("bob", "alice", "root"):
        with pytest.raises(Invalid, match="native may not be started") as caught:
            container_act(row, "start", actor=actor_of(who))
        assert caught.value.code == "PolicyViolation"
    run_loop()
    assert [each.state for each in sim.containers()] == ["created"]


@pytest.mark.parametrize("options", DANGEROUS.values(), ids=DANGEROUS.keys())
def test_no_shell_opens_in_a_running_container_against_the_policy(
    options: dict[str, Any], foreign: Any, sim: SimulatedDriver
):
    row = foreign(running=True, **options)
    before = sim.calls["exec"]
    with pytest.raises(Invalid, match="entered by a shell") as caught:
        shell_open(row, ["sh"])
    assert (caught.value.code, sim.calls["exec"]) == ("PolicyViolation", before)


def test_a_harmless_container_made_outside_can_be_started_and_entered(foreign: Any, actor_of: Any, run_loop: Any):
    row = foreign()
    container_act(row, "start", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    shell_open(row, ["sh"]).close()
    assert row.display_state == "running"


def test_the_api_refuses_start_restart_and_shell_with_reason_and_remedy(api_of: Any, forbidden_container: Container):
    bob, path = api_of("bob"), f"containers/1i{forbidden_container.pk}?action="
    for action, body in (("restart", None), ("execute", {"command": ["sh"]})):
        refused = bob.post(path + action, body)
        assert (refused.status, refused["code"], refused["fieldName"]) == (422, "PolicyViolation", "privileged"), action
        assert "privileged containers may not be made" in refused["message"]
        assert "can be stopped and removed" in refused["message"]
    assert bob.post(path + "logs", {}).status == 200


def test_the_console_says_so_too_for_single_and_bulk_actions(
    browser_as: Any, at: Any, forbidden_container: Container, actor_of: Any, run_loop: Any
):
    container_act(forbidden_container, "stop", actor=actor_of("bob"))
    run_loop()
    bob = browser_as("bob")
    one = bob.post(at("container-do", pk=forbidden_container.pk, action="start"), headers=HX)
    many = bob.post(at("containers-bulk"), {"action": "start", "row": [forbidden_container.pk]}, headers=HX)
    for answer in (one, many):
        assert answer.status_code == 422
        assert "may not be started" in answer.content.decode() + str(answer.headers)


def test_stopping_and_removing_are_always_allowed(
    forbidden_container: Container, actor_of: Any, run_loop: Any, sim: SimulatedDriver
):
    for action, state in (("stop", "stopped"), ("remove", "removed")):
        container_act(forbidden_container, action, actor=actor_of("rex"))
        run_loop()
        forbidden_container.refresh_from_db()
        assert forbidden_container.display_state == state
    assert sim.containers() == []


def test_a_container_that_is_allowed_again_starts(
    forbidden_container: Container, lab: Environment, actor_of: Any, run_loop: Any, sim: SimulatedDriver
):
    container_act(forbidden_container, "stop", actor=actor_of("bob"))
    run_loop()
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    forbidden_container.refresh_from_db()
    container_act(forbidden_container, "start", actor=actor_of("bob"))
    run_loop()
    assert [each.state for each in sim.containers()] == ["running"]


def test_a_start_requested_before_the_policy_tightened_ends_in_error(
    forbidden_container: Container, lab: Environment, actor_of: Any, run_loop: Any, sim: SimulatedDriver
):
    container_act(forbidden_container, "stop", actor=actor_of("bob"))
    run_loop()
    forbidden_container.refresh_from_db()
    # As a service's reconcile does: the policy is enforced at the start, not at the request.
    container_act(forbidden_container, "start", actor=SYSTEM)
    run_loop()
    forbidden_container.refresh_from_db()
    assert (forbidden_container.display_state, [each.state for each in sim.containers()]) == ("error", ["exited"])
    assert forbidden_container.message.startswith("Not started: the host policy of Lab does not allow it (privileged")
    assert (
        Operation.all_objects.filter(name="container.start", target=forbidden_container.pk).latest("pk").state
        == "failed"
    )


def test_a_services_stopped_container_stays_down_with_the_reason(
    host: Host, lab: Environment, actor_of: Any, run_loop: Any, sim: SimulatedDriver
):
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "privileged": True})
    service = service_create(
        actor=actor_of("bob"), stack=stack, name="web", config=config, scale=1, start_on_create=True
    )
    run_loop()
    row = Container.all_objects.get()
    policy_reset(lab, actor=actor_of("root"))
    sim.crash(row.external_id)
    for _ in range(3):
        reconcile_one("container", row.pk)
    row.refresh_from_db()
    assert [each.state for each in sim.containers()] == ["exited"]
    assert "Not started: the host policy of Lab" in row.message
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    reconcile_one("container", row.pk)
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, Service.all_objects.get(pk=service.pk).removed) == ("running", None)
