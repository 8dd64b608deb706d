"""What passes through the rules of a balancer: counted over containers and workers, read once for all who watch."""

from __future__ import annotations

from apps.stacks.balancer.config import Backend, BalancerConfig, BalancerRule, Listener, in_order
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess, Worker
from apps.stacks.balancer.traffic import BalancerTraffic, RuleTraffic, rules_traffic, with_rates

CONFIG = BalancerConfig(
    (Listener(80), Listener(5432, "tcp")),
    in_order([BalancerRule(80, "a.com", "", "a"), BalancerRule(80, "", "", "b"), BalancerRule(5432, "", "", "b")]),
    (Backend("a"), Backend("b")),
)


def process(*workers: dict[tuple[str, str], HaproxyCounters]) -> HaproxyProcess:
    return HaproxyProcess(tuple(Worker(number, number, counters) for number, counters in enumerate(workers)))


def test_rules_are_counted_over_containers_and_workers() -> None:
    one = {
        ("http-a", "BACKEND"): HaproxyCounters(2, 10, 1, 3, 9),
        ("http-a", "web-1"): HaproxyCounters(2, 10),  # a server of it, counted already
        ("tcp-b", "BACKEND"): HaproxyCounters(1, 4, 0, 0, 0),
    }
    older = {("http-a", "BACKEND"): HaproxyCounters(1, 5, 2, 8, 7)}
    found = rules_traffic(CONFIG, [process(one, older), process(one)])
    assert found == (
        RuleTraffic(80, "a.com", "", 5, 25, 4, 9),
        RuleTraffic(80, "", ""),
        RuleTraffic(5432, "", "", 2, 8, 0, 0),
    )


def test_requests_a_second_are_of_the_time_between_two_readings() -> None:
    now = (RuleTraffic(80, "a.com", "", requests=30), RuleTraffic(80, "", "", requests=2))
    assert with_rates(now, 10.0, None) == now
    before = BalancerTraffic(8.0, (RuleTraffic(80, "a.com", "", requests=10), RuleTraffic(80, "", "", requests=9)))
    assert [each.per_second for each in with_rates(now, 10.0, before)] == [10.0, 0.0]  # counters began anew
