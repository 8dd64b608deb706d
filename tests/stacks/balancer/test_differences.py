"""What is said of two states of a balancer: rules, listeners, certificates, stickiness and custom lines in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.balancer.config import HTTPS, AppCookieStickiness, CookieStickiness, CustomText, Listener
from apps.stacks.balancer.differences import BalancerState, diff_balancers
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort

PLAIN = BalancerSettings((Listener(80, target_port=8080),))


def _said(before: BalancerState, after: BalancerState) -> list[tuple[str, str, str, str]]:
    found = diff_balancers(before, after, {7: "shop", 8: "blog"})
    return [(each.name, each.change, each.before, each.after) for each in found]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a.com"], ["a.com", "/api=81"], ("Rule: /api", "added", "", "web at 81")),
        (["a.com"], [], ("Rule: everything else", "added", "", "web")),
        (["a.com", "b.com:80/x"], ["a.com"], ("Rule: b.com/x on 80", "removed", "web", "")),
        (["a.com=81"], ["a.com=82"], ("Rule: a.com", "changed", "web at 81", "web at 82")),
    ],
)
def test_a_rule_that_came_went_or_leads_elsewhere(before: list[str], after: list[str], said: tuple[str, ...]):
    found = _said(BalancerState(PLAIN, {"web": before}), BalancerState(PLAIN, {"web": after}))
    assert said in found


def test_a_rule_of_several_targets_names_them_all():
    before, after = {"web": ["a.com"], "old": ["a.com"]}, {"web": ["a.com"]}
    found = _said(BalancerState(PLAIN, before), BalancerState(PLAIN, after))
    assert found == [("Rule: a.com", "changed", "old, web", "web")]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            replace(PLAIN, listeners=(Listener(80, target_port=8080), Listener(443, HTTPS, target_port=8080))),
            ("Listener: 443", "added", "", "HTTPS, public, to port 8080"),
        ),
        (
            replace(PLAIN, listeners=(Listener(80, proxy_protocol=True, is_public=False),)),
            ("Listener: 80", "changed", "HTTP, public, to port 8080", "HTTP, internal, proxy protocol, to port 80"),
        ),
        (replace(PLAIN, default_certificate=7), ("Certificate", "added", "", "shop")),
        (replace(PLAIN, certificates=(8,)), ("Alternate certificate: blog", "added", "", "blog")),
        (replace(PLAIN, certificates=(9,)), ("Alternate certificate: 1c9", "added", "", "1c9")),
        (
            replace(PLAIN, cookie=CookieStickiness("C", domain=".a.com", nocache=True)),
            ("Stickiness", "added", "", "a new cookie C, insert, .a.com, nocache"),
        ),
        (
            replace(PLAIN, app_cookie=AppCookieStickiness("S", 9, 50, prefix=True)),
            ("Stickiness", "added", "", "the application's cookie S, path_parameters, 9 letters for 50 ms, prefix"),
        ),
        (replace(PLAIN, custom=CustomText("maxconn 9")), ("haproxy.cfg global", "added", "", "maxconn 9")),
        (replace(PLAIN, custom=CustomText("", "x y")), ("haproxy.cfg defaults", "added", "", "x y")),
    ],
)
def test_a_setting_that_came_or_went(after: BalancerSettings, said: tuple[str, ...]):
    assert _said(BalancerState(PLAIN), BalancerState(after)) == [said]
    (back,) = _said(BalancerState(after), BalancerState(PLAIN))
    assert (back[0], back[2], back[3]) == (said[0], said[3], said[2])


@pytest.mark.parametrize(
    "line", ["stats auth me:hunter2", "user hunter2", "setenv DB_PASSWORD hunter2", "x token=hunter2"]
)
def test_a_line_that_may_hold_a_secret_is_not_shown_whole(line: str):
    found = _said(BalancerState(PLAIN), BalancerState(replace(PLAIN, custom=CustomText(line))))
    assert found == [("haproxy.cfg global", "added", "", f"{line.split(maxsplit=1)[0]} ...")]


def test_a_selector_is_compared():
    assert _said(BalancerState(PLAIN), BalancerState(PLAIN, selector="a=b")) == [("Selector", "added", "", "a=b")]


RULES = st.lists(
    st.builds(
        TargetPort, st.sampled_from(["", "a.com", "*.a.com"]), st.sampled_from([None, 80]), st.sampled_from(["", "/x"]),
        st.sampled_from([None, 81]),
    ).map(str),
    max_size=3, unique=True,
)  # fmt: skip
TARGETS = st.dictionaries(st.sampled_from(["web", "api"]), RULES, max_size=2)


@given(TARGETS, TARGETS)
def test_nothing_is_said_of_what_is_the_same_and_something_of_any_other(
    before: dict[str, list[str]], after: dict[str, list[str]]
):
    def requests(targets: dict[str, list[str]]) -> set[tuple[str, str]]:
        return {(name, rule) for name, rules in targets.items() for rule in rules or ["*"]}

    found = _said(BalancerState(PLAIN, before), BalancerState(PLAIN, after))
    assert bool(found) == (requests(before) != requests(after))
