"""Compose projects become stacks as they are, and are given back, on the engine in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.adoption.candidates import candidates_of, preview
from apps.adoption.compose_file import compose_file
from apps.adoption.services import adopt, give_back
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden, Invalid, NotFound
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_act, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.adoption.projects import look, make, make_shop


@pytest.fixture
def shop(host: Host, sim: SimulatedDriver) -> dict[str, str]:
    made = make_shop(sim)
    look(host)
    return made


def states(sim: SimulatedDriver) -> dict[str, tuple[str, str, str]]:
    """Everything on the engine that adoption must leave alone."""
    return {
        each.id: (each.name, each.state, each.started_at) for each in map(sim.inspect, [c.id for c in sim.containers()])
    }


def test_projects_are_found_by_their_labels(host: Host, sim: SimulatedDriver, shop: Any, actor_of: Any) -> None:
    make(sim, "blog", "web", version="2.24.5")
    look(host)
    found = candidates_of(actor_of("rita"), host.environment_id)
    assert [(each.kind, each.project, sorted(each.services), each.running) for each in found] == [
        ("compose", "blog", ["web"], 1),
        ("compose", "shop", ["cache", "db", "job", "web"], 4),
    ]
    assert candidates_of(actor_of("mallory"), host.environment_id) == []


def test_a_project_is_adopted_without_touching_a_container(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    before = states(sim)
    plan = preview(actor_of("bob"), host, "compose", "shop")
    assert (plan.obstacles, plan.differences) == ((), ())
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop", basis=plan.basis)
    run_loop()
    for _ in range(3):
        look(host)
    assert states(sim) == before
    stack.refresh_from_db()
    assert (stack.name, stack.display_state) == ("shop", "active")
    services = {row.name: row for row in Service.all_objects.filter(stack=stack)}
    assert {name: (row.display_state, row.scale) for name, row in services.items()} == {
        "web": ("active", 1),
        "db": ("active", 1),
        "cache": ("active", 2),
        "job": ("inactive", 1),
    }
    slots = Slot.objects.values_list("service__name", "number", "container__external_id")
    ids = {f"{name}_{number}": key for name, number, key in slots}
    assert ids == shop
    assert Container.all_objects.filter(removed=None).count() == 5
    entry = AuditEntry.all_objects.get(event="stack.create")
    assert entry.request["project"] == "shop"


def test_a_project_of_the_second_generation_too(host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Any) -> None:
    make_shop(sim, "2.24.5")
    look(host)
    before = states(sim)
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    assert states(sim) == before
    service_update(Service.all_objects.get(stack=stack, name="cache"), actor=actor_of("bob"), scale=3)
    run_loop()
    made = sim.inspect("shop-cache-3")
    assert (made.state, made.labels["com.docker.compose.container-number"]) == ("running", "3")
    assert "com.docker.compose.image" not in made.labels


def test_what_is_made_later_is_in_the_projects_network_with_its_labels(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    service_update(Service.all_objects.get(stack=stack, name="cache"), actor=actor_of("bob"), scale=3)
    run_loop()
    made = sim.inspect("shop_cache_3")
    assert list(made.networks) == ["shop_default"]
    endpoint = made.raw["NetworkSettings"]["Networks"]["shop_default"]
    assert {"cache", "shop_cache_3"} <= set(endpoint["Aliases"])
    labels = {name: value for name, value in made.labels.items() if name.startswith("com.docker.compose.")}
    old = sim.inspect(shop["cache_1"]).labels
    assert labels == {
        **{name: value for name, value in old.items() if name.startswith("com.docker.compose.")},
        "com.docker.compose.container-number": "3",
    }
    assert {sim.inspect(shop[key]).id for key in shop} == set(shop.values())


def test_it_can_be_stopped_and_started(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    web = Service.all_objects.get(stack=stack, name="web")
    service_act(web, "deactivate", actor=actor_of("bob"))
    run_loop()
    assert sim.inspect(shop["web_1"]).state == "exited"
    web.refresh_from_db()
    service_act(web, "activate", actor=actor_of("bob"))
    run_loop()
    assert sim.inspect(shop["web_1"]).state == "running"


def test_it_is_given_back_as_it_is(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    service_update(Service.all_objects.get(stack=stack, name="cache"), actor=actor_of("bob"), scale=3)
    run_loop()
    before = states(sim)
    stack.refresh_from_db()
    give_back(stack, actor=actor_of("alice"))
    run_loop()
    for _ in range(3):
        look(host)
    assert states(sim) == before
    assert not Service.all_objects.filter(removed=None).exists()
    assert not Stack.all_objects.filter(removed=None).exists()
    rows = Container.all_objects.filter(removed=None)
    assert {row.external_id for row in rows} == set(before)
    assert not rows.exclude(native=True, keep_running=False, spread_key="").exists()
    found = candidates_of(actor_of("bob"), host.environment_id)
    assert [(each.project, len(each.containers)) for each in found] == [("shop", 6)]
    again = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop", name="again")
    run_loop()
    assert states(sim) == before
    assert Service.all_objects.get(stack=again, name="cache").scale == 3


@pytest.mark.parametrize("policy", ["no", "always"])
@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "unseen"])
def test_one_that_was_killed_is_given_back_as_it_is(
    host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Any, policy: str, *, is_seen: bool
) -> None:
    """Corral keeps what has ended stopped with the policy `no`, and starts it with `always`; both only while it may."""
    runs = make(sim, "shop", "db")
    killed = make(sim, "shop", "web", HostConfig={"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}})
    look(host)
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    stack.refresh_from_db()
    sim.kill(killed)
    if is_seen:
        look(host)
        run_loop()
    expected = {runs: "running", killed: "running" if is_seen and policy == "always" else "exited"}
    before, starts = states(sim), sim.calls["start"]
    give_back(stack, actor=actor_of("alice"))
    run_loop()
    for _ in range(3):
        look(host)
    assert (states(sim), sim.calls["start"], sim.calls["restart"]) == (before, starts, 0)
    assert {key: state for key, (_name, state, _since) in before.items()} == expected
    rows = Container.all_objects.filter(removed=None)
    shown = {key: "running" if state == "running" else "stopped" for key, state in expected.items()}
    assert dict(rows.values_list("external_id", "display_state")) == shown
    if is_seen:
        assert dict(rows.values_list("external_id", "desired")) == shown
    row = rows.get(external_id=killed)
    if row.display_state == "stopped":  # whoever wants it to run starts it
        container_act(row, "start", actor=actor_of("bob"))
        run_loop()
    assert sim.inspect(killed).state == "running"


def test_it_is_upgraded_and_rolled_back(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    db = Service.all_objects.get(stack=stack, name="db")
    service_upgrade(
        db, actor=actor_of("bob"), config=replace(db.config, environment={"LEVEL": "2"}), strategy=UpgradeStrategy()
    )
    run_loop()
    made = Slot.objects.get(service=db).container
    assert made is not None
    seen = sim.inspect(made.external_id)
    assert (seen.id != shop["db_1"], seen.state, list(seen.networks)) == (True, "running", ["shop_default"])
    assert [(each.name, each.target) for each in seen.mounts] == [("shop_data", "/var/lib/db")]
    assert sim.inspect(shop["db_1"]).state == "exited"
    db.refresh_from_db()
    with pytest.raises(ActionNotAvailable, match="upgraded"):
        give_back(Stack.all_objects.get(pk=stack.pk), actor=actor_of("alice"))
    service_upgrade_step(db, "rollback", actor=actor_of("bob"))
    run_loop()
    assert (sim.inspect(shop["db_1"]).state, [c.id for c in sim.containers() if c.id == seen.id]) == ("running", [])
    db.refresh_from_db()
    assert db.display_state == "active"
    give_back(Stack.all_objects.get(pk=stack.pk), actor=actor_of("alice"))
    run_loop()
    assert sim.inspect(shop["db_1"]).state == "running"


def test_only_what_was_adopted_is_given_back(host: Host, actor_of: Any, run_loop: Any) -> None:
    made = stack_create(actor=actor_of("alice"), environment=host.environment, name="own")
    run_loop()
    made.refresh_from_db()
    with pytest.raises(ActionNotAvailable, match="made here"):
        give_back(made, actor=actor_of("alice"))


def test_who_may_not_create_stacks_may_not_adopt(host: Host, shop: Any, actor_of: Any) -> None:
    for who in ("rita", "mallory"):
        with pytest.raises(Forbidden):
            preview(actor_of(who), host, "compose", "shop")
        with pytest.raises(Forbidden):
            adopt(actor=actor_of(who), host=host, kind="compose", project="shop")
    with pytest.raises(NotFound):
        adopt(actor=actor_of("bob"), host=host, kind="compose", project="nothing")
    assert not Stack.all_objects.exists()


def test_what_has_changed_since_the_preview_is_refused(
    host: Host, sim: SimulatedDriver, shop: Any, actor_of: Any
) -> None:
    basis = preview(actor_of("bob"), host, "compose", "shop").basis
    make(sim, "shop", "cache", 3)
    look(host)
    with pytest.raises(Conflict):
        adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop", basis=basis)
    assert not Stack.all_objects.exists()


def test_the_host_policy_counts(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    make(sim, "root", "shell", HostConfig={"Privileged": True})
    look(host)
    plan = preview(actor_of("bob"), host, "compose", "root")
    assert "privileged" in plan.obstacles[0]
    with pytest.raises(Invalid):
        adopt(actor=actor_of("bob"), host=host, kind="compose", project="root")
    assert not Stack.all_objects.exists()
    assert not Service.all_objects.exists()


def test_the_file_of_what_runs(host: Host, shop: Any, actor_of: Any) -> None:
    text = compose_file(preview(actor_of("bob"), host, "compose", "shop"))
    assert "shop_default:\n    external: true" in text
    assert "aliases:" in text
    assert "data:/var/lib/db" in text


def test_reconciling_a_host_afterwards_queues_nothing_for_ever(
    host: Host, shop: Any, actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    generations = dict(Container.all_objects.values_list("pk", "generation"))
    for row in Service.all_objects.filter(stack=stack):
        reconcile_one("service", row.pk)
    run_loop()
    assert dict(Container.all_objects.values_list("pk", "generation")) == generations


def test_a_container_in_two_networks_is_made_in_both(
    host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Any
) -> None:
    sim.ensure_network("back", {})
    sim.connect_network("back", make(sim, "shop", "web"), ["inner"])
    look(host)
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    service_update(Service.all_objects.get(stack=stack), actor=actor_of("bob"), scale=2)
    run_loop()
    made = sim.inspect("shop_web_2")
    assert (made.state, sorted(made.networks)) == ("running", ["back", "shop_default"])
    assert {"inner", "web"} <= set(made.raw["NetworkSettings"]["Networks"]["back"]["Aliases"])


def test_one_that_vanishes_is_made_again_in_its_place(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any
) -> None:
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    sim.remove(shop["web_1"])
    look(host)
    run_loop()
    made = sim.inspect("shop_web_1")
    assert (made.state, list(made.networks), made.ports[0].public) == ("running", ["shop_default"], 8080)
    assert made.labels["com.docker.compose.service"] == "web"
    assert Service.all_objects.get(stack=stack, name="web").display_state == "active"


def test_a_process_that_dies_half_way_leaves_nothing(
    host: Host, sim: SimulatedDriver, shop: dict[str, str], actor_of: Any, run_loop: Any, monkeypatch: Any
) -> None:
    before = states(sim)
    for step in ("_take_over", "_create_links", "save_stack_revision", "note_on"):
        with monkeypatch.context() as patched:
            patched.setattr(f"apps.adoption.services.{step}", _die)
            with pytest.raises(KeyboardInterrupt):
                adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
        assert (Stack.all_objects.count(), Service.all_objects.count(), Slot.objects.count()) == (0, 0, 0)
        assert not Container.all_objects.exclude(native=True, keep_running=False, spread_key="").exists()
    stack = adopt(actor=actor_of("bob"), host=host, kind="compose", project="shop")
    run_loop()
    row = Stack.all_objects.get(pk=stack.pk)
    with monkeypatch.context() as patched:
        patched.setattr("apps.adoption.services._released_columns", _die)
        with pytest.raises(KeyboardInterrupt):
            give_back(row, actor=actor_of("alice"))
    assert Stack.all_objects.get(pk=stack.pk).desired == "active"
    assert Slot.objects.count() == 5
    assert states(sim) == before


def _die(*_args: Any, **_more: Any) -> None:
    raise KeyboardInterrupt


def test_a_stack_of_ranchers_and_a_single_container(
    host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Any
) -> None:
    labels = {
        "io.rancher.stack.name": "Old",
        "io.rancher.stack_service.name": "Old/web",
        "io.rancher.container.uuid": "6a1b2c3d-0000-4000-8000-000000000000",
        "io.rancher.container.name": "Old-web-2",
        "io.rancher.scheduler.affinity:host_label": "a=b",
    }
    sim.start(sim.create(CreateRequest("r-Old-web-2-0a1b2c3d", {"Image": "bb:local", "Labels": labels})))
    sim.start(sim.create(CreateRequest("lone_wolf", {"Image": "bb:local"})))
    look(host)
    before = states(sim)
    found = candidates_of(actor_of("bob"), host.environment_id)
    assert [(each.kind, each.project) for each in found] == [("rancher", "Old"), ("container", "lone_wolf")]
    (difference,) = preview(actor_of("bob"), host, "rancher", "Old").differences
    assert difference.field == "Labels io.rancher.scheduler.affinity:host_label"
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    lone = adopt(actor=actor_of("bob"), host=host, kind="container", project="lone_wolf")
    run_loop()
    assert states(sim) == before
    assert lone.name == "lone-wolf"
    assert [(slot.service.name, slot.number) for slot in Slot.objects.order_by("pk")] == [("web", 2), ("lone-wolf", 1)]
