"""Volumes are made on the hosts that are meant, removed when nothing uses them, and pruned by who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.policy_services import policy_set
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.drivers import registry
from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.volumes.models import Volume
from apps.volumes.services import unused_volumes, volume_act, volumes_create, volumes_prune

Make = Callable[..., list[Volume]]
Find = Callable[[str], Volume]


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Make:
    """Somebody makes a volume on the host."""

    def create(name: str = "data", who: str = "bob", **given: Any) -> list[Volume]:
        rows = volumes_create(
            actor=actor_of(who), environment=lab, name=name, **{"hosts": [host], "driver": "local", **given}
        )
        run_loop()
        for row in rows:
            row.refresh_from_db()
        return rows

    return create


def test_a_volume_is_made_with_driver_options_and_labels(make: Make, sim: SimulatedDriver):
    options = {"type": "tmpfs", "device": "tmpfs"}
    (row,) = make(options={}, labels={"team": "blue"})
    assert (row.display_state, row.scope, row.on_engine) == ("inactive", "environment", True)
    found = sim.find_volume("data")
    assert found is not None
    assert found.labels["team"] == "blue"
    assert found.labels["io.corral.volume"] == str(row.uuid)
    assert row.transitioning == "no"
    assert options


def test_what_was_asked_for_is_an_operation_that_says_what_was_done(make: Make):
    (row,) = make()
    operation = Operation.all_objects.get(kind="volume", target=row.pk)
    assert (operation.name, operation.state) == ("volume.create", "succeeded")


def test_the_values_of_options_stay_out_of_the_audit_log(make: Make, lab: Environment, actor_of: Any):
    policy_set(lab, {"bindMounts": True}, actor=actor_of("root"))
    make(options={"type": "cifs", "o": "username=u,password=hunter22"})
    texts = [str(entry.request) for entry in AuditEntry.all_objects.filter(event="volume.create")]
    assert texts
    assert "hunter22" not in "".join(texts)
    assert "'o'" in texts[0] or '"o"' in texts[0]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "-data"}),
        ("name", {"name": "a/b"}),
        ("name", {"name": "../data"}),
        ("name", {"name": "x" * 256}),
        ("driver", {"driver": "no spaces"}),
        ("driverOpts", {"options": "text"}),
        ("driverOpts", {"options": {"k": "v" * 5000}}),
        ("labels", {"labels": {"io.corral.volume": "forged"}}),
        ("hostId", {"hosts": []}),
    ],
)
def test_bad_input_names_its_field_and_leaves_nothing(make: Make, field: str, given: dict[str, Any]):
    with pytest.raises(Invalid) as refused:
        make(**given)
    assert refused.value.field == field
    assert not Volume.all_objects.exists()


def test_a_name_is_once_on_a_host(make: Make, sim: SimulatedDriver, volume: Find):
    sim.create_volume("there", "local", {}, {})
    volume("there")
    with pytest.raises(Invalid, match="there is a volume there on h1 already") as refused:
        make("there")
    assert refused.value.code == "NotUnique"


def test_a_name_that_somebody_took_at_the_engine_meanwhile_is_an_error(make: Make, sim: SimulatedDriver):
    sim.create_volume("data", "local", {}, {})
    (row,) = make()
    assert row.display_state == "error"
    assert "another volume of this name" in row.message
    found = sim.find_volume("data")
    assert found is not None
    assert not found.labels


def test_what_could_not_be_made_takes_nobody_elses_volume_along(
    make: Make, sim: SimulatedDriver, actor_of: Any, run_loop: Any
):
    sim.create_volume("data", "local", {}, {})
    (row,) = make()
    volume_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "removed"
    assert sim.find_volume("data") is not None


def test_one_that_an_earlier_attempt_made_is_taken_as_it_is(
    lab: Environment, host: Host, actor_of: Any, sim: SimulatedDriver
):
    (row,) = volumes_create(actor=actor_of("bob"), environment=lab, hosts=[host], name="data")
    sim.create_volume("data", "local", {}, {"io.corral.volume": str(row.uuid)})
    reconcile_one("volume", row.pk)
    row.refresh_from_db()
    assert row.display_state == "inactive"


def test_a_volume_that_leads_to_the_host_needs_the_policy(make: Make, lab: Environment, actor_of: Any):
    policy_set(lab, {"bindFolders": ["/srv/open"]}, actor=actor_of("root"))
    bind = {"type": "none", "o": "bind", "device": "/etc"}
    with pytest.raises(Invalid, match="the host's /etc may not be mounted") as refused:
        make(options=bind)
    assert (refused.value.field, refused.value.code) == ("driverOpts", "PolicyViolation")
    assert not Volume.all_objects.exists()
    assert make(options={**bind, "device": "/srv/open/here"})[0].display_state == "inactive"


def test_a_driver_that_is_not_on_the_list_is_refused(make: Make, lab: Environment, actor_of: Any):
    policy_set(lab, {"volumeDrivers": ["nfs*"]}, actor=actor_of("root"))
    with pytest.raises(Invalid, match="is not on the list") as refused:
        make(driver="rexray")
    assert refused.value.field == "driver"


def test_a_policy_that_changed_meanwhile_counts(lab: Environment, host: Host, actor_of: Any, sim: SimulatedDriver):
    policy_set(lab, {"bindMounts": True}, actor=actor_of("root"))
    options = {"type": "none", "o": "bind", "device": "/etc"}
    (row,) = volumes_create(actor=actor_of("bob"), environment=lab, hosts=[host], name="data", options=options)
    policy_set(lab, {"bindMounts": False}, actor=actor_of("root"))
    reconcile_one("volume", row.pk)
    row.refresh_from_db()
    assert row.display_state == "error"
    assert "host policy" in row.message
    assert sim.find_volume("data") is None


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_only_look_makes_and_removes_nothing(make: Make, who: str, actor_of: Any, lab: Environment):
    (row,) = make()
    with pytest.raises(Forbidden):
        make("other", who=who)
    with pytest.raises(Forbidden):
        volume_act(row, "remove", actor=actor_of(who))
    with pytest.raises(Forbidden):
        volumes_prune(actor=actor_of(who), environment=lab, with_named=True)
    row.refresh_from_db()
    assert row.desired == "inactive"


def test_a_host_of_another_environment_is_none(make: Make, actor_of: Any, sim: SimulatedDriver):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    foreign = host_create(actor=None, environment=other, url="sim://lab2", name="foreign")
    with pytest.raises(Invalid, match="no host of this environment"):
        make(hosts=[foreign])
    registry.discard_driver(Endpoint("sim://lab2"))


def test_a_host_that_is_away_gets_it_later(make: Make, sim: SimulatedDriver):
    sim.fail_next("find_volume", EngineDown("cut off"))
    (row,) = make()
    assert row.display_state == "registering"
    assert "cut off" in row.message
    reconcile_one("volume", row.pk)
    row.refresh_from_db()
    assert row.display_state == "inactive"


def test_a_removed_volume_is_gone_with_its_files(make: Make, sim: SimulatedDriver, actor_of: Any, run_loop: Any):
    (row,) = make()
    volume_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "removed"
    assert row.removed is not None
    assert sim.find_volume("data") is None
    assert make()[0].pk != row.pk


def test_what_is_in_use_is_not_removed_and_who_uses_it_is_said(
    make: Make, mounting: Any, actor_of: Any, sim: SimulatedDriver
):
    (row,) = make()
    mounting("data:/d", name="one")
    mounting("data:/d", name="two")
    with pytest.raises(ActionNotAvailable, match="used by one, two"):
        volume_act(row, "remove", actor=actor_of("bob"))
    assert sim.find_volume("data") is not None


def test_the_buttons_know_the_users_without_asking_the_engine(make: Make, mounting: Any, volume: Find):
    make()
    for number in range(5):
        mounting("data:/d", name=f"web{number}")
    row = volume("data")
    assert "it is used by web0, web1, web2 and 2 more." in row.refusal("remove")
    assert row.refusal("purge") == ""


def test_a_user_that_the_listing_has_not_seen_go_does_not_count(
    make: Make, mounting: Any, unmount: Any, volume: Find, actor_of: Any, run_loop: Any, sim: SimulatedDriver
):
    make()
    web = mounting("data:/d")
    row = volume("data")
    assert row.users == ["web"]
    unmount(web)
    volume_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    assert sim.find_volume("data") is None


def test_one_that_came_into_use_after_the_request_stays(make: Make, mounting: Any, actor_of: Any, sim: SimulatedDriver):
    (row,) = make()
    volume_act(row, "remove", actor=actor_of("bob"))
    mounting("data:/d", name="late")
    reconcile_one("volume", row.pk)
    row.refresh_from_db()
    assert row.display_state == "error"
    assert "it is used by late." in row.message
    assert sim.find_volume("data") is not None


def test_what_the_engine_does_not_remove_is_said_in_its_words(
    make: Make, actor_of: Any, sim: SimulatedDriver, run_loop: Any
):
    (row,) = make()
    sim.fail_next("remove_volume", EngineError("the driver is broken"))
    volume_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, row.message) == ("error", "the driver is broken")
    volume_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "removed"


@pytest.fixture
def house(sim: SimulatedDriver, mounting: Any, list_now: Any) -> SimulatedDriver:
    """Three volumes that nothing mounts, one of them without a name, and one that is used."""
    sim.create_volume("small", "local", {}, {})
    sim.create_volume("large", "local", {}, {})
    sim.write_file("large", "f", b"x" * 100)
    sim.create_volume("cd" * 32, "local", {}, {})
    mounting("used:/d")
    list_now()
    return sim


def names(engine: SimulatedDriver) -> set[str]:
    return {each.name[:8] for each in engine.volumes()}


def test_the_unused_are_listed_the_largest_first(house: SimulatedDriver, lab: Environment, host: Host):
    assert [row.name[:8] for row in unused_volumes(lab.pk)] == ["large", "cdcdcdcd", "small"]
    assert [row.name[:8] for row in unused_volumes(lab.pk, host.pk)] == ["large", "cdcdcdcd", "small"]
    assert unused_volumes(lab.pk, host.pk + 1) == []


def test_pruning_takes_what_has_no_name_unless_more_is_asked_for(
    house: SimulatedDriver, lab: Environment, actor_of: Any, run_loop: Any
):
    volumes_prune(actor=actor_of("bob"), environment=lab)
    run_loop()
    assert names(house) == {"small", "large", "used"}
    volumes_prune(actor=actor_of("bob"), environment=lab, with_named=True)
    run_loop()
    assert names(house) == {"used"}


def test_pruning_takes_those_that_were_chosen_and_never_one_in_use(
    house: SimulatedDriver, lab: Environment, actor_of: Any, run_loop: Any
):
    chosen = Volume.all_objects.filter(name__in=("large", "used")).values_list("pk", flat=True)
    removed = volumes_prune(actor=actor_of("bob"), environment=lab, only=list(chosen))
    run_loop()
    assert [row.name for row in removed] == ["large"]
    assert names(house) == {"small", "cdcdcdcd", "used"}


def test_pruning_leaves_what_a_container_took_since_the_last_listing(
    house: SimulatedDriver, lab: Environment, actor_of: Any, mounting: Any, run_loop: Any
):
    mounting("small:/d", name="late")
    removed = volumes_prune(actor=actor_of("bob"), environment=lab, with_named=True)
    run_loop()
    assert "small" not in [row.name for row in removed]
    assert names(house) == {"small", "used"}


def test_pruning_many_reads_the_containers_of_a_host_once(
    house: SimulatedDriver, lab: Environment, actor_of: Any, list_now: Any, monkeypatch: pytest.MonkeyPatch
):
    for number in range(20):
        house.create_volume(f"v{number:02}", "local", {}, {})
    list_now()
    asked: list[Host] = []

    def users_on(host: Host) -> dict[str, list[str]]:
        asked.append(host)
        return {}

    monkeypatch.setattr("apps.volumes.services.users_on", users_on)
    assert len(volumes_prune(actor=actor_of("bob"), environment=lab, with_named=True)) == 23
    assert len(asked) == 1


def test_each_removal_is_in_the_audit_log(house: SimulatedDriver, lab: Environment, actor_of: Any):
    volumes_prune(actor=actor_of("bob"), environment=lab, with_named=True)
    assert AuditEntry.all_objects.filter(event="volume.remove").count() == 3
