"""Rendering a haproxy.cfg: what it says, in which order, and that no text of a person becomes a directive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.balancer.config import (
    DISABLED,
    DRAINING,
    HTTPS,
    TCP,
    TLS,
    AppCookieStickiness,
    Backend,
    BalancerCertificate,
    BalancerConfig,
    BalancerRule,
    CookieStickiness,
    CustomText,
    Listener,
    Server,
    in_order,
)
from apps.stacks.balancer.quoting import UnsafeText, quote, section_name
from apps.stacks.balancer.render import Challenges, custom_text_of, render

DIRECTIVES = {
    *("global", "defaults", "frontend", "backend", "resolvers", "peers", "peer", "mode", "bind", "balance", "server"),
    *("acl", "use_backend", "default_backend", "http-request", "option", "cookie", "stick", "stick-table", "timeout"),
    *(
        "fd-hard-limit",
        "log",
        "hard-stop-after",
        "localpeer",
        "stats",
        "server-state-file",
        "retries",
        "default-server",
    ),
    *("ssl-default-bind-options", "tune.ssl.default-dh-param", "load-server-state-from-file", "parse-resolv-conf"),
    "hold",
    "monitor-uri",
}


def words(line: str) -> list[str]:
    """A line's words as HAProxy reads them."""
    found, word, in_word, at = [], "", False, 0
    while at < len(line):
        letter = line[at]
        if letter == "'":
            end = line.index("'", at + 1)
            word, in_word, at = word + line[at + 1 : end], True, end
        elif letter == "\\":
            word, in_word, at = word + line[at + 1], True, at + 1
        elif letter == '"':
            raise AssertionError(f"within double quotes $ means something: {line}")
        elif letter == " ":
            found += [word] if in_word else []
            word, in_word = "", False
        elif letter == "#":
            break
        else:
            word, in_word = word + letter, True
        at += 1
    return found + ([word] if in_word else [])


def config(*rules: BalancerRule, **more: Any) -> BalancerConfig:
    """Port 80 with these rules, whose backends have one server each."""
    backends = tuple(Backend(name, (Server("one", "10.42.0.1", 80),)) for name in {rule.backend for rule in rules})
    return BalancerConfig(**{"listeners": (Listener(80),), "rules": in_order(rules), "backends": backends, **more})


def lines_of(text: str, section: str) -> list[str]:
    """The lines of one section."""
    _before, _head, rest = text.partition(f"\n{section}\n")
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()]


def directives(text: str) -> Iterator[list[str]]:
    return (words(line.strip()) for line in text.split("\n") if line.strip())


any_text = st.text(max_size=40) | st.sampled_from(
    [
        "a\n    server evil 6.6.6.6:80",
        "a b",
        "'",
        "\\",
        '"$HOME"',
        "a'b",
        "#",
        "} {",
        "if TRUE",
        "-f /etc/passwd",
        "%[env(X)]",
    ]
)


@given(st.lists(st.tuples(any_text, any_text, any_text), max_size=5), any_text, any_text)
def test_no_text_becomes_a_directive(rules: list[tuple[str, str, str]], cookie: str, server: str) -> None:
    made = [BalancerRule(80, host, path, backend) for host, path, backend in rules]
    backends = tuple(Backend(name, (Server(server, "10.42.0.1", 80),)) for name in {each.backend for each in made})
    whole = BalancerConfig(
        (Listener(80),), in_order(made), backends, CookieStickiness(cookie), AppCookieStickiness(cookie, 10, 1000)
    )
    try:
        text = render(whole).text
    except UnsafeText:
        return
    found = list(directives(text))
    assert {each[0] for each in found} <= DIRECTIVES
    assert [each[0] for each in found].count("server") == len(set(map(section_name, (each.backend for each in made))))
    hosts = [each[6] for each in found if each[0] == "acl" and each[1].endswith("-host")]
    asked = [each.host.lower() for each in whole.rules if each.has_host]
    assert hosts == [_fixed_part(host) for host in asked[: len(hosts)]]


def _fixed_part(host: str) -> str:
    """A host without its star."""
    if host.startswith("*"):
        return host[1:]
    return host.removesuffix("*")


@given(any_text)
def test_a_quoted_text_is_the_text(text: str) -> None:
    if text.isprintable() and text:
        assert words(quote(text)) == [text]
    elif not text:
        assert quote(text) == "''"
    else:
        with pytest.raises(UnsafeText):
            quote(text)


