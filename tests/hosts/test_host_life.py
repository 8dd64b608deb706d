"""A host from its endpoint to its removal, on the engine in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.containers.services import container_create
from apps.containers.spec import LaunchConfig
from apps.control.reconcile import look, settle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.services import setting_write
from apps.drivers.base import CreateRequest, EngineInfo
from apps.drivers.simulated import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.hosts import reconcile
from apps.hosts.lifecycle import away
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.reconcile import wire_info
from apps.hosts.selectors import registration_command
from apps.hosts.services import host_act, host_create, host_update, token_ensure


def fresh(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def test_a_host_tells_what_its_machine_is(host: Host) -> None:
    assert (host.shown, host.hostname, host.engine_id) == ("active", "lab", "SIM:lab")
    assert host.info["cpuInfo"]["count"] == 4
    assert host.all_labels["io.rancher.host.docker_version"] == "20.10"
    assert host.next_look is not None


def test_looks_at_a_settled_host_are_spread_and_a_minute_apart_at_most(host: Host) -> None:
    pauses = {reconcile.settle(host).again_in for _ in range(20)}
    assert len(pauses) > 1
    assert all(45 <= (pause or 0) <= 55 for pause in pauses)  # and the clock finds it within two seconds


def test_a_silent_engine_is_refused_before_anything_is_saved(lab: Environment, sim: SimulatedDriver) -> None:
    sim.down = True
    with pytest.raises(Invalid, match="does not answer"):
        host_create(actor=None, environment=lab, url="sim://lab")
    assert Host.all_objects.count() == 0


def test_the_same_engine_is_no_second_host(host: Host, lab: Environment) -> None:
    with pytest.raises(Invalid) as caught:
        host_create(actor=None, environment=lab, url="sim://lab")
    assert caught.value.code == "NotUnique"


@pytest.mark.parametrize("url", ["", "lab", "http://x:1", "tcp://x", "tcp://:2376", 7, None])
def test_a_bad_address_is_refused_with_a_remedy(url: Any, lab: Environment) -> None:
    with pytest.raises(Invalid) as caught:
        host_create(actor=None, environment=lab, url=url)
    assert (caught.value.field, Host.all_objects.count()) == ("url", 0)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_portals_own_machine_is_for_administrators(who: str, lab: Environment, sim: Any, actor_of: Any) -> None:
    with pytest.raises(Forbidden, match="administrators"):
        host_create(actor=actor_of(who), environment=lab, url="sim://lab")
    assert host_create(actor=actor_of("root"), environment=lab, url="sim://lab").pk


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_who_may_not_add_hosts_learns_nothing_about_the_address(who: str, lab: Environment, actor_of: Any) -> None:
    with pytest.raises(Forbidden):
        host_create(actor=actor_of(who), environment=lab, url="tcp://127.0.0.1:9")


def test_a_lost_engine_shows_as_reconnecting_and_heals(host: Host, sim: SimulatedDriver) -> None:
    sim.down = True
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).transitioning) == ("reconnecting", "yes")
    assert "does not answer" in fresh(host).message
    sim.down = False
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).message) == ("active", "")


def test_a_host_lost_for_longer_is_disconnected_until_its_engine_answers(host: Host, sim: SimulatedDriver) -> None:
    sim.down = True
    look("host", host.pk)
    lost, seen = fresh(host).lost_at, fresh(host).seen_at
    assert lost is not None
    assert seen == host.seen_at
    Host.all_objects.filter(pk=host.pk).update(lost_at=lost - timedelta(seconds=61))
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).is_away, fresh(host).transitioning) == ("disconnected", True, "no")
    sim.down = False
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).lost_at) == ("active", None)
    assert fresh(host).seen_at > seen


@pytest.mark.parametrize(
    ("lost_for", "patience", "word"), [(0, 60, "reconnecting"), (59.9, 60, "reconnecting"), (60, 60, "disconnected")]
)
def test_the_word_for_an_absence_depends_on_its_length(lost_for: float, patience: float, word: str) -> None:
    assert away(lost_for, patience) == word


def test_the_setting_says_when_a_lost_host_is_disconnected(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    setting_write("host.disconnected.after.seconds", "0", actor=actor_of("root"))
    sim.down = True
    look("host", host.pk)
    assert fresh(host).shown == "disconnected"


def test_a_disconnected_host_can_be_deactivated_and_removed(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    sim.down = True
    Host.all_objects.filter(pk=host.pk).update(lost_at=timezone.now() - timedelta(minutes=5))
    look("host", host.pk)
    host_act(fresh(host), "deactivate", actor=actor_of("bob"))
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).desired) == ("disconnected", "inactive")
    host_act(fresh(host), "remove", actor=actor_of("bob"))
    look("host", host.pk)
    assert fresh(host).shown == "removed"


def test_another_engine_at_the_same_place_is_an_error_and_gets_nothing(host: Host, sim: SimulatedDriver) -> None:
    Host.all_objects.filter(pk=host.pk).update(engine_id="SIM:other")
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    look("host", host.pk)
    assert (fresh(host).shown, fresh(host).transitioning) == ("error", "error")
    assert "remove this host and add it again" in fresh(host).message
    assert Container.all_objects.count() == 0


def test_what_an_agent_tells_of_its_machine_completes_what_the_engine_tells() -> None:
    info = EngineInfo("id", "h", "20.10.24", "1.41", "Debian", "6.1.0", "x86_64", 4, 2048 * 1024 * 1024, "overlay2")
    bare = wire_info(info, {})
    assert bare["cpuInfo"] == {"modelName": "x86_64", "count": 4}
    assert "diskInfo" not in bare
    machine = {"cpuInfo": {"modelName": "Xeon", "loadAvg": [1, 2, 3]}, "diskInfo": {"mountPoints": {"/": {}}}}
    told = wire_info(info, {**machine, "memoryInfo": {"memFree": 7}, "osInfo": None})
    assert told["cpuInfo"] == {"modelName": "Xeon", "loadAvg": [1, 2, 3], "count": 4}
    assert told["memoryInfo"] == {"memFree": 7, "memTotal": 2048}
    assert told["diskInfo"] == {"mountPoints": {"/": {}}}
    assert told["osInfo"]["operatingSystem"] == "Debian"


def test_an_inactive_host_takes_no_new_containers(host: Host, lab: Environment, actor_of: Any) -> None:
    host_act(host, "deactivate", actor=actor_of("bob"))
    settle()
    assert fresh(host).shown == "inactive"
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    look("container", row.pk)
    assert "Scheduling failed" in fresh(row).message
    host_act(fresh(host), "activate", actor=actor_of("bob"))
    settle()
    look("container", row.pk)
    assert fresh(row).shown == "running"


def test_an_active_host_cannot_be_removed(host: Host, actor_of: Any) -> None:
    with pytest.raises(ActionNotAvailable):
        host_act(host, "remove", actor=actor_of("alice"))


def test_a_removed_host_leaves_its_containers_running(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    look("host", host.pk)
    settle()
    host_act(fresh(host), "deactivate", actor=actor_of("alice"))
    settle()
    host_act(fresh(host), "remove", actor=actor_of("alice"))
    settle()
    look("container", Container.all_objects.get().pk)
    look("host", host.pk)
    assert (fresh(host).shown, Container.all_objects.get().shown) == ("removed", "removed")
    assert [seen.state for seen in sim.containers()] == ["running"]


def test_labels_are_texts(host: Host, actor_of: Any) -> None:
    host_update(host, actor=actor_of("bob"), labels={"zone": "a"})
    assert fresh(host).all_labels["zone"] == "a"
    with pytest.raises(Invalid):
        host_update(fresh(host), actor=actor_of("bob"), labels={"zone": 1})
    with pytest.raises(Forbidden):
        host_update(fresh(host), actor=actor_of("rex"), labels={})


def test_a_dying_environment_takes_what_corral_made_and_leaves_the_rest(
    host: Host, lab: Environment, sim: SimulatedDriver, actor_of: Any
) -> None:
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    look("host", host.pk)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    container_create(actor=actor_of("bob"), environment=lab, config=config, name="ours")
    settle()
    environment_act(lab, "remove", actor=actor_of("alice"))
    for _ in range(8):
        look("project", lab.pk)
        settle()
        for row in Container.all_objects.filter(removed=None):
            look("container", row.pk)
        look("host", host.pk)
    assert (fresh(lab).shown, fresh(host).shown) == ("removed", "removed")
    assert [seen.name for seen in sim.containers()] == ["outside"]


def test_the_first_who_may_gets_a_registration_token_and_only_one(lab: Environment, actor_of: Any) -> None:
    for who in ("rita", "rex", "mallory"):
        token_ensure(actor=actor_of(who), environment=lab)
    assert RegistrationToken.all_objects.count() == 0
    for who in ("bob", "alice"):
        token_ensure(actor=actor_of(who), environment=lab)
    assert RegistrationToken.all_objects.count() == 1


def test_the_registration_command_ends_with_its_url(lab: Environment, actor_of: Any) -> None:
    token_ensure(actor=actor_of("bob"), environment=lab)
    said = registration_command(RegistrationToken.all_objects.get(), "http://portal:8080/v1")
    assert said["command"].split(" ")[-1] == said["registrationUrl"] == f"http://portal:8080/v1/scripts/{said['token']}"
    assert said["image"] in said["command"]
    assert len(said["token"].split(":")) == 3


def test_containers_that_wait_for_a_host_start_when_one_comes(
    lab: Environment, sim: SimulatedDriver, actor_of: Any, run_loop: Any
) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="early")
    look("container", row.pk)
    look("container", row.pk)
    assert "there is no host" in fresh(row).message
    host_create(actor=None, environment=lab, url="sim://lab")
    run_loop()
    assert (fresh(row).shown, fresh(row).transitioning) == ("running", "no")
