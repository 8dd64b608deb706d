"""The installation's settings: known names, texts, administrators."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.core.defaults import DEFAULTS, setting
from apps.core.errors import Forbidden, Invalid
from apps.core.models import Setting
from apps.core.services import LONGEST, setting_reset, setting_write

NAME = "api.host"


def test_an_administrator_sets_it_and_puts_it_back(actor_of: Any) -> None:
    setting_write(NAME, "http://portal", actor=actor_of("root"))
    assert setting(NAME) == "http://portal"
    setting_reset(NAME, actor=actor_of("root"))
    assert (setting(NAME), Setting.objects.count()) == (DEFAULTS[NAME].value, 0)
    events = AuditEntry.all_objects.order_by("-pk").values_list("event", flat=True)[:2]
    assert list(events) == ["setting.delete", "setting.update"]


@pytest.mark.parametrize("who", ["alice", "rita", "mallory"])
def test_nobody_else_does(who: str, actor_of: Any) -> None:
    with pytest.raises(Forbidden):
        setting_write(NAME, "x", actor=actor_of(who))
    with pytest.raises(Forbidden):
        setting_reset(NAME, actor=actor_of(who))
    assert Setting.objects.count() == 0


@pytest.mark.parametrize(("name", "value"), [("no.such", "x"), (NAME, 7), (NAME, None), (NAME, "x" * (LONGEST + 1))])
def test_a_bad_name_or_value_is_refused(name: str, value: Any, actor_of: Any) -> None:
    with pytest.raises(Invalid):
        setting_write(name, value, actor=actor_of("root"))
    assert Setting.objects.count() == 0
