"""What holds of every placement, whatever is asked of whichever hosts."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.hosts.affinity import PREFIX, parse_rules
from apps.hosts.fleet import ACCEPTING, Fleet, HostView
from apps.hosts.placement import (
    Placed,
    PlacementRequirements,
    Unplaced,
    choose_host,
    find_refusals,
    rank,
)
from apps.hosts.placement_trace import MAX_GROUPS, MAX_NAMED_HOSTS, MAX_NAMES

AFFINITY = f"{PREFIX}host_label"
ADDRESSES = st.sampled_from(["", "0.0.0.0", "::", "10.0.0.1", "10.0.0.2"])  # noqa: S104
PORTS = st.frozensets(st.tuples(ADDRESSES, st.integers(80, 83), st.sampled_from(["tcp", "udp"])), max_size=4)
LABELS = st.dictionaries(st.sampled_from(["zone", "disk", "gpu"]), st.sampled_from(["a", "b", ""]), max_size=3)
PAIRS = ["zone=a", "zone=b", "disk", "gpu=", " disk = a "]
RULES = st.lists(st.sampled_from(PAIRS), max_size=2).map(",".join)
STATES = st.sampled_from(["active", "updating-active", "inactive", "reconnecting", "evacuating"])
VIEWS = st.builds(HostView, st.integers(1, 8), st.just("h"), STATES, LABELS, PORTS, st.integers(0, 5))
FLEETS = st.lists(VIEWS, unique_by=lambda view: view.id, max_size=8)
DEMANDS = st.builds(
    PlacementRequirements,
    PORTS,
    st.none() | st.integers(1, 9),
    st.dictionaries(st.sampled_from([AFFINITY + kind for kind in ("", "_ne", "_soft", "_soft_ne")]), RULES),
    st.frozensets(st.integers(1, 8), max_size=3),
    st.dictionaries(st.integers(1, 8), st.integers(0, 4)),
)
PREFERENCES = st.builds(
    PlacementRequirements,
    ports=st.just(frozenset()),
    labels=st.dictionaries(st.sampled_from([f"{AFFINITY}_soft", f"{AFFINITY}_soft_ne"]), RULES),
    avoid=st.frozensets(st.integers(1, 8)),
    spread=st.dictionaries(st.integers(1, 8), st.integers(0, 4)),
)


def refusals(demand: PlacementRequirements, view: HostView) -> list[str]:
    found = find_refusals(demand, Fleet([view]), parse_rules(demand.labels))
    return [why for why, ids in found if view.id in ids]


@given(DEMANDS, FLEETS)
def test_each_host_is_in_one_line_and_exactly_one_is_chosen_of_a_placement(
    demand: PlacementRequirements, fleet: list[HostView]
) -> None:
    answer = choose_host(demand, fleet)
    counts = dict.fromkeys(("chosen", "possible", "refused"), 0)
    for line in answer.trace:
        counts[line["verdict"]] += line["count"]
    assert sum(counts.values()) == len(fleet)
    assert counts["chosen"] == isinstance(answer, Placed)
    assert isinstance(answer, Placed) or not counts["possible"]


@given(DEMANDS, FLEETS)
def test_the_trace_s_reasons_are_the_conditions_words(demand: PlacementRequirements, fleet: list[HostView]) -> None:
    named = [replace(view, name=f"h{view.id}") for view in fleet]
    by_name = {view.name: view for view in named}
    for line in choose_host(demand, named).trace:
        assert line["reasons"]
        for name in line["hosts"]:
            why = refusals(demand, by_name[name])
            assert (line["verdict"] == "refused") is bool(why)
            assert not why or line["reasons"] == why


def test_the_trace_of_a_thousand_hosts_is_short() -> None:
    fleet = [HostView(n, f"n{n}", ("active", "inactive")[n % 2], {"rack": str(n)}) for n in range(1000)]
    wanted = ",".join(f"rack={n}" for n in range(50))
    trace = choose_host(PlacementRequirements(labels={AFFINITY: wanted}), fleet).trace
    assert len(trace) <= MAX_GROUPS + 1
    assert max(len(line["hosts"]) for line in trace) <= MAX_NAMES
    assert sum(line["count"] for line in trace) == 1000
    assert len(json.dumps(trace)) < 20_000


@given(DEMANDS, FLEETS)
def test_what_is_refused_everywhere_is_reported_and_no_reason_twice(
    demand: PlacementRequirements, fleet: list[HostView]
) -> None:
    answer = choose_host(demand, fleet)
    if isinstance(answer, Unplaced):
        assert answer.reasons
        assert len(set(answer.reasons)) == len(answer.reasons)
        assert all(reason == reason.strip() != "" for reason in answer.reasons)


@given(PREFERENCES, FLEETS)
def test_preferences_alone_never_refuse(demand: PlacementRequirements, fleet: list[HostView]) -> None:
    working = [view for view in fleet if view.state in ACCEPTING]
    assert isinstance(choose_host(demand, fleet), Placed) is bool(working)


@given(DEMANDS, FLEETS)
def test_asking_for_the_chosen_host_gives_it_again(demand: PlacementRequirements, fleet: list[HostView]) -> None:
    answer = choose_host(demand, fleet)
    if isinstance(answer, Unplaced):
        return
    second_answer = choose_host(replace(demand, requested_host_id=answer.host_id), fleet)
    assert isinstance(second_answer, Placed)
    assert second_answer.host_id == answer.host_id


@given(DEMANDS, FLEETS)
def test_the_others_going_away_changes_nothing(demand: PlacementRequirements, fleet: list[HostView]) -> None:
    answer = choose_host(demand, fleet)
    if isinstance(answer, Unplaced):
        return
    alone = choose_host(demand, [view for view in fleet if view.id == answer.host_id])
    assert isinstance(alone, Placed)


@given(DEMANDS, FLEETS)
def test_no_host_is_chosen_for_being_busier(demand: PlacementRequirements, fleet: list[HostView]) -> None:
    answer = choose_host(demand, fleet)
    if isinstance(answer, Unplaced):
        return
    others = [view if view.id == answer.host_id else replace(view, containers=view.containers + 9) for view in fleet]
    second_answer = choose_host(demand, others)
    assert isinstance(second_answer, Placed)
    assert second_answer.host_id == answer.host_id


@given(DEMANDS, VIEWS)
def test_giving_the_ports_away_makes_a_host_unfit(demand: PlacementRequirements, view: HostView) -> None:
    assume(demand.ports)
    taken = replace(view, ports_used=view.ports_used | demand.ports)
    assert any("is in use" in why for why in refusals(demand, taken))
    assert not any("is in use" in why for why in refusals(replace(demand, ports=frozenset()), taken))


@given(PORTS, PORTS)
def test_clashing_is_mutual(some: frozenset[tuple[str, int, str]], others: frozenset[tuple[str, int, str]]) -> None:
    one = bool(refusals(PlacementRequirements(ports=some), HostView(1, "h", ports_used=others)))
    two = bool(refusals(PlacementRequirements(ports=others), HostView(1, "h", ports_used=some)))
    assert one == two


@given(st.sampled_from(PAIRS), LABELS)
def test_a_label_is_either_wanted_or_not(rule: str, labels: dict[str, str]) -> None:
    """A rule of one pair is kept by exactly those hosts that break its opposite."""
    view = HostView(1, "h", labels=labels)
    wanted = refusals(PlacementRequirements(labels={AFFINITY: rule}), view)
    unwanted = refusals(PlacementRequirements(labels={f"{AFFINITY}_ne": rule}), view)
    assert bool(wanted) is not bool(unwanted)


@given(RULES, LABELS)
def test_a_soft_rule_costs_a_place_for_each_reason_of_the_hard_one(rule: str, labels: dict[str, str]) -> None:
    view = HostView(1, "h", labels=labels)
    hard = refusals(PlacementRequirements(labels={AFFINITY: rule}), view)
    broken = rank(PlacementRequirements(labels={f"{AFFINITY}_soft": rule}), view.id, Fleet([view]))[0]
    assert broken == len(hard)


@pytest.mark.parametrize(
    ("value", "rule", "matches"),
    [
        pytest.param("true", "gpu=true", True, id="same text"),
        pytest.param(True, "gpu=True", True, id="a value that is no text counts as its text"),
        pytest.param(4, "gpu=4", True, id="number"),
        pytest.param("", "gpu=", True, id="empty value asked for and there"),
        pytest.param("x", "gpu=", False, id="empty value asked for, another there"),
        pytest.param("a=b", "gpu=a=b", True, id="an equals sign within the value"),
        pytest.param("True", "gpu=true", False, id="case counts"),
    ],
)
def test_values_are_compared_as_texts(value: object, rule: str, matches: bool) -> None:
    view = HostView(1, "h", labels={"gpu": value})  # type: ignore[dict-item]
    assert (not refusals(PlacementRequirements(labels={AFFINITY: rule}), view)) is matches


def test_every_broken_rule_is_named() -> None:
    demand = PlacementRequirements(labels={AFFINITY: "disk=ssd,zone", f"{AFFINITY}_ne": "old"})
    why = refusals(demand, HostView(1, "h", labels={"old": "yes"}))
    assert why == ["the label disk=ssd is missing", "the label zone is missing", "the label old is not wanted"]


@pytest.mark.parametrize("count", [1, MAX_NAMED_HOSTS, MAX_NAMED_HOSTS + 1, MAX_NAMED_HOSTS + 20])
def test_a_reason_names_a_few_hosts_and_counts_the_rest(count: int) -> None:
    answer = choose_host(PlacementRequirements(), [HostView(n, f"n{n}", "inactive") for n in range(1, count + 1)])
    assert isinstance(answer, Unplaced)
    (reason,) = answer.reasons
    assert len(re.findall(r"\bn\d+", reason)) == min(count, MAX_NAMED_HOSTS)
    assert reason.endswith(f" and {count - MAX_NAMED_HOSTS} more)") is (count > MAX_NAMED_HOSTS)


def test_equally_common_reasons_come_in_the_alphabet_s_order() -> None:
    full = HostView(1, "full", ports_used=frozenset({("", 80, "tcp")}))
    idle = HostView(2, "idle", "inactive")
    answer = choose_host(PlacementRequirements(ports=frozenset({("", 80, "tcp")})), [full, idle])
    assert isinstance(answer, Unplaced)
    assert answer.reasons == ("port 80/tcp is in use (full)", "the host is inactive (idle)")


def test_a_host_with_two_reasons_is_named_with_both() -> None:
    bad = HostView(1, "bad", "inactive", ports_used=frozenset({("", 80, "tcp")}))
    answer = choose_host(PlacementRequirements(ports=frozenset({("", 80, "tcp")})), [bad])
    assert isinstance(answer, Unplaced)
    assert answer.reasons == ("port 80/tcp is in use (bad)", "the host is inactive (bad)")


@pytest.mark.parametrize(("requested_id", "fits"), [(None, True), (4, True), (5, False), (0, False)])
def test_only_the_one_asked_for_will_do(requested_id: int | None, fits: bool) -> None:
    assert (not refusals(PlacementRequirements(requested_host_id=requested_id), HostView(4, "h"))) is fits


def test_ports_on_one_line_are_sorted_and_named_once() -> None:
    wanted = frozenset({("10.0.0.1", 90, "udp"), ("10.0.0.2", 90, "udp"), ("", 80, "tcp")})
    why = refusals(PlacementRequirements(ports=wanted), HostView(1, "h", ports_used=wanted))
    assert why == ["port 80/tcp, 90/udp is in use"]


RANKED = [
    pytest.param({"labels": {f"{AFFINITY}_soft": "ssd"}}, {"avoid": frozenset({2})}, id="soft rules before avoiding"),
    pytest.param({"avoid": frozenset({1})}, {"spread": {2: 9}}, id="avoiding before spreading"),
]


@pytest.mark.parametrize(("against_first", "against_second"), RANKED)
def test_preferences_have_an_order(against_first: dict[str, object], against_second: dict[str, object]) -> None:
    """Host 1 breaks the stronger preference, host 2 the weaker: host 2 is chosen."""
    labels = {"ssd": "1"} if "labels" in against_first else {}
    hosts = [HostView(1, "one"), HostView(2, "two", labels=labels)]
    answer = choose_host(PlacementRequirements(**{**against_first, **against_second}), hosts)  # type: ignore[arg-type]
    assert isinstance(answer, Placed)
    assert answer.host_id == 2
