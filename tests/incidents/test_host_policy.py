"""How members of similar products became root on the host; here the host policy stops each of these ways."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.policy.enforce import containers_in_violation
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.services import container_create
from apps.core.errors import Forbidden, Invalid
from apps.drivers.base import CreateRequest, Driver
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from tests.docker.portal_process import ROOT

IMAGE = "docker:bb:local"
HX = {"HX-Request": "true"}
Actors = Callable[..., Any]


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": IMAGE, **fields})


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Actors) -> Stack:
    """An empty stack of the lab."""
    return stack_create(actor=actor_of("alice"), environment=lab, name="shop")


@pytest.mark.parametrize("who", ["bob", "rex", "alice", "root"])
def test_portainer_1015_whoever_may_create_may_not_mount_the_root(who: str, api_of: Any, host: Host):
    api = api_of(who)
    refused = api.post("containers", {"imageUuid": IMAGE, "dataVolumes": ["/:/host"]})
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "PolicyViolation", "dataVolumes")
    assert "ask an administrator" in refused["message"]
    assert not Container.all_objects.exists()
    assert api.post("containers", {"imageUuid": IMAGE, "dataVolumes": ["data:/data"]}).status == 201


@pytest.mark.parametrize("page", ["container-new", "service-new", "service-clone"])
def test_portainer_1762_every_notation_is_checked_and_not_only_the_first(
    page: str, browser_as: Any, at: Any, shop: Stack, actor_of: Actors
):
    web = service_create(actor=actor_of("bob"), stack=shop, name="web", config=config(), scale=0)
    where = {"service-new": {"stack": shop.pk}, "service-clone": {"pk": web.pk}}.get(page, {})
    sent = {"name": "evil", "image": "bb:local", "scale": "1", "volumes": "/etc:/etc"}
    answer = browser_as("bob").post(at(page, **where), sent, headers=HX)
    assert answer.status_code == 422
    assert b"/etc may not be mounted" in answer.content
    assert not Container.all_objects.exists()
    assert list(Service.all_objects.values_list("name", flat=True)) == ["web"]


@pytest.mark.parametrize(
    "lines",
    [
        "volumes: ['/:/host']",
        "volumes: [{type: bind, source: /, target: /host}]",
        "volumes: [{type: volume, source: /etc, target: /host}]",
        "privileged: true",
        "pid: host",
        "network_mode: host",
        "ipc: host",
        "cap_add: [SYS_ADMIN]",
        "devices: ['/dev/sda:/dev/sda']",
        "security_opt: ['seccomp:unconfined']",
        "sysctls: {kernel.shmmax: 1}",
    ],
)
def test_portainer_3231_2506_a_stack_file_is_checked_after_it_was_expanded(
    lines: str, api_of: Any, browser_as: Any, at: Any, lab: Environment
):
    text = f"version: '2'\nservices:\n  web:\n    image: bb:local\n    {lines}\n"
    refused = api_of("bob").post("environments", {"name": "evil", "dockerCompose": text})
    assert (refused.status, refused["code"]) == (422, "PolicyViolation")
    assert "web: " in refused["message"]
    page = browser_as("bob").post(at("stack-new"), {"name": "evil", "dockerCompose": text}, headers=HX)
    assert page.status_code == 422
    assert not Stack.all_objects.exists()


def test_portainer_3231_variables_and_extension_cannot_carry_a_mount_past_the_check(api_of: Any, host: Host):
    text = "base:\n  image: bb:local\n  volumes: ['${ROOT}:/host']\n"
    sent = {"name": "evil", "dockerCompose": text, "environment": {"ROOT": "/"}}
    refused = api_of("bob").post("environments", sent)
    assert (refused.status, refused["code"]) == (422, "PolicyViolation")


def test_portainer_1235_a_volume_cannot_be_turned_into_a_bind_mount(api_of: Any, lab: Environment):
    text = (
        "version: '2'\nservices:\n  web:\n    image: bb:local\n    volumes: ['v:/v']\n"
        "volumes:\n  v:\n    driver_opts: {type: none, o: bind, device: /}\n"
    )
    made = api_of("bob").post("environments", {"name": "s", "dockerCompose": text})
    assert made.status == 201  # the options are dropped with a warning: the volume is an ordinary one
    assert Service.all_objects.get().spec["dataVolumes"] == ["s_v:/v"]


def test_cve_2026_44850_the_long_form_of_a_mount_is_checked_too(
    host: Host, lab: Environment, actor_of: Actors, monkeypatch: Any, run_loop: Any, sim: SimulatedDriver
):
    from apps.containers import engine
    from apps.containers.launch import engine_body

    build_body = engine_body.engine_body

    def with_mounts(*args: Any, **kwargs: Any) -> dict[str, Any]:
        found = build_body(*args, **kwargs)
        return {**found, "HostConfig": {**found["HostConfig"], "Mounts": [{"Type": "bind", "Source": "/"}]}}

    monkeypatch.setattr(engine, "engine_body", with_mounts)
    row = container_create(actor=actor_of("bob"), environment=lab, config=config(), name="evil")
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, sim.containers()) == ("error", [])
    assert "host policy of Lab" in row.message


def test_cve_2026_44849_services_are_under_the_policy_of_containers(api_of: Any, shop: Stack):
    api = api_of("bob")
    for fields in ({"privileged": True}, {"capAdd": ["SYS_PTRACE"]}, {"pidMode": "host"}, {"devices": ["/dev/mem"]}):
        launch = {"imageUuid": IMAGE, **fields}
        sent = {"name": "x", "environmentId": f"1e{shop.pk}", "launchConfig": launch}
        refused = api.post("services", sent)
        assert (refused.status, refused["fieldName"]) == (422, next(iter(fields)))
    assert not Service.all_objects.exists()


@pytest.mark.parametrize("path", ["plugins", "plugins/pull", "proxy", "containers/1i1/archive", "hosts/1h1/proxy"])
def test_cve_2026_44848_no_engine_api_is_passed_through(path: str, api_of: Any, host: Host):
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert api_of("alice").call(method, path, {}).status in {404, 405}


def test_portainer_3931_the_api_refuses_what_the_form_does_not_offer(api_of: Any, host: Host):
    refused = api_of("rex").post("containers", {"imageUuid": IMAGE, "privileged": True})
    assert (refused.status, refused["fieldName"]) == (422, "privileged")


def test_cve_2026_41052_an_owner_is_under_the_policy_and_cannot_change_it(
    api_of: Any, browser_as: Any, at: Any, lab: Environment, actor_of: Actors, host: Host
):
    alice = api_of("alice")
    policy = alice.get("hostpolicies")["data"][0]
    assert alice.put(f"hostpolicies/{policy['id']}", {"privileged": True}).status == 405
    assert alice.delete(f"hostpolicies/{policy['id']}").status == 405
    assert browser_as("alice").post(at("policy"), {"privileged": "on"}, headers=HX).status_code == 403
    for change in (
        lambda: policy_set(lab, {}, actor=actor_of("alice")),
        lambda: policy_reset(lab, actor=actor_of("bob")),
    ):
        with pytest.raises(Forbidden):
            change()
    assert alice.post("containers", {"imageUuid": IMAGE, "privileged": True}).status == 422


@pytest.mark.parametrize(
    "text",
    [
        "include: [/etc/passwd]\nservices: {web: {image: bb}}",
        "services: {web: {image: bb, env_file: /etc/passwd}}",
        "services: {web: {extends: {file: /etc/passwd, service: x}}}",
        "services: {web: {image: bb, secrets: [s]}}\nsecrets: {s: {file: /etc/shadow}}",
        "services: {web: {image: bb, configs: [c]}}\nconfigs: {c: {file: /etc/shadow}}",
    ],
)
def test_cve_2026_47179_a_stack_file_reads_no_file_of_the_server(text: str, api_of: Any, lab: Environment):
    answer = api_of("bob").post("environments", {"name": "evil", "dockerCompose": text})
    assert "root:" not in str(answer.body)
    assert answer.status == 422 or not any(row.spec.get("environment") for row in Service.all_objects.all())


def test_cve_2024_41110_the_final_request_body_is_what_is_checked(
    host: Host, lab: Environment, actor_of: Actors, run_loop: Any, sim: SimulatedDriver
):
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    row = container_create(actor=actor_of("bob"), environment=lab, config=config(privileged=True), name="was-allowed")
    policy_reset(lab, actor=actor_of("root"))  # while the change waits for its reconcile
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, sim.containers()) == ("error", [])
    assert "privileged containers may not be made" in row.message


def test_cve_2026_41567_no_files_are_copied_in_or_out_of_containers():
    """Files are read from volumes alone, through containers that are never started: nothing in them can race."""
    words = ("archive", "copy", "cp", "export")
    assert [name for name in dir(Driver) if any(word in name for word in words)] == ["archive"]
    readers = [path for path in (ROOT / "apps").rglob("*.py") if "engine.archive(" in path.read_text()]
    assert [path.relative_to(ROOT).as_posix() for path in readers] == ["apps/volumes/files/reader.py"]


def test_a_shell_never_has_more_privileges_than_its_container():
    from apps.drivers.docker.engine import DockerDriver

    assert not {"privileged", "user"} & set(inspect.signature(DockerDriver.exec).parameters)


def test_volumes_from_a_container_with_host_access_are_refused(
    host: Host, lab: Environment, actor_of: Actors, run_loop: Any, sim: SimulatedDriver, api_of: Any
):
    body = {"Image": "bb:local", "Cmd": ["sleep"], "HostConfig": {"Binds": ["/etc:/etc"], "NetworkMode": "host"}}
    sim.create(CreateRequest("native", body))
    Host.all_objects.filter(pk=host.pk).update(next_attempt_at=host.created)
    run_loop()
    native = Container.all_objects.get(native=True)
    for fields in (
        {"dataVolumesFrom": [f"1i{native.pk}"]},
        {"networkMode": "container", "networkContainerId": f"1i{native.pk}"},
    ):
        refused = api_of("bob").post("containers", {"imageUuid": IMAGE, **fields})
        assert (refused.status, refused["code"]) == (422, "PolicyViolation"), fields
    assert [row.pk for row, _why in containers_in_violation(lab.pk)] == [native.pk]


def test_containers_that_run_when_the_policy_tightens_are_listed_and_left_alone(
    host: Host, lab: Environment, actor_of: Actors, run_loop: Any, sim: SimulatedDriver
):
    policy_set(lab, {"bindFolders": ["/srv"]}, actor=actor_of("root"))
    row = container_create(
        actor=actor_of("bob"), environment=lab, config=config(dataVolumes=["/srv/a:/a"]), name="kept"
    )
    run_loop()
    assert containers_in_violation(lab.pk) == []
    policy_set(lab, {"bindFolders": ["/srv/b"]}, actor=actor_of("root"))
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, len(sim.containers())) == ("running", 1)
    [(listed, refusals)] = containers_in_violation(lab.pk)
    assert (listed.pk, [each.option for each in refusals]) == (row.pk, ["dataVolumes"])
    with pytest.raises(Invalid, match="/srv/a may not be mounted"):
        container_create(actor=actor_of("bob"), environment=lab, config=row.config, name="again")


def test_an_installation_may_be_as_open_as_rancher_was_by_one_setting(
    host: Host, lab: Environment, actor_of: Actors, run_loop: Any
):
    from apps.core.services import setting_write

    setting_write("host.policy.default", "permissive", actor=actor_of("root"))
    row = container_create(
        actor=actor_of("rex"), environment=lab, config=config(privileged=True, dataVolumes=["/:/h"]), name="open"
    )
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "running"
    policy_set(lab, {}, actor=actor_of("root"))  # the environment's own policy overrides it
    with pytest.raises(Invalid):
        container_create(actor=actor_of("rex"), environment=lab, config=row.config, name="closed")
