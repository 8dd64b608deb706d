"""The settings page: current values, validation by type, reset, and the risky ones behind a warning."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.defaults import DEFAULTS, setting
from apps.core.models import Setting

HX = {"HX-Request": "true"}
PAGE = "/admin/settings"


def test_every_setting_is_on_the_page_but_those_with_one_of_their_own(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    for name, known in DEFAULTS.items():
        assert (f'id="setting-{name}"' in page) is not known.has_own_page, name


def test_harmful_ones_stand_behind_a_warning(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    warning = page.index("may stop working")
    for name, known in DEFAULTS.items():
        if not known.has_own_page:
            assert (page.index(f'id="setting-{name}"') > warning) is known.advanced, name


def test_each_kind_has_its_own_way_of_being_typed(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    line = {
        name: page[page.index(f'id="setting-{name}"') :].split("</tr>")[0]
        for name in DEFAULTS
        if f'"setting-{name}"' in page
    }
    assert "<select" in line["host.policy.default"]
    assert 'type="number"' in line["retention.audit.days"]
    assert 'min="0"' in line["retention.audit.days"]
    assert 'type="text"' in line["api.host"]


def test_a_setting_is_changed_and_put_back(browser_as: Any, people: Any):
    root = browser_as("root")
    assert root.post(f"{PAGE}/retention.operations.days", {"value": "30"}, headers=HX).status_code == 204
    assert setting("retention.operations.days") == "30"
    page = root.get(PAGE).content.decode()
    assert "changed" in page
    assert "Reset" in page
    assert root.post(f"{PAGE}/retention.operations.days", {"value": ""}, headers=HX).status_code == 204
    assert not Setting.objects.exists()
    assert "Reset" not in root.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.audit.days", "soon"),
        ("retention.audit.days", "-4"),
        ("host.policy.default", "open"),
        ("api.host", "a b"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_may_be(browser_as: Any, people: Any, name: str, value: str):
    answer = browser_as("root").post(f"{PAGE}/{name}", {"value": value}, headers=HX)
    assert answer.status_code == 422
    assert b"value" in answer.content
    assert not Setting.objects.exists()


def test_retention_tells_how_much_it_holds(browser_as: Any, people: Any):
    page = browser_as("root").get(PAGE).content.decode()
    line = page[page.index('id="setting-retention.operations.days"') :].split("</tr>")[0]
    assert "rows kept" in line


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "mallory"])
def test_the_page_is_for_administrators(browser_as: Any, people: Any, who: str):
    client = browser_as(who)
    assert client.get(PAGE).status_code == 404
    assert client.post(f"{PAGE}/retention.operations.days", {"value": "30"}, headers=HX).status_code == 404
    assert not Setting.objects.exists()
