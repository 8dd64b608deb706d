"""A host from its endpoint to its removal, on the engine in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.services import setting_write
from apps.drivers import registry
from apps.drivers.base import CreateRequest, Endpoint, EngineDown, EngineError, EngineInfo, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.hosts import reconcile
from apps.hosts.lifecycle import unreachable_state
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.reconcile import host_info
from apps.hosts.selectors import registration_command
from apps.hosts.services import (
    host_act,
    host_create,
    host_update,
    token_ensure,
)


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def test_a_host_tells_what_its_machine_is(host: Host) -> None:
    assert (host.display_state, host.hostname, host.engine_id) == ("active", "lab", "SIM:lab")
    assert host.info["cpuInfo"]["count"] == 4
    assert host.all_labels["io.rancher.host.docker_version"] == "20.10"
    assert host.next_attempt_at is not None


def test_reconciles_of_an_in_sync_host_are_spread_and_a_minute_apart_at_most(host: Host) -> None:
    pauses = {reconcile.reconcile_host(host).requeue_after for _ in range(20)}
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
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).transitioning) == ("reconnecting", "yes")
    assert "does not answer" in reload(host).message
    sim.down = False
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).message) == ("active", "")


def test_a_host_lost_for_longer_is_disconnected_until_its_engine_answers(host: Host, sim: SimulatedDriver) -> None:
    sim.down = True
    reconcile_one("host", host.pk)
    lost, seen = reload(host).lost_at, reload(host).seen_at
    assert lost is not None
    assert seen == host.seen_at
    Host.all_objects.filter(pk=host.pk).update(lost_at=lost - timedelta(seconds=61))
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).is_unreachable, reload(host).transitioning) == (
        "disconnected",
        True,
        "no",
    )
    sim.down = False
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).lost_at) == ("active", None)
    assert reload(host).seen_at > seen


@pytest.mark.parametrize(
    ("lost_for", "patience", "word"), [(0, 60, "reconnecting"), (59.9, 60, "reconnecting"), (60, 60, "disconnected")]
)
def test_the_word_for_an_absence_depends_on_its_length(lost_for: float, patience: float, word: str) -> None:
    assert unreachable_state(lost_for, patience) == word


def test_the_setting_says_when_a_lost_host_is_disconnected(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    setting_write("host.disconnected.after.seconds", "0", actor=actor_of("root"))
    sim.down = True
    reconcile_one("host", host.pk)
    assert reload(host).display_state == "disconnected"


def test_a_disconnected_host_can_be_deactivated_and_removed(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    sim.down = True
    Host.all_objects.filter(pk=host.pk).update(lost_at=timezone.now() - timedelta(minutes=5))
    reconcile_one("host", host.pk)
    host_act(reload(host), "deactivate", actor=actor_of("bob"))
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).desired) == ("disconnected", "inactive")
    host_act(reload(host), "remove", actor=actor_of("bob"))
    reconcile_one("host", host.pk)
    assert reload(host).display_state == "removed"


def test_another_engine_at_the_same_place_is_an_error_and_gets_nothing(host: Host, sim: SimulatedDriver) -> None:
    Host.all_objects.filter(pk=host.pk).update(engine_id="SIM:other")
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).transitioning) == ("error", "error")
    assert "remove this host and add it again" in reload(host).message
    assert Container.all_objects.count() == 0


def test_what_an_agent_tells_of_its_machine_completes_what_the_engine_tells() -> None:
    info = EngineInfo("id", "h", "20.10.24", "1.41", "Debian", "6.1.0", "x86_64", 4, 2048 * 1024 * 1024, "overlay2")
    bare = host_info(info, {})
    assert bare["cpuInfo"] == {"modelName": "x86_64", "count": 4}
    assert "diskInfo" not in bare
    machine = {"cpuInfo": {"modelName": "Xeon", "loadAvg": [1, 2, 3]}, "diskInfo": {"mountPoints": {"/": {}}}}
    info_out = host_info(info, {**machine, "memoryInfo": {"memFree": 7}, "osInfo": None})
    assert info_out["cpuInfo"] == {"modelName": "Xeon", "loadAvg": [1, 2, 3], "count": 4}
    assert info_out["memoryInfo"] == {"memFree": 7, "memTotal": 2048}
    assert info_out["diskInfo"] == {"mountPoints": {"/": {}}}
    assert info_out["osInfo"]["operatingSystem"] == "Debian"


def test_an_inactive_host_takes_no_new_containers(host: Host, lab: Environment, actor_of: Any) -> None:
    host_act(host, "deactivate", actor=actor_of("bob"))
    reconcile_until_idle()
    assert reload(host).display_state == "inactive"
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    reconcile_one("container", row.pk)
    assert "Scheduling failed" in reload(row).message
    host_act(reload(host), "activate", actor=actor_of("bob"))
    reconcile_until_idle()
    reconcile_one("container", row.pk)
    assert reload(row).display_state == "running"


def test_an_active_host_cannot_be_removed(host: Host, actor_of: Any) -> None:
    with pytest.raises(ActionNotAvailable):
        host_act(host, "remove", actor=actor_of("alice"))


def test_a_removed_host_leaves_its_containers_running(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    host_act(reload(host), "deactivate", actor=actor_of("alice"))
    reconcile_until_idle()
    host_act(reload(host), "remove", actor=actor_of("alice"))
    reconcile_until_idle()
    reconcile_one("container", Container.all_objects.get().pk)
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, Container.all_objects.get().display_state) == ("removed", "removed")
    assert [seen.state for seen in sim.containers()] == ["running"]


def test_labels_are_texts(host: Host, actor_of: Any) -> None:
    host_update(host, actor=actor_of("bob"), labels={"zone": "a"})
    assert reload(host).all_labels["zone"] == "a"
    with pytest.raises(Invalid):
        host_update(reload(host), actor=actor_of("bob"), labels={"zone": 1})
    with pytest.raises(Forbidden):
        host_update(reload(host), actor=actor_of("rex"), labels={})


def test_a_dying_environment_takes_what_corral_made_and_leaves_the_rest(
    host: Host, lab: Environment, sim: SimulatedDriver, actor_of: Any
) -> None:
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    reconcile_one("host", host.pk)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    container_create(actor=actor_of("bob"), environment=lab, config=config, name="ours")
    reconcile_until_idle()
    environment_act(lab, "remove", actor=actor_of("alice"))
    for _ in range(8):
        reconcile_one("environment", lab.pk)
        reconcile_until_idle()
        for row in Container.all_objects.filter(removed=None):
            reconcile_one("container", row.pk)
        reconcile_one("host", host.pk)
    assert (reload(lab).display_state, reload(host).display_state) == ("removed", "removed")
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
    command_info = registration_command(RegistrationToken.all_objects.get(), "http://portal:8080/v1")
    assert (
        command_info["command"].split(" ")[-1]
        == command_info["registrationUrl"]
        == f"http://portal:8080/v1/scripts/{command_info['token']}"
    )
    assert command_info["image"] in command_info["command"]
    assert len(command_info["token"].split(":")) == 3


def test_containers_that_wait_for_a_host_start_when_one_comes(
    lab: Environment, sim: SimulatedDriver, actor_of: Any, run_loop: Any
) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="early")
    reconcile_one("container", row.pk)
    reconcile_one("container", row.pk)
    assert "there is no host" in reload(row).message
    host_create(actor=None, environment=lab, url="sim://lab")
    run_loop()
    assert (reload(row).display_state, reload(row).transitioning) == ("running", "no")


def test_only_administrators_are_told_what_else_answers(lab: Environment, monkeypatch: Any, actor_of: Any) -> None:
    texts = set()
    for error in (EngineDown("connection refused"), EngineRefused("SSH-2.0-x is no HTTP"), EngineDown("timed out")):
        monkeypatch.setattr(registry, "get_driver", _raiser(error))
        with pytest.raises(Invalid, match=str(error)):
            host_create(actor=actor_of("root"), environment=lab, url="tcp://10.0.0.5:22")
        with pytest.raises(Invalid) as told:
            host_create(actor=actor_of("alice"), environment=lab, url="tcp://10.0.0.5:22")
        texts.add((told.value.status, told.value.code, told.value.field, told.value.message))
    assert len(texts) == 1


def _raiser(error: EngineError) -> Any:
    def refuse(_endpoint: Endpoint) -> None:
        raise error

    return refuse
