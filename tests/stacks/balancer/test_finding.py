"""Which containers a balancer has found, and for how long others wait for it; decided from values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.containers.models import Container
from apps.stacks.balancer.finding import FoundByBalancers, LastLook, found_servers, run_key
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess, Worker
from apps.stacks.balancer.render import RenderedServer

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def process(*states: tuple[str, str, str]) -> HaproxyProcess:
    """One with servers by backend, name and status; a worker of before has them all up."""
    counters = {(backend, name): HaproxyCounters(status=status) for backend, name, status in states}
    before = {place: HaproxyCounters(status="UP") for place in counters}
    return HaproxyProcess((Worker(7, 0, counters), Worker(6, 1, before)))


def server(backend: str, name: str) -> RenderedServer:
    return RenderedServer(backend, name, "10.0.0.1", 80, key=name)


@pytest.mark.parametrize("status", ["UP", "UP 1/3", "no check"])
def test_a_server_that_gets_requests_is_found(status: str) -> None:
    assert found_servers(process(("b", "one", status)), [server("b", "one")]) == {"one"}


@pytest.mark.parametrize("status", ["DOWN", "DOWN 1/2", "MAINT", "NOLB", ""])
def test_one_that_does_not_is_not_whatever_older_workers_say(status: str) -> None:
    assert found_servers(process(("b", "one", status)), [server("b", "one")]) == frozenset()


def test_what_is_not_loaded_yet_and_what_has_no_container_is_not_found() -> None:
    assert found_servers(process(), [server("b", "one")]) == frozenset()
    assert found_servers(HaproxyProcess(), [server("b", "one")]) == frozenset()
    assert found_servers(process(("b", "out", "UP")), [RenderedServer("b", "out", "192.0.2.1", 80)]) == frozenset()


def test_it_has_to_be_found_at_each_port_where_another_answers() -> None:
    servers = [server("web", "one"), server("web", "two"), server("admin", "one"), server("admin", "two")]
    at_web = ("web", "one", "UP"), ("web", "two", "UP")
    assert found_servers(process(*at_web, ("admin", "one", "UP"), ("admin", "two", "DOWN")), servers) == {"one"}
    assert found_servers(process(*at_web, ("admin", "one", "DOWN"), ("admin", "two", "DOWN")), servers) == {
        "one",
        "two",
    }


def test_all_of_a_balancers_containers_have_to_find_it() -> None:
    looks = {"lb-1": frozenset({"a", "b"}), "lb-2": frozenset({"b", "c"}), "lb-3": frozenset[str]()}
    look = LastLook().then({"a", "b", "c"}, looks, NOW)
    assert look.found == {"b"}
    assert look.sought.keys() == {"a", "c"}
    assert not look.is_complete({"b"}, {"lb-1", "lb-2"})
    assert look.is_complete({"b"}, {"lb-1", "lb-2", "lb-3"})
    assert LastLook.from_status(look.to_status()) == look


def test_without_a_look_what_goes_is_forgotten_and_nothing_is_added() -> None:
    look = LastLook(frozenset({"a", "b"}), frozenset({"lb-1"})).then({"b", "c"}, None, NOW)
    assert [sorted(each) for each in (look.found, look.found_by, look.sought)] == [["b"], ["lb-1"], ["c"]]


def test_a_balancer_without_containers_finds_and_seeks_nobody() -> None:
    look = LastLook(frozenset({"a"}), frozenset({"lb-1"}), {"c": NOW.isoformat()}).then({"a", "c"}, {}, NOW)
    assert look == LastLook()


def test_since_when_something_is_sought_is_kept() -> None:
    first = LastLook().then({"a"}, {"lb-1": frozenset()}, NOW)
    assert first.then({"a", "b"}, {"lb-1": frozenset()}, NOW + timedelta(seconds=9)).sought["a"] == NOW.isoformat()


def container(key: int, name: str = "web-1", started: str = "then", **more: str) -> Container:
    return Container(pk=key, name=name, status={"started_at": started}, desired="running", state="running", **more)


def finding(*found: Container, since: datetime | None = None, of: Container | None = None) -> FoundByBalancers:
    known = {run_key(of): since.isoformat()} if of is not None and since is not None else {}
    return FoundByBalancers({"web/lb": [run_key(each) for each in found]}, known, timedelta(seconds=60), NOW)


def test_a_container_is_awaited_until_it_is_found_or_the_time_is_over() -> None:
    old, new = container(1), container(2, "web-2")
    assert not finding(old, new).is_awaited(new)
    assert finding(old).is_awaited(new)
    assert finding(old, since=NOW - timedelta(seconds=59), of=new).is_awaited(new)
    assert not finding(old, since=NOW - timedelta(seconds=60), of=new).is_awaited(new)
    assert not FoundByBalancers().is_awaited(new)


def test_one_that_was_started_again_has_to_be_found_again() -> None:
    assert finding(container(1, started="then")).is_awaited(container(1, started="now"))


def test_sidekicks_are_no_servers_of_balancers() -> None:
    assert not finding(container(1)).is_awaited(container(2, launch_name="logger"))


def test_the_message_names_the_balancers_and_the_first_container() -> None:
    old, new, other = container(1), container(2, "web-2"), container(3, "web-3")
    assert finding(old).message([old]) == ""
    assert finding(old).message([old, new]) == "; waits for balancer web/lb to find web-2"
    assert finding(old).message([new, other]) == "; waits for balancer web/lb to find web-2 and 1 more"
    assert set(finding(old).status_with([old, new])["awaited"]) == {run_key(new)}
