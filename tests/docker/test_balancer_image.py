"""HAProxy itself reads whatever is rendered, in the image that is built without a registry."""

from __future__ import annotations

import random
from dataclasses import replace
from http.client import HTTPConnection

import docker
import pytest

from apps.drivers.commands import pack_files, run_command
from apps.drivers.registry import get_driver
from apps.stacks.balancer.config import (
    DISABLED,
    DRAINING,
    READY,
    AppCookieStickiness,
    Backend,
    BalancerConfig,
    BalancerRule,
    CookieStickiness,
    CustomText,
    Listener,
    Server,
    choose_rule,
    in_order,
)
from apps.stacks.balancer.haproxy import load_files
from apps.stacks.balancer.quoting import UnsafeText
from apps.stacks.balancer.render import CONFIG_FILE, render
from portal.tools import haproxy_image
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

TEXTS = [
    "a.com",
    "*.b.com",
    "web.*",
    "we'ird $x",
    'qu"ote',
    "back\\slash",
    "# x",
    "{ }",
    "-i",
    "a b",
    "é",
    "x" * 1500,
    "",
]
CONFIGS = 60
REQUEST_HOSTS = ["a.com", "A.com:80", "b.a.com", "c.b.a.com:8080", "a.org", "b.org", "x.com", "xa.com", "we'ird.com"]
REQUEST_PATHS = ["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/X", "/%78", "/x?y=/x/y", "/y"]


def random_config(chance: random.Random) -> BalancerConfig:
    """Anything that the types allow, hostile texts included."""

    def text() -> str:
        return chance.choice(TEXTS)

    ports = chance.sample(range(1000, 9000), chance.randint(0, 4))
    listeners = tuple(
        Listener(port, chance.choice(["http", "tcp"]), proxy_protocol=chance.random() < 0.3) for port in ports
    )
    rules = [BalancerRule(port, text(), f"/{text()}" if chance.random() < 0.5 else "", text()) for port in ports * 3]
    backends = tuple(Backend(name, servers(chance)) for name in {rule.backend for rule in rules})
    mode = chance.choice(["insert", "rewrite", "prefix"])
    cookie = CookieStickiness(text() or "C", mode, "", chance.random() < 0.5, chance.random() < 0.5)
    app = AppCookieStickiness(text() or "C", chance.randint(0, 99), 1000, request_learn=chance.random() < 0.5)
    found = BalancerConfig(listeners, in_order(rules), backends)
    return chance.choice([found, replace(found, cookie=cookie), replace(found, app_cookie=app)])


def servers(chance: random.Random) -> tuple[Server, ...]:
    addresses = ["10.42.0.1", "web.invalid", "fd00::1"]
    return tuple(
        Server(
            f"{chance.choice(TEXTS)}{number}", chance.choice(addresses), 80, chance.choice([READY, DRAINING, DISABLED])
        )
        for number in range(chance.randint(0, 4))
    )


def test_haproxy_takes_whatever_is_rendered_and_says_the_line_of_what_it_does_not(
    engine: PrivateEngine, terminal: docker.APIClient
) -> None:
    haproxy_image.build(engine.url, "corral/haproxy:test")
    driver = get_driver(engine.endpoint)
    made = terminal.create_container("corral/haproxy:test")["Id"]
    terminal.start(made)
    chance = random.Random(12)  # noqa: S311
    checked: dict[str, bytes] = {}
    while len(checked) < CONFIGS:
        try:
            checked[f"/tmp/{len(checked)}.cfg"] = render(random_config(chance)).files[CONFIG_FILE]
        except UnsafeText:
            continue
    broken = render(BalancerConfig(custom=CustomText("nbthread 1\nno such thing")))
    packed = pack_files({**checked, "/tmp/broken.cfg": broken.files[CONFIG_FILE]})
    unpack = ["sh", "-c", f"head -c {len(packed)} | tar -x -f - -C /"]
    assert run_command(driver, made, unpack, stdin=packed).exit_code == 0
    script = "for each in /tmp/[0-9]*.cfg; do haproxy -q -c -f $each || echo refused $each; done"
    assert run_command(driver, made, ["sh", "-c", script], seconds=60).output == ""
    refused = run_command(driver, made, ["haproxy", "-c", "-f", "/tmp/broken.cfg"])
    assert refused.exit_code == 1
    (line,) = [number for number, origin in broken.origins.items() if origin == "global line 2"]
    assert f"/tmp/broken.cfg:{line}]" in refused.output


def test_haproxy_chooses_the_rule_that_was_decided(engine: PrivateEngine, terminal: docker.APIClient) -> None:
    """Requests of any host and path, against rules of all six levels: HAProxy's choice is `choose_rule`'s."""
    haproxy_image.build(engine.url, "corral/haproxy:test")
    driver = get_driver(engine.endpoint)
    made = terminal.create_container("corral/haproxy:test")["Id"]
    terminal.start(made)
    hosts = ["", "*", "a.com", "b.a.com", "*.a.com", "*.b.a.com", "a.*", "b.*", "we'ird.com"]
    paths = ["", "/", "/x", "/x/", "/x/y", "/X"]
    chance = random.Random(6)  # noqa: S311
    rules = in_order(
        BalancerRule(80, host, path, f"b{number}")
        for number, (host, path) in enumerate((host, path) for host in hosts for path in paths if chance.random() < 0.6)
    )
    whole = BalancerConfig((Listener(80),), rules, tuple(Backend(each.backend) for each in rules))
    text = render(whole).text
    for rule in rules:
        head = f"backend http-{rule.backend}\n    mode http\n"
        answer = f"    http-request return status 200 content-type text/plain string {rule.backend}\n"
        text = text.replace(head, head + answer)
    assert load_files(driver, made, {CONFIG_FILE: text.encode()}) is None
    address = next(each for each in driver.inspect(made).networks.values() if each)
    wrong = []
    for host, path in ((host, path) for host in REQUEST_HOSTS for path in REQUEST_PATHS):
        expected = choose_rule(rules, 80, host, path.partition("?")[0])
        connection = HTTPConnection(address, 80, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        found = reply.read().decode() if reply.status == 200 else None
        connection.close()
        if found != (expected.backend if expected else None):
            wrong.append((host, path, found, expected))
    assert wrong == []
