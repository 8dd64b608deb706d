"""What HAProxy says about itself, read: workers, sessions, what becomes of servers with a reload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.simulated.engine import SimulatedDriver
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import Backend, BalancerConfig, BalancerRule, Listener, Server
from apps.stacks.balancer.process import parse_process, server_states
from apps.stacks.balancer.render import RenderedServer, render
from tests.drivers.conformance import make
from tests.stacks.balancer.haproxy_output import SAID


def test_workers_and_their_sessions() -> None:
    found = parse_process(SAID)
    assert [(each.pid, each.reloads) for each in found.workers] == [(324, 0), (301, 1)]
    assert found.current == found.workers[0]
    assert not found.has_failed
    assert {name: count for name, count in found.sessions().items() if name.startswith("web")} == {
        "web-1": 3,
        "web-2": 4,
        "web-3": 0,
    }
    counted = found.workers[0].counters["http-b", "web-1"]
    assert (counted.requests, counted.errors, counted.response_time, counted.status) == (5, 3, 12, "UP")


def test_a_failed_reload_is_seen() -> None:
    assert parse_process(SAID.replace("[failed: 0]", "[failed: 2]")).has_failed


def test_where_servers_are_that_get_nothing_more() -> None:
    found = parse_process(SAID)
    assert list(found.places({"web-1"})) == [(324, "http-b", "web-1"), (301, "http-b", "web-1")]
    assert list(found.stale({("http-b", "web-1"), ("http-b", "web-3")})) == [(301, "http-b", "web-2")]


def test_servers_keep_their_state_and_new_ones_are_down_until_checked() -> None:
    servers = [
        RenderedServer("http-b", "web-1", "10.0.0.1", 80),
        RenderedServer("http-b", "web-3", "10.0.0.3", 80),  # was taken out: it comes back as a new one
        RenderedServer("http-b", "web-4", "10.0.0.4", 8080),
        RenderedServer("http-b", "out", "web.example.com", 80),
    ]
    _version, _head, *lines = server_states(parse_process(SAID), servers).splitlines()
    assert [line.split()[3:7] for line in lines] == [
        ["web-1", "10.0.0.1", "2", "0"],
        ["web-3", "10.0.0.3", "0", "0"],
        ["web-4", "10.0.0.4", "0", "0"],
    ]
    assert {len(line.split()) for line in lines} == {25}


def test_the_first_configuration_need_not_wait_for_checks() -> None:
    assert server_states(parse_process(""), [RenderedServer("b", "s", "10.0.0.1", 80)]).count("\n") == 2


@given(st.text(alphabet="@ 0123456789\n#,pxnamesv:[failed]", max_size=300))
def test_whatever_is_said_is_read(text: str) -> None:
    parse_process(text)


REFUSED = """[NOTICE]   (19770) : haproxy version is 2.6.12-1+deb12u4
[ALERT]    (19770) : config : parsing [/etc/haproxy/next.cfg:11] : unknown keyword 'bogus' in 'global' section
[ALERT]    (19770) : config : Error(s) found in configuration file : /etc/haproxy/next.cfg
[ALERT]    (19770) : config : Fatal errors found in configuration.
"""


@pytest.mark.parametrize(
    ("said", "reason", "line"),
    [
        (REFUSED, "unknown keyword 'bogus' in 'global' section", 11),
        ("[ALERT] (9) : config : Proxy 'x': unable to find 'y'.", "Proxy 'x': unable to find 'y'.", None),
        ("sh: haproxy: not found", "sh: haproxy: not found", None),
        ("", "no reason", None),
    ],
)
def test_why_a_configuration_is_refused(said: str, reason: str, line: int | None) -> None:
    assert haproxy.read_refusal(said) == haproxy.ConfigRefusal(reason, line)


def test_a_simulated_balancer_takes_what_it_is_given() -> None:
    engine = SimulatedDriver("balancers")
    made = make(engine)
    backends = (Backend("b", (Server("s", "10.0.0.1", 80),)),)
    rendering = render(BalancerConfig((Listener(80),), (BalancerRule(80, "", "", "b"),), backends))
    assert haproxy.load_files(engine, made, rendering.files) is None
    found = haproxy.read_process(engine, made)
    assert found.current is not None
    assert not found.sessions()
    haproxy.take_out(engine, made, [(7, "http-b", "s")])
