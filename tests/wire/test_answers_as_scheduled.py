"""An answer shows the state after scheduling, before finishing, also where a worker was faster than the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.api.wire import dispatch
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Stack
from tests.wire.api_client import ApiClient

FILE = "web:\n  image: bb:local\ndb:\n  image: bb:local\n"


@pytest.fixture
def fast_api(api_of: Any, lab: Environment, host: Host, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """Alice's requests, with a loop that has done everything before the answer is written."""
    slow: Callable[..., Any] = dispatch.reload_row

    def reload_row(*arguments: Any) -> Any:
        reconcile_until_idle()
        return slow(*arguments)

    monkeypatch.setattr(dispatch, "reload_row", reload_row)
    found: ApiClient = api_of("alice").inside(lab)
    return found


def test_a_stack_whose_services_are_started_is_activating(fast_api: ApiClient):
    made = fast_api.post("environments", {"name": "shop", "dockerCompose": FILE, "startOnCreate": True})
    assert (made["state"], made["transitioning"]) == ("activating", "yes")
    assert Stack.all_objects.get().display_state == "active"


def test_a_service_is_registering_activating_updating_deactivating_and_removing(fast_api: ApiClient):
    stack = fast_api.post("environments", {"name": "shop"})
    config = {"launchConfig": {"imageUuid": "docker:bb:local"}}
    made = fast_api.post("services", {"name": "web", "environmentId": stack["id"], **config})
    path = f"services/{made['id']}"
    started = fast_api.post(f"{path}?action=activate", {})
    changed = fast_api.put(path, {"description": "another"})
    answers = [started, changed, fast_api.post(f"{path}?action=deactivate", {}), fast_api.delete(path)]
    assert [each.status for each in answers] == [202, 200, 202, 200], answers
    shown = [(each["state"], each["transitioning"]) for each in (made, *answers)]
    states = ("registering", "activating", "updating-active", "deactivating", "removing")
    assert shown == [(state, "yes") for state in states]


def test_an_action_that_changes_nothing_wanted_shows_the_row_as_it_is(fast_api: ApiClient):
    stack = fast_api.post("environments", {"name": "shop", "dockerCompose": FILE})
    answer = fast_api.post(f"environments/{stack['id']}?action=activateservices", {})
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "active", "no")
