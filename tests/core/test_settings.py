"""The installation's settings: known names, texts, administrators."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.core.defaults import DEFAULTS, MAX_SETTING_LENGTH, setting
from apps.core.errors import Forbidden, Invalid
from apps.core.models import Setting
from apps.core.services import setting_reset, setting_write

NAME = "api.host"


def test_an_administrator_sets_it_and_puts_it_back(actor_of: Any) -> None:
    setting_write(NAME, "http://portal", actor=actor_of("root"))
    assert setting(NAME) == "http://portal"
    setting_reset(NAME, actor=actor_of("root"))
    assert (setting(NAME), Setting.objects.count()) == (DEFAULTS[NAME].value, 0)
    events = AuditEntry.all_objects.order_by("-pk").values_list("event", flat=True)[:2]
    assert list(events) == ["setting.delete", "setting.update"]


def test_networks_are_split_by_commas_and_spaces(actor_of: Any) -> None:
    setting_write("catalog.private.networks", "10.1.2.3/8, 192.168.7.0/24  fd00::/8", actor=actor_of("root"))
    assert setting("catalog.private.networks").split() == ["10.0.0.0/8", "192.168.7.0/24", "fd00::/8"]


@pytest.mark.parametrize("who", ["alice", "rita", "mallory"])
def test_nobody_else_does(who: str, actor_of: Any) -> None:
    with pytest.raises(Forbidden):
        setting_write(NAME, "x", actor=actor_of(who))
    with pytest.raises(Forbidden):
        setting_reset(NAME, actor=actor_of(who))
    assert Setting.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "value"), [("no.such", "x"), (NAME, 7), (NAME, None), (NAME, "x" * (MAX_SETTING_LENGTH + 1))]
)
def test_a_bad_name_or_value_is_refused(name: str, value: Any, actor_of: Any) -> None:
    with pytest.raises(Invalid):
        setting_write(name, value, actor=actor_of("root"))
    assert Setting.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.audit.days", "-1"),
        ("retention.audit.days", "soon"),
        ("retention.audit.days", ""),
        ("retention.operations.days", "0"),
        ("retention.removed.hours", "1.5"),
        ("host.policy.default", "open"),
        ("host.policy.default", ""),
        ("help.enabled", "yes"),
        ("catalog.private.networks", "10.0.0.0/99"),
        ("catalog.private.networks", "10.0.0.0/8;192.168.0.0/16"),
        ("catalog.private.networks", "169.254.169.254"),
        ("catalog.private.networks", "10.0.0.0/8 fe80::/10"),
        ("catalog.private.networks", "224.0.0.0/4"),
        ("api.host", "not an address"),
        ("api.host", "ftp://x"),
        ("rancher.compose.linux.url", "a b"),
        ("bootstrap.required.image", "an image"),
        ("api.sub.ping.interval.millis", "1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_it_may_be(name: str, value: str, actor_of: Any) -> None:
    with pytest.raises(Invalid) as refused:
        setting_write(name, value, actor=actor_of("root"))
    assert refused.value.field == "value"
    assert len(refused.value.message) > 10
    assert Setting.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.audit.days", "0"),
        ("retention.audit.days", "36500"),
        ("host.policy.default", "permissive"),
        ("api.host", ""),
        ("api.host", "portal.example:8080"),
        ("api.host", "https://[2001:db8::1]:8443/corral"),
        ("bootstrap.required.image", "registry.example/corral/agent@sha256:" + "0" * 64),
    ],
)
def test_a_value_of_the_right_kind_is_kept(name: str, value: str, actor_of: Any) -> None:
    setting_write(name, value, actor=actor_of("root"))
    assert setting(name) == value


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_a_value_that_could_be_set(name: str) -> None:
    assert DEFAULTS[name].check(DEFAULTS[name].value) == DEFAULTS[name].value


@pytest.mark.parametrize("name", [name for name, known in DEFAULTS.items() if not known.advanced and not known.public])
def test_every_setting_that_people_change_says_what_it_does(name: str) -> None:
    assert DEFAULTS[name].about
