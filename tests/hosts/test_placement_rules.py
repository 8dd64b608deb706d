"""Each filter says yes or why not, and the best host is found without chance."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.hosts.affinity import PREFIX
from apps.hosts.fleet import Fleet, HostView
from apps.hosts.placement import (
    Placed,
    PlacementRequirements,
    Unplaced,
    choose_host,
    rank,
)

AFFINITY = f"{PREFIX}host_label"


def host(number: int, **fields: Any) -> HostView:
    return HostView(number, f"host-{number}", **fields)


def refusal(demand: PlacementRequirements, *hosts: HostView) -> tuple[str, ...]:
    answer = choose_host(demand, hosts)
    assert isinstance(answer, Unplaced)
    return answer.reasons


def choice(demand: PlacementRequirements, *hosts: HostView) -> int:
    answer = choose_host(demand, hosts)
    assert isinstance(answer, Placed)
    return answer.host_id


def test_without_hosts_the_remedy_is_reported() -> None:
    assert refusal(PlacementRequirements()) == ("there is no host; add one",)


def test_the_one_host_is_chosen() -> None:
    assert choice(PlacementRequirements(), host(7)) == 7


@pytest.mark.parametrize("state", ["active", "updating-active"])
def test_a_host_at_work_takes_containers(state: str) -> None:
    assert choice(PlacementRequirements(), host(1, state=state)) == 1


@pytest.mark.parametrize("state", ["inactive", "reconnecting", "removing", ""])
def test_a_host_not_at_work_takes_none(state: str) -> None:
    assert refusal(PlacementRequirements(), host(1, state=state)) == (f"the host is {state} (host-1)",)


def test_a_requested_host_is_the_only_choice() -> None:
    assert choice(PlacementRequirements(requested_host_id=2), host(1), host(2, containers=50)) == 2


def test_a_requested_host_that_will_not_do_is_the_only_reason() -> None:
    demand = PlacementRequirements(requested_host_id=2)
    assert refusal(demand, host(1), host(2, state="inactive")) == ("the host is inactive (host-2)",)


def test_a_requested_host_that_is_not_there_is_said() -> None:
    assert refusal(PlacementRequirements(requested_host_id=9), host(1)) == ("the requested host is gone",)


@pytest.mark.parametrize(
    ("wanted", "used", "free"),
    [
        (("", 80, "tcp"), ("", 80, "tcp"), False),
        (("", 80, "tcp"), ("", 81, "tcp"), True),
        (("", 80, "tcp"), ("", 80, "udp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.2", 80, "tcp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.1", 80, "tcp"), False),
        (("10.0.0.1", 80, "tcp"), ("", 80, "tcp"), False),
        (("", 80, "tcp"), ("10.0.0.1", 80, "tcp"), False),
        (("::", 80, "tcp"), ("10.0.0.1", 80, "tcp"), False),
    ],
)
def test_a_port_is_given_once(wanted: tuple[str, int, str], used: tuple[str, int, str], free: bool) -> None:
    demand = PlacementRequirements(ports=frozenset({wanted}))
    answer = choose_host(demand, [host(1, ports_used=frozenset({used}))])
    assert isinstance(answer, Placed) == free
    if isinstance(answer, Unplaced):
        assert answer.reasons == ("port 80/tcp is in use (host-1)",)


def test_a_taken_port_sends_the_container_elsewhere() -> None:
    demand = PlacementRequirements(ports=frozenset({("", 80, "tcp")}))
    assert choice(demand, host(1, ports_used=frozenset({("", 80, "tcp")})), host(2, containers=9)) == 2


LABELS = {"disk": "ssd", "zone": "a"}


@pytest.mark.parametrize(
    ("kind", "rule", "why"),
    [
        ("", "disk=ssd", None),
        ("", "disk=ssd, zone=a", None),
        ("", "disk", None),
        ("", "", None),
        ("", ", =x", None),
        ("", "disk=hdd", "the label disk=hdd is missing"),
        ("", "disk=ssd,zone=b", "the label zone=b is missing"),
        ("", "gpu", "the label gpu is missing"),
        ("_ne", "disk=hdd", None),
        ("_ne", "disk=ssd", "the label disk=ssd is not wanted"),
        ("_ne", "gpu=1,zone", "the label zone is not wanted"),
        ("_soft", "disk=hdd", None),
        ("_soft_ne", "disk=ssd", None),
    ],
)
def test_hard_rules_about_labels_are_kept(kind: str, rule: str, why: str | None) -> None:
    answer = choose_host(PlacementRequirements(labels={AFFINITY + kind: rule}), [host(1, labels=LABELS)])
    if why is None:
        assert isinstance(answer, Placed)
    else:
        assert isinstance(answer, Unplaced)
        assert answer.reasons == (f"{why} (host-1)",)


def test_a_soft_rule_prefers_and_does_not_insist() -> None:
    demand = PlacementRequirements(labels={f"{AFFINITY}_soft": "disk=ssd", f"{AFFINITY}_soft_ne": "zone=a"})
    plain, half, right = host(1), host(2, labels=LABELS, containers=5), host(3, labels={"disk": "ssd"}, containers=9)
    assert choice(demand, plain, half, right) == 3
    assert choice(demand, plain, half) == 1


def test_a_replacement_goes_to_another_host_where_there_is_one() -> None:
    demand = PlacementRequirements(avoid=frozenset({1}))
    assert choice(demand, host(1), host(2, containers=9)) == 2
    assert choice(demand, host(1)) == 1


def test_the_ranking_spreads_a_service_then_the_load_then_takes_the_oldest() -> None:
    demand = PlacementRequirements(spread={1: 2, 2: 1, 3: 1})
    assert choice(demand, host(1), host(2, containers=4), host(3, containers=3)) == 3
    assert choice(PlacementRequirements(), host(2), host(1)) == 1


def test_reasons_are_grouped_and_counted() -> None:
    hosts = [host(number, state="inactive") for number in range(1, 9)]
    taken = host(9, ports_used=frozenset({("", 1, "tcp"), ("", 2, "udp")}))
    demand = PlacementRequirements(ports=frozenset({("", 1, "tcp"), ("", 2, "udp")}))
    assert refusal(demand, *hosts, taken) == (
        "the host is inactive (host-1, host-2, host-3, host-4, host-5 and 3 more)",
        "port 1/tcp, 2/udp is in use (host-9)",
    )


def test_the_trace_explains_every_host() -> None:
    answer = choose_host(PlacementRequirements(), [host(2), host(1, state="inactive"), host(3, containers=4)])
    assert answer.trace == [
        {"verdict": "chosen", "reasons": ["it has the fewest containers"], "hosts": ["host-2"], "count": 1},
        {"verdict": "possible", "reasons": ["it has more containers"], "hosts": ["host-3"], "count": 1},
        {"verdict": "refused", "reasons": ["the host is inactive"], "hosts": ["host-1"], "count": 1},
    ]


PORTS = st.frozensets(
    st.tuples(st.sampled_from(["", "10.0.0.1"]), st.integers(80, 82), st.sampled_from(["tcp", "udp"])), max_size=3
)
WORDS = st.sampled_from(["a=1", "a=2", "b=1", "a"])
HOSTS = st.lists(
    st.builds(
        HostView,
        st.integers(1, 6),
        st.just("h"),
        st.sampled_from(["active", "active", "inactive"]),
        st.dictionaries(st.sampled_from("ab"), st.sampled_from("12")),
        PORTS,
        st.integers(0, 3),
    ),
    unique_by=lambda view: view.id,
    max_size=6,
)
KINDS = st.sampled_from([AFFINITY + kind for kind in ("", "_ne", "_soft", "_soft_ne")])
DEMANDS = st.builds(
    PlacementRequirements,
    PORTS,
    st.none() | st.none() | st.integers(1, 6),
    st.dictionaries(KINDS, WORDS, max_size=2),
    st.frozensets(st.integers(1, 6), max_size=2),
    st.dictionaries(st.integers(1, 6), st.integers(0, 3)),
)


@given(DEMANDS, HOSTS, st.randoms(use_true_random=False))
def test_the_order_of_the_hosts_does_not_matter(
    demand: PlacementRequirements, hosts: list[HostView], chance: Any
) -> None:
    shuffled = list(hosts)
    chance.shuffle(shuffled)
    assert choose_host(demand, hosts) == choose_host(demand, shuffled)


@given(DEMANDS, HOSTS)
def test_the_chosen_host_meets_the_conditions_and_none_is_better(
    demand: PlacementRequirements, hosts: list[HostView]
) -> None:
    answer = choose_host(demand, hosts)
    assert sum(line["count"] for line in answer.trace) == len(hosts)
    json.dumps(answer.trace)
    possible = [view for view in hosts if isinstance(choose_host(demand, [view]), Placed)]
    if isinstance(answer, Unplaced):
        assert not possible
        assert answer.reasons
        return
    chosen = next(view for view in hosts if view.id == answer.host_id)
    assert chosen.state == "active"
    assert demand.requested_host_id in {None, chosen.id}
    assert not {(p, q) for _, p, q in demand.ports} & {(p, q) for a, p, q in chosen.ports_used if a == ""}
    fleet = Fleet(hosts)
    assert rank(demand, chosen.id, fleet) == min(rank(demand, view.id, fleet) for view in possible)


@given(DEMANDS, HOSTS)
def test_a_host_more_never_makes_it_impossible(demand: PlacementRequirements, hosts: list[HostView]) -> None:
    answer = choose_host(demand, hosts)
    if isinstance(answer, Placed):
        assert isinstance(choose_host(demand, [*hosts, host(99)]), Placed)
