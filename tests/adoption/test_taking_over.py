"""A stack that was imported from a Rancher server takes over the containers of it, host after host, as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.adoption.candidates import candidates_of, preview
from apps.adoption.services import adopt, give_back
from apps.containers.models import Container
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_act, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.adoption.projects import look
from tests.adoption.rancher_host import make_rancher, scales_of, states

DOCKER = """
web:
  image: bb:local
  links: [db]
  labels:
    io.rancher.sidekicks: logs
    io.rancher.scheduler.affinity:host_label: zone=a
logs:
  image: bb:local
  net: container:web
  volumes_from: [web]
db:
  image: bb:local
agent:
  image: bb:local
  labels:
    io.rancher.scheduler.global: 'true'
balancer:
  image: rancher/lb-service-haproxy
  ports: [80:80]
"""
RANCHER = """
web:
  scale: 3
  health_check:
    port: 80
    interval: 2000
    unhealthy_threshold: 3
    healthy_threshold: 2
    response_timeout: 2000
agent:
  start_on_create: false
balancer:
  lb_config:
    port_rules:
    - {source_port: 80, protocol: http, service: web, target_port: 80}
"""


@pytest.fixture
def stack(host: Host, lab: Environment, actor_of: Any, run_loop: Any) -> Stack:
    row = stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="Old",
        docker_compose=DOCKER,
        rancher_compose=RANCHER,
        external_id="rancher:5d0c7a52-0000-4000-8000-000000000001",
    )
    run_loop()
    return row


@pytest.fixture
def second_host(host: Host, lab: Environment, run_loop: Any) -> Callable[[], tuple[Host, SimulatedDriver]]:
    def join() -> tuple[Host, SimulatedDriver]:
        row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
        run_loop()
        row.refresh_from_db()
        look(row)
        return row, simulated_engine("lab2")

    return join


def first_host(sim: SimulatedDriver) -> dict[str, str]:
    """Two units of the web, the database, the agent and the old balancer."""
    made = {}
    for number in (1, 2):
        made[f"web_{number}"] = make_rancher(sim, "Old", "web", number, unit=f"u{number}")
        mode = {"NetworkMode": f"container:{made[f'web_{number}']}"}
        logs = make_rancher(sim, "Old", "web", number, sidekick="logs", unit=f"u{number}", HostConfig=mode)
        made[f"logs_{number}"] = logs
    made["db_1"] = make_rancher(sim, "Old", "db")
    made["agent_1"] = make_rancher(sim, "Old", "agent")
    made["balancer_1"] = make_rancher(sim, "Old", "balancer", labels={"io.rancher.container.agent.role": "environment"})
    return made


def slots_of(stack: Stack) -> dict[str, str]:
    rows = Slot.objects.filter(service__stack=stack)
    return {
        f"{name}_{number}": key
        for name, number, key in rows.values_list("service__name", "number", "container__external_id")
    }


def test_the_imported_stack_takes_over_what_runs_without_making_a_container(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    made = first_host(sim)
    look(host)
    before = states(sim)
    plan = preview(actor_of("bob"), host, "rancher", "Old")
    assert (plan.stack, plan.obstacles, plan.differences) == (stack.pk, (), ())
    assert [(each.name, [one.number for one in each.containers]) for each in plan.services] == [
        ("agent", [1]),
        ("db", [1]),
        ("web", [1, 2]),
        ("web-logs", [1, 2]),
    ]
    assert ["balancer" in each for each in plan.notes] == [True]
    taken = adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old", basis=plan.basis)
    for _ in range(3):
        run_loop()
        look(host)
    assert taken.pk == stack.pk
    assert states(sim) == before
    assert scales_of(stack) == {
        "web": ("active", 2),
        "db": ("active", 1),
        "agent": ("active", 1),
        "balancer": ("inactive", 1),
    }
    web = Service.all_objects.get(stack=stack, name="web")
    assert web.adopted["scale"] == 3
    sidekicks = Container.all_objects.filter(launch_name="logs", spread_key=str(web.uuid), removed=None)
    assert {row.external_id for row in sidekicks} == {made["logs_1"], made["logs_2"]}
    assert [each.project for each in candidates_of(actor_of("bob"), host.environment_id)] == ["Old"], "the balancer"


def test_host_after_host_joins_and_no_container_is_made_meanwhile(
    host: Host, sim: SimulatedDriver, stack: Stack, second_host: Any, actor_of: Any, run_loop: Any
) -> None:
    made = first_host(sim)
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    engine = simulated_engine("lab2")
    made["web_3"] = make_rancher(engine, "Old", "web", 3, unit="u3")
    made["logs_3"] = make_rancher(engine, "Old", "web", 3, sidekick="logs", unit="u3")
    made["agent_2"] = make_rancher(engine, "Old", "agent", 2)
    before = states(sim, engine)
    other, _engine = second_host()
    run_loop()
    assert states(sim, engine) == before, "the service with one for each host waits for those that are there"
    adopt(actor=actor_of("bob"), host=other, kind="rancher", project="Old")
    for _ in range(3):
        run_loop()
        look(host)
        look(other)
    assert states(sim, engine) == before
    assert slots_of(stack) == {name: key for name, key in made.items() if not name.startswith(("logs", "balancer"))}
    assert scales_of(stack) == {
        "web": ("active", 3),
        "db": ("active", 1),
        "agent": ("active", 2),
        "balancer": ("inactive", 1),
    }


def test_a_service_with_one_on_each_host_takes_one_of_each_over_and_is_kept_whatever_its_rules_say(
    host: Host, sim: SimulatedDriver, lab: Environment, actor_of: Any, run_loop: Any
) -> None:
    labels = "{io.rancher.scheduler.global: 'true', io.rancher.scheduler.affinity:host_label: zone=a}"
    file = f"agent:\n  image: bb:local\n  labels: {labels}\n"
    stack = stack_create(
        actor=actor_of("bob"), environment=lab, name="Each", docker_compose=file, external_id="rancher:1"
    )
    run_loop()
    first = make_rancher(sim, "Each", "agent")
    make_rancher(sim, "Each", "agent", 2)
    look(host)
    before = states(sim)
    plan = preview(actor_of("bob"), host, "rancher", "Each")
    assert [each.engine_id for each in plan.containers] == [first]
    assert any("one container on each host" in each for each in plan.notes)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Each")
    for _ in range(3):
        run_loop()
        look(host)
    assert states(sim) == before, "the host has no label yet"
    assert scales_of(stack) == {"agent": ("active", 1)}
    again = preview(actor_of("bob"), host, "rancher", "Each")
    assert any("on this host already" in each for each in again.notes)


def test_an_upgrade_makes_new_containers_as_the_imported_file_says(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    made = first_host(sim)
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    agent = Service.all_objects.get(stack=stack, name="agent")
    service_upgrade(agent, actor=actor_of("bob"), config=agent.config, strategy=UpgradeStrategy())
    run_loop()
    agent.refresh_from_db()
    assert agent.display_state == "upgraded"
    service_upgrade_step(agent, "finishupgrade", actor=actor_of("bob"))
    run_loop()
    new = Slot.objects.get(service=agent).container
    assert new is not None
    assert new.external_id != made["agent_1"]
    assert sim.inspect(new.external_id).state == "running"
    assert new.config.labels["io.rancher.scheduler.global"] == "true"


def test_a_taken_over_stack_is_given_back_and_can_be_adopted_again(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    first_host(sim)
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    before = states(sim)
    stack.refresh_from_db()
    give_back(stack, actor=actor_of("alice"))
    run_loop()
    look(host)
    run_loop()
    assert states(sim) == before
    assert not Stack.all_objects.filter(name="Old", removed=None).exists()
    (again,) = candidates_of(actor_of("bob"), host.environment_id)
    assert (again.kind, again.project, len(again.containers)) == ("rancher", "Old", 7)


def test_giving_back_is_refused_while_a_service_has_containers_of_its_own(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    first_host(sim)
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    service_act(Service.all_objects.get(stack=stack, name="balancer"), "activate", actor=actor_of("bob"))
    run_loop()
    stack.refresh_from_db()
    with pytest.raises(ActionNotAvailable, match="balancer was made here"):
        give_back(stack, actor=actor_of("alice"))


def test_what_does_not_run_beside_others_is_left_as_it_is(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    made = first_host(sim)
    sim.stop(made["web_2"])
    sim.stop(made["logs_1"])
    look(host)
    before = states(sim)
    plan = preview(actor_of("bob"), host, "rancher", "Old")
    assert any("Old-web-2" in each and "does not run" in each for each in plan.notes)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    look(host)
    assert states(sim)[made["web_2"]] == before[made["web_2"]]
    assert "web_2" not in slots_of(stack)


def test_a_sidekick_that_has_done_its_job_is_not_run_again(
    host: Host, sim: SimulatedDriver, lab: Environment, actor_of: Any, run_loop: Any
) -> None:
    once = "    labels: {io.rancher.container.start_once: 'true'}\n"
    file = "app:\n  image: bb:local\n  labels: {io.rancher.sidekicks: data}\ndata:\n  image: bb:local\n"
    stack = stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="Once",
        docker_compose=file + once.replace("    ", "  "),
        external_id="rancher:1",
    )
    run_loop()
    make_rancher(sim, "Once", "app", unit="u1")
    sim.stop(make_rancher(sim, "Once", "app", sidekick="data", unit="u1"))
    look(host)
    before = states(sim)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Once")
    for _ in range(3):
        run_loop()
        look(host)
    assert states(sim) == before
    assert scales_of(stack) == {"app": ("active", 1)}


def test_a_service_that_is_stopped_there_stays_stopped(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    made = make_rancher(sim, "Old", "db", start=False)
    look(host)
    before = states(sim)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    look(host)
    assert states(sim) == before
    database = Service.all_objects.get(stack=stack, name="db")
    assert database.display_state == "inactive"
    service_act(database, "activate", actor=actor_of("bob"))
    run_loop()
    assert sim.inspect(made).state == "running"


def test_a_service_is_scaled_further_with_what_the_file_says(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, run_loop: Any
) -> None:
    made = make_rancher(sim, "Old", "db")
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    service_update(Service.all_objects.get(stack=stack, name="db"), actor=actor_of("bob"), scale=2)
    run_loop()
    assert sim.inspect("Old_db_2").state == "running"
    assert slots_of(stack)["db_1"] == made


def test_who_may_not_change_the_environment_takes_nothing_over(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any
) -> None:
    make_rancher(sim, "Old", "db")
    look(host)
    with pytest.raises(Forbidden):
        adopt(actor=actor_of("rita"), host=host, kind="rancher", project="Old")
    plan = preview(actor_of("bob"), host, "rancher", "Old")
    make_rancher(sim, "Old", "web", unit="u1")
    look(host)
    with pytest.raises(Conflict):
        adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old", basis=plan.basis)
    with pytest.raises(Invalid, match="leave the name out"):
        adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old", name="Other")
    assert slots_of(stack) == {}


def test_a_process_that_dies_half_way_has_taken_nothing_over(
    host: Host, sim: SimulatedDriver, stack: Stack, actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_host(sim)
    look(host)
    before = states(sim)
    for step in ("_take", "note_on"):
        with monkeypatch.context() as patched:
            patched.setattr(f"apps.adoption.taking_over.{step}", _die)
            with pytest.raises(KeyboardInterrupt):
                adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
        assert slots_of(stack) == {}
        assert not Stack.all_objects.get(pk=stack.pk).adopted
    assert states(sim) == before


def _die(*_args: Any, **_more: Any) -> None:
    raise KeyboardInterrupt
