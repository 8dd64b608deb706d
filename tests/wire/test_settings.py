"""`setting` (section 4.7): validated values, where they come from, and what other callers see."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.defaults import DEFAULTS


def test_an_administrator_sees_where_a_value_comes_from(api_of: Any, people: Any):
    root = api_of("root")
    before = root.get("settings/retention.audit.days")
    assert (before["source"], before["inDb"], before["activeValue"]) == ("Code Packaged Defaults", False, "90")
    root.put("settings/retention.audit.days", {"value": "30"})
    after = root.get("settings/1s!retention.audit.days")
    assert (after["source"], after["inDb"], after["activeValue"], after["value"]) == ("Database", True, "30", "30")
    assert root.delete("settings/retention.audit.days")["activeValue"] == "90"
    assert root.get("settings/retention.audit.days")["inDb"] is False


def test_a_post_of_a_known_name_is_an_update(api_of: Any, people: Any):
    root = api_of("root")
    for value in ("20", "21"):
        assert root.post("settings", {"name": "retention.audit.days", "value": value}).status == 201
    assert root.get("settings/retention.audit.days")["value"] == "21"


@pytest.mark.parametrize(
    ("name", "value"),
    [("retention.audit.days", "x"), ("host.policy.default", "none"), ("help.enabled", "1"), ("api.host", "a b")],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_wrong_value_is_refused_by_either_method(api_of: Any, people: Any, method: str, name: str, value: str):
    root = api_of("root")
    path = f"settings/{name}" if method == "PUT" else "settings"
    refused = root.call(method, path, {"name": name, "value": value})
    assert (refused.status, refused["fieldName"]) == (422, "value")
    assert root.get(f"settings/{name}")["value"] in {DEFAULTS[name].value, None}


@pytest.mark.parametrize("who", ["alice", "rita", "mallory"])
def test_other_callers_see_public_settings_without_their_source(api_of: Any, people: Any, who: str):
    api = api_of(who)
    listed = api.get("settings")["data"]
    assert {each["name"] for each in listed} == {name for name, known in DEFAULTS.items() if known.public}
    assert not any("source" in each or "inDb" in each for each in listed)
    assert api.get("settings/retention.audit.days")["value"] is None
    assert api.put("settings/retention.audit.days", {"value": "1"}).status == 405


def test_administrators_get_the_short_list_on_request(api_of: Any, people: Any):
    root = api_of("root")
    assert len(root.get("settings?all=false")["data"]) < 18
    assert len(root.get("settings")["data"]) == len(DEFAULTS)
