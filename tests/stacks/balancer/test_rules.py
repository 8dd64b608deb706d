"""What leads to a target, read and written, and which rule a request has: by Rancher's order of six."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.balancer.config import BalancerRule, choose_rule, in_order
from apps.stacks.balancer.targets import TargetPort, parse_target_label, parse_target_ports

READ = {
    "host.com:80/path=8080": TargetPort("host.com", 80, "/path", 8080),
    "host.com": TargetPort("host.com"),
    "HOST.com:81": TargetPort("host.com", 81),
    "*.host.com/a/b": TargetPort("*.host.com", None, "/a/b"),
    "web.*=90": TargetPort("web.*", None, "", 90),
    "443=443": TargetPort("", 443, "", 443),
    "8080": TargetPort("", 8080),
    "80/shop=8080": TargetPort("", 80, "/shop", 8080),
    "/shop": TargetPort("", None, "/shop"),
    "=8080": TargetPort("", None, "", 8080),
    "*": TargetPort(),
    "*:80": TargetPort("", 80),
    " host.com:80 ": TargetPort("host.com", 80),
    "80 /a": TargetPort("", 80, "/a"),
    "a_b.com": TargetPort("a_b.com"),
}
REFUSED = [
    "",
    "  ",
    "host.com:",
    "host.com:0",
    "host.com:65536",
    "host.com:80=",
    "host.com:80=x",
    "a..com",
    "-a.com",
    "*a.com",
    "a.*.com",
    "*.",
    "host.com:80/a b",
    'host.com/a"b',
    "host.com/a\nb",
    "ho st.com",
    "42",
    "host.com:42",
    "http://host.com",
    "1111111",
    "host.com :",
    "x" * 3000,
]


@pytest.mark.parametrize("text", READ)
def test_what_leads_to_a_target_is_read(text: str) -> None:
    assert TargetPort.parse(text) == READ[text]
    assert TargetPort.parse(str(READ[text])) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_rule_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        TargetPort.parse(text, "serviceLink.ports")
    assert refused.value.field == "serviceLink.ports"
    assert refused.value.code == "InvalidPort"


@given(st.text(max_size=60) | st.text(alphabet="a1.*:/=-42 ", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = TargetPort.parse(text)
    except Invalid:
        return
    assert TargetPort.parse(str(found)) == found


def test_a_list_and_a_label_say_the_same() -> None:
    assert parse_target_label("a.com, b.com=81,", "labels") == parse_target_ports(["a.com", "b.com=81"])
    assert parse_target_ports(None) == ()
    with pytest.raises(Invalid):
        parse_target_ports(["a.com"] * 101)


NAMES = ["a.com", "b.a.com", "c.b.a.com", "a.org", "b.com"]
HOSTS = ["", "*", *NAMES, "*.a.com", "*.b.a.com", "a.*", "b.a.*", "*.com"]
PATHS = ["", "/a", "/a/b", "/a/b/", "/ab", "/c"]
REQUESTED = ["", "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/c/d"]


def _oracle(rules: list[BalancerRule], port: int, host: str, path: str) -> BalancerRule | None:
    """The same from Rancher's documentation, level by level, with every rule looked at."""

    def host_fits(pattern: str) -> bool:
        if pattern[:2] == "*.":
            return host[-len(pattern) + 1 :] == pattern[1:] and len(host) >= len(pattern)
        return host[: len(pattern) - 1] == pattern[:-1] and len(host) >= len(pattern)

    def path_fits(prefix: str) -> bool:
        parts, wanted = path.split("/"), prefix.rstrip("/").split("/")
        return parts[: len(wanted)] == wanted

    exact = [each for each in rules if each.port == port and each.host == host]
    wild = [each for each in rules if each.port == port and len(each.host) > 1 and "*" in each.host]
    wild = [each for each in wild if host_fits(each.host)]
    anyone = [each for each in rules if each.port == port and each.host in {"", "*"}]
    for group in (exact, wild, anyone):
        with_path = [each for each in group if each.path and path_fits(each.path)]
        without_path = [each for each in group if not each.path]
        for found in (with_path, without_path):
            if found:
                longest = max(len(each.path) for each in found)
                deepest = [each for each in found if len(each.path) == longest]
                return min(deepest, key=lambda each: (-len(each.host), each.host))
    return None


RULE = st.builds(BalancerRule, st.sampled_from([80, 81]), st.sampled_from(HOSTS), st.sampled_from(PATHS), st.just("b"))


@given(
    st.lists(RULE, max_size=12, unique=True),
    st.sampled_from([80, 81, 82]),
    st.sampled_from(NAMES),
    st.sampled_from(REQUESTED),
    st.sampled_from(["", ":80", ":8080"]),
)
def test_the_chosen_rule_is_the_first_of_ranchers_six_levels(
    rules: list[BalancerRule], port: int, host: str, path: str, asked_port: str
) -> None:
    expected = _oracle(rules, port, host, path)
    chosen = choose_rule(in_order(rules), port, host.upper() + asked_port, path)
    assert (chosen is None) == (expected is None)
    if chosen is not None and expected is not None:
        assert (chosen.level, chosen.path, chosen.has_host and chosen.host) == (
            expected.level,
            expected.path,
            expected.has_host and expected.host,
        )
