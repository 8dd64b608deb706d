"""What `up` requests for each preview, in which order, and what it says meanwhile; against a portal of a few lines."""

from __future__ import annotations

import io
from typing import Any

import pytest

from corral_cli.compose_files import ComposeFiles
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.stack_up import StackUp, UpRequest
from corral_cli.terminal import UserTerminal
from corral_cli.waiting import Waiter

FILES = ComposeFiles("web: {image: web}", "", ("docker-compose.yml",))


def step(name: str, change: str, problem: str = "") -> dict[str, Any]:
    """A service in the preview of an upgrade."""
    return {"name": name, "change": change, "problem": problem or None, "images": [f"{name}:1"], "labels": {}}


class StackPortal:
    """One stack with services that run; `steps` is what a preview answers, `states` what the stack is at each look."""

    def __init__(self, *steps: dict[str, Any], states: tuple[str, ...] = ("active",)) -> None:
        self._steps = steps
        self._states = list(states)
        self.acts: list[tuple[str, dict[str, Any]]] = []
        self.posts: list[str] = []

    @property
    def stack(self) -> dict[str, Any]:
        """As it is now."""
        state = self._states[0]
        names = {
            "active": ("previewupgrade", "upgrade"),
            "upgrading": ("previewupgrade", "upgrade", "cancelupgrade"),
            "upgraded": ("previewupgrade", "upgrade", "finishupgrade", "rollback"),
        }.get(state, ())
        return {
            "id": "1e1",
            "type": "environment",
            "name": "shop",
            "state": state,
            "transitioning": "yes" if state.endswith("ing") else "no",
            "actions": dict.fromkeys(names, "url"),
            "environment": {},
        }

    def list_all(self, path: str, **_query: Any) -> list[dict[str, Any]]:
        if path == "environments":
            return [self.stack]
        return [self._service(each["name"]) for each in self._steps]

    def _service(self, name: str) -> dict[str, Any]:
        return {"id": "1s1", "type": "service", "name": name, "state": "active", "transitioning": "no", "actions": {}}

    def act(self, _resource: Any, action: str, body: Any = None) -> dict[str, Any]:
        if action == "previewupgrade":
            return {"services": list(self._steps), "warnings": []}
        self.acts.append((action, dict(body or {})))
        meant = (body or {}).get("services") or [each["name"] for each in self._steps]
        replaced = {each["name"] for each in self._steps if each["change"] in {"upgrade", "remove"}}
        if action == "upgrade" and replaced & set(meant):
            self._states = ["upgraded"]
        elif action == "finishupgrade":
            self._states = ["active"]
        return self.stack

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        self.posts.append(path)
        done = {"transitioning": "no", "status": {"h1": "Done"}, "state": "active"}
        return {"id": "1go1", "type": "pullTask", **(body or {}), **done}

    def reload(self, resource: Any) -> dict[str, Any]:
        if resource["type"] != "environment":
            return dict(resource)
        if len(self._states) > 1:
            self._states.pop(0)
        return self.stack


def up(portal: StackPortal, **more: Any) -> list[str]:
    """Bring the stack up; what was said."""
    err = io.StringIO()
    terminal = UserTerminal(io.StringIO(), err, io.StringIO(), {}, sleep=lambda _seconds: None, now=lambda: 0.0)
    api: Any = portal
    run = StackUp(api, ComposeLog(terminal, "shop"), Waiter(api, terminal))
    run.run(UpRequest("shop", FILES, **more))
    return [line.partition("msg=")[2].strip('"') for line in err.getvalue().splitlines() if "msg=" in line]


def requested(portal: StackPortal) -> list[str]:
    return [action for action, _body in portal.acts]


def test_nothing_is_requested_where_nothing_changes():
    portal = StackPortal(step("web", "unchanged"))
    up(portal, upgrade=True, confirm=True)
    assert (requested(portal), portal.posts) == ([], [])


def test_what_is_created_or_changed_in_place_needs_no_confirmation():
    portal = StackPortal(step("web", "update"), step("db", "create"))
    said = up(portal)
    assert requested(portal) == ["upgrade"]
    assert "Creating service db" in said
    assert "Updating web" in said


