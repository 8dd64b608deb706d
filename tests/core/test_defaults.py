"""Settings of the installation: what is in force when nobody set it, and what an admin's word changes."""

from __future__ import annotations

import pytest

from apps.core.defaults import DEFAULTS, setting, setting_int
from apps.core.models import Setting


@pytest.mark.parametrize("name", DEFAULTS)
def test_without_a_word_the_default_is_in_force(db: None, name: str):
    assert setting(name) == DEFAULTS[name].value


def test_an_unknown_setting_is_empty(db: None):
    assert setting("no.such") == ""


def test_an_admins_word_wins_even_when_it_is_empty(db: None):
    Setting.objects.create(name="api.host", value="https://corral.example")
    Setting.objects.create(name="help.enabled", value="")
    assert setting("api.host") == "https://corral.example"
    assert setting("help.enabled") == ""


def test_a_number_that_is_none_counts_as_the_default(db: None):
    Setting.objects.create(name="retention.audit.days", value="soon")
    assert setting_int("retention.audit.days") == 90
    Setting.objects.filter(name="retention.audit.days").update(value="7")
    assert setting_int("retention.audit.days") == 7


def test_nothing_secret_is_public():
    public = {name for name, default in DEFAULTS.items() if default.public}
    assert not {name for name in public if name.startswith(("api.", "retention."))}
