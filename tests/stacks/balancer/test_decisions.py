"""What a balancer does, decided from its settings and targets: servers by health, names that stay, rules that idle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.balancer.config import DISABLED, DRAINING, READY, TCP, Listener
from apps.stacks.balancer.rules import BalancerTarget, TargetServer, backend_name, config_of, has_default, idle_rules
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort

WEB, DB = Listener(80, target_port=8080), Listener(5432, TCP, is_public=False, target_port=5432)
SETTINGS = BalancerSettings((WEB, DB))


def _target(name: str, *rules: str, states: tuple[str, ...] = (READY,)) -> BalancerTarget:
    servers = tuple(TargetServer(f"{name}-{at}", f"10.42.{len(name)}.{at}", state) for at, state in enumerate(states))
    return BalancerTarget(name, tuple(map(TargetPort.parse, rules)), servers)


def _states(target: BalancerTarget) -> list[str]:
    config = config_of(SETTINGS, [target])
    return [each.state for each in config.backend("80").servers]


def test_a_target_without_rules_takes_what_nobody_else_does_at_each_listener():
    config = config_of(SETTINGS, [_target("web"), _target("shop", "a.com/shop=99")])
    assert [(each.port, each.host, each.path) for each in config.rules] == [
        (80, "a.com", "/shop"),
        (80, "", ""),
        (5432, "", ""),
    ]
    assert [each.port for each in config.backend("80").servers] == [8080]
    assert [each.port for each in config.backend(config.rules[0].backend).servers] == [99]
    assert has_default(config, WEB)


def test_targets_with_the_same_rule_share_its_requests():
    config = config_of(SETTINGS, [_target("a", "x.com"), _target("bb", "x.com=81")])
    assert [(each.name, each.port) for each in config.backend("80-x.com").servers] == [("a-0", 8080), ("bb-0", 81)]
    assert not has_default(config, WEB)


def test_unhealthy_servers_get_nothing_unless_all_are():
    assert _states(_target("web", states=(READY, DISABLED, DRAINING))) == [READY, DISABLED, DRAINING]
    assert _states(_target("web", states=(DISABLED, DISABLED, DRAINING))) == [READY, READY, DRAINING]


def test_rules_that_no_listener_follows_are_said():
    found = idle_rules(SETTINGS, [_target("web", "81", "a.com:5432", "a.com", "5432")])
    assert [str(each.rule) for each in found] == ["81", "a.com:5432"]


def test_settings_are_stored_and_read_back():
    sent = {
        "haproxyConfig": {"global": "maxconn 5"},
        "appCookieStickinessPolicy": {"cookie": "J", "maxLength": 32, "timeout": 9, "requestLearn": True},
    }
    settings = BalancerSettings((WEB,), default_certificate=3, certificates=(4,)).with_config(sent)
    assert BalancerSettings.from_json(settings.to_json()) == settings
    assert settings.with_config(settings.config_to_wire()) == settings
    assert settings.with_config(None).app_cookie is None


REQUEST = st.tuples(st.sampled_from([80, 81]), st.text("ab.*-", max_size=4), st.text("/ab-_", max_size=4))


@given(st.lists(REQUEST, unique=True, max_size=8))
def test_each_rule_has_a_backend_of_its_own_with_a_name_that_haproxy_takes(requests: list[tuple[int, str, str]]):
    names = [backend_name(each) for each in requests]
    assert len(set(names)) == len(names)
    assert all(each.replace("-", "").replace(".", "").replace("_", "").isalnum() for each in names)
