"""Rules as the templates of public catalogs write them: several labels, names put in, a comma left over."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from apps.hosts.affinity import PREFIX, STACK_SERVICE_LABEL, is_unknown_rule, parse_rules
from apps.hosts.fleet import Fleet, HostView, Neighbour
from apps.hosts.placement import Placed, PlacementRequirements, Unplaced, choose_host

HOSTS = [HostView(number, f"host{number}", containers=number) for number in range(1, 5)]
ITSELF = f"{STACK_SERVICE_LABEL}=$${{stack_name}}/$${{service_name}}"


def of(service: str) -> str:
    return f"{STACK_SERVICE_LABEL}=$${{stack_name}}/{service}"


class Cluster:
    """Places the services of one stack, and remembers where."""

    def __init__(self) -> None:
        self.fleet, self.hosts = Fleet(HOSTS), dict[str, list[int]]()

    def place(self, service: str, rules: Mapping[str, str] | None = None, scale: int = 1) -> list[int]:
        """The hosts of the service's containers; fails where one finds none."""
        for number in range(scale):
            answer = self.choose(service, rules)
            assert isinstance(answer, Placed), (service, number, answer)
            self.hosts.setdefault(service, []).append(answer.host_id)
            self.fleet.place(Neighbour(answer.host_id, f"data_{service}_{number}", labels=self.labels(service, rules)))
        return self.hosts[service]

    def choose(self, service: str, rules: Mapping[str, str] | None = None) -> Placed | Unplaced:
        return choose_host(PlacementRequirements(labels=self.labels(service, rules)), self.fleet)

    def labels(self, service: str, rules: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {STACK_SERVICE_LABEL: f"data/{service}"}
        return own | {PREFIX + rule: value for rule, value in (rules or {}).items()}


def test_workers_keep_apart_from_each_other_and_from_another_kind():
    cluster = Cluster()
    rules = {"container_label_ne": f"{ITSELF},{of('store')}"}
    assert len(set(cluster.place("store", {"container_label_ne": ITSELF}, 2))) == 2
    assert set(cluster.place("worker", rules, 2)).isdisjoint(cluster.hosts["store"])
    answer = cluster.choose("worker", rules)
    assert isinstance(answer, Unplaced)
    assert [reason.split("=data/")[1].split(" ")[0] for reason in answer.reasons] == ["store", "worker"]


def test_one_goes_where_all_that_it_names_are():
    cluster = Cluster()
    cluster.place("scheduler", scale=2)
    cluster.place("master", {"container_label": of("scheduler"), "container_label_ne": ITSELF})
    (together,) = cluster.place("config", {"container_label": f"{of('scheduler')},{of('master')}"})
    assert together == cluster.hosts["master"][0]
    answer = cluster.choose("config", {"container_label": f"{of('master')},{of('nobody')}"})
    assert isinstance(answer, Unplaced)


def test_a_comma_at_the_end_is_no_rule():
    cluster = Cluster()
    masters = [*cluster.place("master"), *cluster.place("scheduler"), *cluster.place("history")]
    rules = {"container_label_soft_ne": ",".join([of("master"), of("scheduler"), of("history"), ""])}
    assert len(parse_rules(cluster.labels("store", rules))) == 3
    assert cluster.place("store", rules)[0] not in masters
    assert len(cluster.place("store", rules, 5)) == 6, "a preference keeps none from being placed"


def test_a_preference_for_a_plain_label_of_another_stack():
    fleet = Fleet(HOSTS, [Neighbour(4, "registry_db_1", labels={"registry.db": "1"})])
    labels = {f"{PREFIX}container_label_soft": "registry.db=1"}
    answer = choose_host(PlacementRequirements(labels=labels), fleet)
    assert isinstance(answer, Placed)
    assert answer.host_id == 4


@pytest.mark.parametrize("labels", [{"tier": "edge"}, {}])
def test_a_host_label_that_was_an_answer(labels: dict[str, str]):
    hosts = [*HOSTS, HostView(9, "edge", containers=50, labels=labels)]
    answer = choose_host(PlacementRequirements(labels={f"{PREFIX}host_label": "tier=edge"}), Fleet(hosts))
    if labels:
        assert isinstance(answer, Placed)
        assert answer.host_id == 9
    else:
        assert isinstance(answer, Unplaced)
        assert "the label tier=edge is missing" in answer.reasons[0]


def test_a_rule_that_never_was_one_is_known_as_such():
    assert is_unknown_rule(f"{PREFIX}not_host_label")
