"""What passes through the rules of a balancer: counted over containers and workers, read once for all who watch."""

from __future__ import annotations

from apps.stacks.balancer.config import Backend, BalancerConfig, BalancerRule, Listener, Server, in_order
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess, Worker
from apps.stacks.balancer.traffic import RuleTraffic, ServerTraffic, rules_traffic, servers_traffic, with_rates

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
    assert with_rates(now, (), 0.0) == now
    before = (RuleTraffic(80, "a.com", "", requests=10), RuleTraffic(80, "", "", requests=9))
    assert [each.per_second for each in with_rates(now, before, 2.0)] == [10.0, 0.0]  # counters began anew


def test_servers_are_counted_over_rules_containers_and_workers() -> None:
    web, db = Server("web-1", "10.42.0.9", 8080), Server("a b", "10.42.0.8", 5432)
    config = BalancerConfig(
        (Listener(80), Listener(81), Listener(5432, "tcp")),
        in_order([BalancerRule(80, "a.com", "", "a"), BalancerRule(81, "", "", "a"), BalancerRule(5432, "", "", "b")]),
        (Backend("a", (web,)), Backend("b", (db, web))),
    )
    newest = {
        ("http-a", "web-1"): HaproxyCounters(1, 10, 1, 3, 9, "UP"),
        ("http-a", "BACKEND"): HaproxyCounters(9, 90),  # of all its servers
        ("tcp-b", "web-1"): HaproxyCounters(2, 4, 0, 0, 0, "UP"),
    }
    older = {("http-a", "web-1"): HaproxyCounters(1, 5, 2, 8, 7, "DOWN")}
    found = servers_traffic(config, [process(newest, older)])
    assert [each.name for each in found] == ["a b", "web-1"]
    assert found[1] == ServerTraffic("web-1", "10.42.0.9", 8080, "UP", 4, 19, 3, 9)
    assert found[0].is_up
    assert (found[0].requests, found[0].status) == (0, "")


def test_a_server_that_is_down_or_out_gets_nothing() -> None:
    states = {"UP": True, "UP 1/3": True, "no check": True, "": True, "DOWN": False, "MAINT": False, "DRAIN": False}
    assert {each: ServerTraffic("a", "b", 1, each).is_up for each in states} == states