def test_what_is_replaced_waits_for_its_confirmation():
    portal = StackPortal(step("web", "upgrade"))
    up(portal, upgrade=True)
    assert requested(portal) == ["upgrade"]
    portal = StackPortal(step("web", "upgrade"))
    up(portal, upgrade=True, confirm=True)
    assert requested(portal) == ["upgrade", "finishupgrade"]


def test_without_upgrade_only_what_is_not_replaced_is_done():
    portal = StackPortal(step("web", "upgrade"), step("old", "remove"), step("db", "create"))
    said = up(portal, remove_missing=True)
    ((action, body),) = portal.acts
    assert (action, body["services"], body["removeMissing"]) == ("upgrade", ["db"], False)
    assert [line for line in said if "out of sync" in line] == [
        "Service web is out of sync with the local configuration file; use --upgrade",
        "Service old is out of sync with the local configuration file; use --upgrade",
    ]


def test_flags_reach_the_portal():
    portal = StackPortal(step("web", "upgrade"))
    strategy = {"batchSize": 3, "intervalMillis": 500}
    up(portal, upgrade=True, force=True, strategy=strategy, note="why", services=("web",))
    ((_action, body),) = portal.acts
    assert (body["force"], body["batchSize"], body["intervalMillis"]) == (True, 3, 500)
    assert (body["note"], body["services"]) == ("why", ["web"])


def test_only_what_is_made_anew_is_pulled_before():
    portal = StackPortal(step("web", "upgrade"), step("db", "unchanged"), step("new", "create"))
    said = up(portal, upgrade=True, pull=True)
    assert portal.posts == ["pulltasks", "pulltasks"]
    assert [line for line in said if line.startswith("Finished pulling")] == [
        "Finished pulling web:1",
        "Finished pulling new:1",
    ]


def test_what_is_not_possible_is_refused_before_anything_is_said_to_begin():
    portal = StackPortal(step("web", "upgrade", "web: it is locked."))
    with pytest.raises(CliError, match="it is locked") as refused:
        up(portal, upgrade=True)
    assert refused.value.code is ExitCode.REFUSED
    assert requested(portal) == []


def test_what_stands_in_the_way_of_others_only_does_not_matter():
    portal = StackPortal(step("web", "upgrade", "web: it is locked."), step("db", "create"))
    up(portal)
    assert requested(portal) == ["upgrade"]


def test_an_upgrade_under_way_is_waited_for_and_confirmed():
    portal = StackPortal(step("web", "unchanged"), states=("upgrading", "upgrading", "upgraded"))
    up(portal, upgrade=True, confirm=True)
    assert requested(portal) == ["finishupgrade"]


def test_an_upgrade_under_way_that_is_not_to_be_confirmed_is_left_to_people():
    portal = StackPortal(step("web", "unchanged"), states=("upgrading", "upgraded"))
    said = up(portal, upgrade=True)
    assert requested(portal) == []
    assert "was under way and has ended" in said[-1]


def test_an_upgrade_under_way_is_replaced_by_another_file():
    portal = StackPortal(step("web", "upgrade"), states=("upgrading",))
    said = up(portal, upgrade=True, confirm=True)
    assert requested(portal) == ["upgrade", "finishupgrade"]
    assert "takes its place" in said[0]


def test_the_same_command_again_goes_on_with_its_upgrade_though_it_is_forced():
    portal = StackPortal(step("web", "unchanged"), states=("upgrading", "upgraded"))
    up(portal, upgrade=True, confirm=True, force=True)
    assert requested(portal) == ["finishupgrade"]


def test_an_upgrade_under_way_is_left_alone_without_upgrade():
    portal = StackPortal(step("web", "upgrade"), states=("upgrading", "active"))
    assert any("out of sync" in line for line in up(portal))
    assert requested(portal) == []


def test_an_upgrade_that_had_ended_may_be_replaced():
    portal = StackPortal(step("web", "upgrade"), states=("upgraded",))
    up(portal, upgrade=True, replaces=True)
    assert requested(portal) == ["upgrade"]


def test_an_upgrade_that_had_ended_before_is_in_the_way_of_another():
    with pytest.raises(CliError, match="--confirm-upgrade or") as refused:
        up(StackPortal(step("web", "upgrade"), states=("upgraded",)), upgrade=True)
    assert refused.value.code is ExitCode.REFUSED
