"""The settings page: current values, validation by type, reset, and the risky ones behind a warning."""

from __future__ import annotations

from typing import Any

import pytest

from apps.console.administration.setting_sections import ADVANCED, SECTIONS
from apps.core.defaults import DEFAULTS, setting
from apps.core.models import Setting

HX = {"HX-Request": "true"}
PAGE = "/admin/settings"
RETENTION = f"{PAGE}/retention"


def test_every_setting_is_on_the_page_but_those_with_one_of_their_own(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    for name, known in DEFAULTS.items():
        assert (f'id="setting-{name}"' in page) is not known.has_own_page, name


def test_harmful_ones_stand_behind_a_warning(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    warning = page.index("wrong values can break")
    for name, known in DEFAULTS.items():
        if not known.has_own_page:
            assert (page.index(f'id="setting-{name}"') > warning) is known.advanced, name


def line_of(page: str, name: str) -> str:
    """What the page shows of one setting."""
    return page[page.index(f'id="setting-{name}"') :].split('<div class="setting"', maxsplit=1)[0]


def test_each_kind_has_its_own_way_of_being_typed(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    assert "<select" in line_of(page, "host.policy.default")
    assert 'type="number"' in line_of(page, "retention.audit.days")
    assert 'min="0"' in line_of(page, "retention.audit.days")
    assert 'type="text"' in line_of(page, "api.host")


def test_each_has_a_label_and_a_period_its_unit(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    for section in (*SECTIONS, ADVANCED):
        for name, text in section.settings.items():
            line = line_of(page, name)
            assert f'for="value-{name}"' in line
            assert str(text.label) in line
            if name.rpartition(".")[2] in {"days", "hours", "minutes", "seconds"}:
                assert text.unit == name.rpartition(".")[2]
                assert f">{text.unit}</span>" in line


def test_each_is_in_one_section_and_each_section_has_one_button_to_save(browser_as: Any, people: Any):
    named = [name for section in (*SECTIONS, ADVANCED) for name in section.settings]
    assert sorted(named) == sorted(name for name, known in DEFAULTS.items() if not known.has_own_page)
    page = browser_as("root").get(PAGE).content.decode()
    assert page.count('<button class="btn is-primary" type="submit">Save</button>') == len(SECTIONS) + 1


def test_a_setting_is_changed_and_put_back(browser_as: Any, people: Any):
    root = browser_as("root")
    assert root.post(RETENTION, {"retention.operations.days": "30"}, headers=HX).status_code == 204
    assert setting("retention.operations.days") == "30"
    page = root.get(PAGE).content.decode()
    assert "changed" in page
    assert "Reset" in page
    assert root.post(RETENTION, {"retention.operations.days": ""}, headers=HX).status_code == 204
    assert not Setting.objects.exists()
    assert "Reset" not in root.get(PAGE).content.decode()


def test_a_section_saves_what_was_changed_in_it_and_nothing_else(browser_as: Any, people: Any):
    sent = {"retention.audit.days": "30", "seen:retention.audit.days": "90"}
    same = {"retention.events.days": "14", "seen:retention.events.days": "14"}
    foreign = {"session.limit": "3", "seen:session.limit": "0"}
    assert browser_as("root").post(RETENTION, {**sent, **same, **foreign}, headers=HX).status_code == 204
    assert dict(Setting.objects.values_list("name", "value")) == {"retention.audit.days": "30"}


def test_a_section_is_saved_as_a_whole_or_not_at_all(browser_as: Any, people: Any):
    sent = {"retention.audit.days": "30", "retention.stats.hours": "1"}
    answer = browser_as("root").post(RETENTION, sent, headers=HX)
    assert answer.status_code == 422
    assert "Statistics" in answer.content.decode()
    assert not Setting.objects.exists()


def test_one_is_reset_and_what_else_was_typed_is_not_saved(browser_as: Any, people: Any):
    root = browser_as("root")
    root.post(RETENTION, {"retention.audit.days": "30", "retention.stats.hours": "72"}, headers=HX)
    sent = {"retention.audit.days": "30", "retention.stats.hours": "96", "reset": "retention.audit.days"}
    assert root.post(RETENTION, sent, headers=HX).status_code == 204
    assert dict(Setting.objects.values_list("name", "value")) == {"retention.stats.hours": "72"}


@pytest.mark.parametrize(
    ("section", "name", "value", "label"),
    [
        ("retention", "retention.audit.days", "soon", "Audit log"),
        ("retention", "retention.audit.days", "-4", "Audit log"),
        ("hosts", "host.policy.default", "open", "Default host policy"),
        ("hosts", "api.host", "a b", "Address of this portal"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_it_may_be(
    browser_as: Any, people: Any, section: str, name: str, value: str, label: str
):
    answer = browser_as("root").post(f"{PAGE}/{section}", {name: value}, headers=HX)
    assert answer.status_code == 422
    assert answer.content.decode().startswith(f"{label}: ")
    assert not Setting.objects.exists()


def test_retention_tells_how_much_it_holds(browser_as: Any, people: Any):
    assert "rows kept" in line_of(browser_as("root").get(PAGE).content.decode(), "retention.operations.days")


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "mallory"])
def test_the_page_is_for_administrators(browser_as: Any, people: Any, who: str):
    client = browser_as(who)
    assert client.get(PAGE).status_code == 404
    assert client.post(RETENTION, {"retention.operations.days": "30"}, headers=HX).status_code == 404
    assert not Setting.objects.exists()


SESSION = "api.auth.jwt.token.expiry"


def test_a_period_is_typed_in_minutes_whatever_the_api_has(browser_as: Any, people: Any):
    browser = browser_as("root")
    line = line_of(browser.get(PAGE).content.decode(), SESSION)
    assert 'value="960"' in line
    assert 'min="1"' in line
    assert ">minutes</span>" in line
    unchanged = {SESSION: "960", f"seen:{SESSION}": "57600000"}
    assert "Nothing was changed" in browser.post(f"{PAGE}/log-in", unchanged, headers=HX).headers["HX-Trigger"]
    browser.post(f"{PAGE}/log-in", {**unchanged, SESSION: "30.5"}, headers=HX)
    assert setting(SESSION) == "1830000"
    assert 'value="30.5"' in line_of(browser.get(PAGE).content.decode(), SESSION)


@pytest.mark.parametrize("typed", ["0.5", "99999999999", "-3", "many"])
def test_a_period_beyond_its_limits_is_refused_in_the_unit_of_the_page(browser_as: Any, people: Any, typed: str):
    sent = {SESSION: typed, f"seen:{SESSION}": "57600000"}
    answer = browser_as("root").post(f"{PAGE}/log-in", sent, headers=HX)
    assert answer.status_code == 422
    assert (
        "Longest session: a number from 1 to 1666666.667, in minutes." in str(answer.headers) + answer.content.decode()
    )
    assert setting(SESSION) == "57600000"
