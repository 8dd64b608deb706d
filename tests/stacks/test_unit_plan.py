"""The plan of a unit's sidekicks, whatever it starts from: one running container to a name, and the wanted end."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.stacks.sidekicks import creation_order, references
from apps.stacks.units import MemberView, UnitDemand, UnitPlan, current_of, plan_unit

NAMES = ("log", "data")
states = st.sampled_from(["creating", "starting", "running", "stopping", "stopped", "error", "removing"])
members = st.builds(
    MemberView,
    container=st.integers(1, 99),
    name=st.sampled_from([*NAMES, "gone"]),
    desired=st.sampled_from(["running", "stopped", "removed"]),
    state=states,
    is_finished=st.booleans(),
    is_outdated=st.booleans(),
)
units = st.lists(members, max_size=6, unique_by=lambda each: each.container)
demands = st.builds(
    UnitDemand,
    desired=st.sampled_from(["active", "inactive", "removed"]),
    names=st.just(NAMES),
    replaces=st.booleans(),
    keeps_previous=st.booleans(),
)


def one_to_run(unit: list[MemberView]) -> bool:
    """What every step leaves behind: of one name one container at most is to run; a job that has ended does not."""
    wanted = [each.name for each in unit if each.desired == "running" and not each.is_finished]
    return len(wanted) == len(set(wanted))


def one_is_current(unit: list[MemberView]) -> bool:
    """What every step begins with: of one name one container at most is to run or was to, until its job ended."""
    wanted = [each.name for each in unit if each.desired == "running"]
    return len(wanted) == len(set(wanted))


def step(demand: UnitDemand, unit: list[MemberView]) -> list[MemberView]:
    """The plan carried out, and everything where it is to be."""
    plan = plan_unit(demand, unit)
    words = {**dict.fromkeys(plan.stop, "stopped"), **dict.fromkeys(plan.start, "running")}
    words |= dict.fromkeys(plan.remove, "removed")
    after = [replace(each, desired=words.get(each.container, each.desired)) for each in unit]
    after += [MemberView(100 + at, name) for at, name in enumerate(plan.create)]
    return after


def settle(unit: list[MemberView]) -> list[MemberView]:
    return [replace(each, state=each.desired) for each in unit if each.desired != "removed"]


@given(demands, units)
@example(
    UnitDemand("active", NAMES, replaces=True, keeps_previous=True),
    [MemberView(1, NAMES[0], "running", "stopped", is_finished=True, is_outdated=True)],
)
def test_never_more_than_one_of_a_name_is_to_run(demand: UnitDemand, unit: list[MemberView]) -> None:
    assume(one_is_current(unit))
    assert one_to_run(step(demand, unit))


@given(demands, units)
@settings(max_examples=200)
def test_whatever_there_is_the_wanted_unit_comes_of_it(demand: UnitDemand, unit: list[MemberView]) -> None:
    assume(one_is_current(unit))
    demand = replace(demand, replaces=True)
    for round_ in range(6):
        unit = [replace(each, container=each.container + 200 * round_) for each in settle(step(demand, unit))]
    plan = plan_unit(demand, unit)
    assert not (plan.create)
    assert not (plan.start)
    assert not (plan.stop)
    assert not (plan.remove)
    assert not (plan.waiting)
    running = {each.name for each in unit if each.desired == "running"}
    ended = {each.name for each in unit if each.is_finished and not each.is_outdated}  # a job does not run again
    assert one_to_run(unit)
    assert (running | ended >= set(NAMES) >= running) if demand.desired == "active" else not running
    assert not any(each.is_outdated for each in unit if each.desired == "running")


@given(units)
def test_before_its_turn_in_an_upgrade_what_runs_is_left_alone(unit: list[MemberView]) -> None:
    assume(one_is_current(unit))
    plan = plan_unit(UnitDemand("active", NAMES, keeps_previous=True), unit)
    for name in NAMES:
        current = current_of([each for each in unit if each.name == name])
        if current is not None and current.is_outdated:
            assert current.container not in (*plan.stop, *plan.remove)
            assert name not in plan.create


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6))
def test_each_is_created_after_those_it_refers_to(graph: dict[str, list[str]]) -> None:
    configs = {
        name: LaunchConfig(data_volumes_from_launch_configs=tuple(each for each in others if each < name))
        for name, others in graph.items()
    }
    order = creation_order(configs)
    assert sorted(order) == sorted(configs)
    for at, name in enumerate(order):
        assert {each for each in references(configs[name]) if each in configs} <= set(order[:at])


LEFT_OUT = MemberView(1, "gone", serves_rollback=True)


def test_what_a_unit_is_to_do_without_runs_until_its_turn_and_is_kept_stopped_for_a_rollback() -> None:
    demand = UnitDemand("active", (), keeps_previous=True)
    assert plan_unit(demand, [LEFT_OUT]) == UnitPlan()
    assert plan_unit(replace(demand, replaces=True), [LEFT_OUT]) == UnitPlan(stop=[1])
    assert plan_unit(demand, [replace(LEFT_OUT, desired="stopped", state="stopped")]) == UnitPlan()
    ended = replace(LEFT_OUT, state="stopped", is_finished=True)
    assert plan_unit(replace(demand, replaces=True), [ended]) == UnitPlan()


def test_what_no_rollback_leads_to_goes_in_its_turn_and_at_once_where_it_does_not_run() -> None:
    demand, other = UnitDemand("active", (), keeps_previous=True), replace(LEFT_OUT, serves_rollback=False)
    assert plan_unit(demand, [other]) == UnitPlan()
    assert plan_unit(replace(demand, replaces=True), [other]) == UnitPlan(remove=[1])
    assert plan_unit(demand, [replace(other, desired="stopped", state="stopped")]) == UnitPlan(remove=[1])
    assert plan_unit(replace(demand, desired="inactive"), [other]) == UnitPlan(remove=[1])


def test_what_is_kept_starts_only_with_the_primary_that_it_worked_for() -> None:
    kept, demand = MemberView(1, "log", "stopped", "stopped"), UnitDemand("active", ("log",), awaits_primary=True)
    assert plan_unit(demand, [kept]) == UnitPlan()
    assert plan_unit(replace(demand, awaits_primary=False), [kept]) == UnitPlan(start=[1], waiting=1)