@given(any_text, any_text)
def test_names_of_sections_are_different_for_different_texts(one: str, other: str) -> None:
    assert (section_name(one) == section_name(other)) == (one == other)
    assert set(section_name(one)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")


def test_rules_are_tried_in_ranchers_order() -> None:
    text = render(
        config(
            BalancerRule(80, "", "", "default"),
            BalancerRule(80, "", "/p", "path"),
            BalancerRule(80, "*.a.com", "", "wild"),
            BalancerRule(80, "*.a.com", "/p", "wild-path"),
            BalancerRule(80, "x.a.com", "", "host"),
            BalancerRule(80, "x.a.com", "/p", "host-path"),
        )
    ).text
    chosen = [line.split()[1] for line in lines_of(text, "frontend port-80") if "_backend " in line]
    assert chosen == [f"http-{name}" for name in ("host-path", "host", "wild-path", "wild", "path", "default")]


def test_a_path_ends_at_a_segment_and_a_host_has_no_port() -> None:
    lines = lines_of(render(config(BalancerRule(80, "A.com", "/p/", "one"))).text, "frontend port-80")
    assert [line for line in lines if line.startswith("acl")] == [
        "acl r0-host req.hdr(host),host_only,lower -m str -- a.com",
        "acl r0-path path -m str -- /p",
        "acl r0-path path -m beg -- /p/",
    ]


def test_servers_that_leave_are_out_and_those_that_fail_stay_disabled() -> None:
    servers = (
        Server("one", "10.42.0.1", 80, weight=3),
        Server("two", "10.42.0.2", 80, DRAINING),
        Server("three", "10.42.0.3", 80, DISABLED),
        Server("four", "web.example.com", 80),
        Server("five", "fd00::5", 80),
    )
    found = render(config(BalancerRule(80, "", "", "b"), backends=(Backend("b", servers),)))
    assert [line for line in lines_of(found.text, "backend http-b") if line.startswith("server")] == [
        "server one 10.42.0.1:80 check weight 3",
        "server three 10.42.0.3:80 check weight 1 disabled",
        "server four web.example.com:80 check weight 1 resolvers corral-dns resolve-prefer ipv4 init-addr last,none",
        "server five [fd00::5]:80 check weight 1",
    ]
    assert {(each.backend, each.name) for each in found.servers} == {
        ("http-b", name) for name in ("one", "four", "five")
    }


def test_connections_are_passed_on_as_they_are() -> None:
    both = config(
        BalancerRule(80, "", "", "b"),
        BalancerRule(5432, "db.example.com", "", "b"),
        listeners=(Listener(80), Listener(5432, TCP, proxy_protocol=True)),
    )
    text = render(both).text
    assert lines_of(text, "frontend port-5432") == ["mode tcp", "bind :5432 accept-proxy", "default_backend tcp-b"]
    assert lines_of(text, "backend tcp-b")[0] == "mode tcp"
    assert lines_of(text, "backend http-b")[0] == "mode http"


def test_certificates_are_listed_with_the_default_first() -> None:
    certificates = (BalancerCertificate(2, "two"), BalancerCertificate(1, "one"))
    encrypted = config(
        BalancerRule(443, "", "", "b"),
        BalancerRule(8443, "", "", "b"),
        listeners=(Listener(443, HTTPS), Listener(8443, TLS)),
        default_certificate=BalancerCertificate(3, "three"),
        certificates=certificates,
    )
    found = render(encrypted, {1: b"1", 2: b"2", 3: b"3"})
    (listed,) = [path for path in found.files if path.endswith(".list")]
    assert [found.files[path] for path in found.files[listed].decode().split()] == [b"3", b"2", b"1"]
    assert f"bind :443 ssl crt-list {listed} alpn h2,http/1.1" in found.text
    assert f"bind :8443 ssl crt-list {listed}\n" in found.text
    assert found.digest != render(encrypted, {1: b"1", 2: b"2", 3: b"new"}).digest
    assert ":443" not in render(encrypted).text


def test_the_lines_of_a_custom_text_are_found_again() -> None:
    custom = CustomText("nbthread 2\n\nmaxconn 99", "defaults\n  timeout client 5s")
    found = render(config(BalancerRule(80, "", "", "b"), custom=custom))
    lines = found.text.splitlines()
    assert {lines[number - 1].strip(): origin for number, origin in found.origins.items()} == {
        "nbthread 2": "global line 1",
        "maxconn 99": "global line 3",
        "timeout client 5s": "defaults line 2",
    }
    assert custom_text_of(found.text) == CustomText("nbthread 2\nmaxconn 99", "timeout client 5s")
    assert custom_text_of(render(BalancerConfig()).text) == custom_text_of("") == CustomText()


def test_challenges_of_a_certificate_authority_come_before_all_rules() -> None:
    text = render(config(BalancerRule(80, "a.com", "", "b")), challenges=Challenges("10.0.0.9", 8080)).text
    chosen = [line for line in lines_of(text, "frontend port-80") if line.startswith("use_backend")]
    assert chosen[0] == "use_backend http-corral-challenges if { path -m beg /.well-known/acme-challenge/ }"
    assert "server portal 10.0.0.9:8080" in lines_of(text, "backend http-corral-challenges")


def test_challenges_go_to_a_portal_with_a_name_and_a_certificate() -> None:
    found = render(
        config(BalancerRule(80, "", "", "b")), challenges=Challenges("portal.example.com", 443, is_encrypted=True)
    )
    server = next(line for line in lines_of(found.text, "backend http-corral-challenges") if line.startswith("server"))
    assert server.startswith("server portal portal.example.com:443 ssl verify none resolvers corral-dns")
    assert "resolvers corral-dns\n" in found.text
    internal = render(
        config(BalancerRule(81, "", "", "b"), listeners=(Listener(81),)), challenges=Challenges("a.com", 80)
    )
    assert "challenges" not in internal.text


def test_the_health_port_answers_whatever_is_configured() -> None:
    assert "bind :42" in lines_of(render(BalancerConfig()).text, "frontend corral-health")
