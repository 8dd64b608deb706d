"""Every action in every state of every kind of service, over the API: allowed and led to its end, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import row_number
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service
from tests.wire import state_machine as machine
from tests.wire.api_client import ApiClient, ApiResponse
from tests.wire.state_walk import INTERVAL_MS, MovedClock, Walk

OLD, NEW = {"imageUuid": "docker:bb:local"}, {"imageUuid": "docker:bb:new"}
SIDEKICK = {"name": "logger", **OLD}

# kind: its collection, and what is sent besides name and stack
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "containers": ("services", {"scale": 2, "launchConfig": OLD}),
    "one on each host": (
        "services",
        {"launchConfig": {**OLD, "labels": {"io.rancher.scheduler.global": "true"}}},
    ),
    "jobs": (
        "services",
        {"scale": 2, "launchConfig": {**OLD, "labels": {"io.rancher.container.start_once": "true"}}},
    ),
    "as many as fit": ("services", {"scalePolicy": {"min": 1, "max": 2, "increment": 1}, "launchConfig": OLD}),
    "with sidekicks": ("services", {"scale": 2, "launchConfig": OLD, "secondaryLaunchConfigs": [SIDEKICK]}),
    "selected containers": (
        "services",
        {"launchConfig": {"imageUuid": "docker:rancher/none"}, "selectorContainer": "a=b"},
    ),
    "external": ("externalservices", {"externalIpAddresses": ["192.0.2.7"]}),
    "alias": ("dnsservices", {}),
}
WITHOUT_CONTAINERS = ("selected containers", "external", "alias")
NEEDS_CONTAINERS = {"upgrade", "restart", "returntorevision"}
STEPS = machine.parse(machine.SERVICE_CONTRACT, machine.SERVICE_WIDER)
ACTIONS = {*machine.LINK_ACTIONS, "returntorevision", *(action for _state, action in STEPS)}  # more than v1's are there
STACK_STEPS = machine.parse(machine.STACK_CONTRACT, machine.STACK_WIDER)
STACK_ACTIONS = {"exportconfig", *(action for _state, action in STACK_STEPS)}
LINKABLE = {state for state, action in STEPS if action == "remove"}
BUTTONS = {
    "activate": "do/activate",
    "deactivate": "do/deactivate",
    "finishupgrade": "do/finishupgrade",
    "rollback": "do/rollback",
    "cancelupgrade": "do/cancelupgrade",
    "cancelrollback": "do/cancelrollback",
    "restart": "restart",
    "upgrade": "upgrade",
    "update": "edit",
    "remove": "remove",
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    made = MovedClock()
    monkeypatch.setattr(timezone, "now", made.now)
    return made


@pytest.fixture
def walk(api: ApiClient, host: Host, lab: Environment, sim: SimulatedDriver, clock: MovedClock) -> Walk:
    """A walk in a lab of two hosts that have both images."""
    host_create(actor=None, environment=lab, url="sim://lab2", name="lab-2")
    reconcile_until_idle()
    engines = [sim, engine.simulated_engine("lab2")]
    for each in engines:
        each.local_images.add("bb:new")
    return Walk(api, clock, engines)


def says_what_to_do(refusal: ApiResponse) -> bool:
    """Whether it says more than that this state does not allow it: what to do first, or why it never is."""
    return (
        re.search(r"Not possible: |Not possible while it is [a-z-]+\. [A-Z].+\.$", refusal.body["message"]) is not None
    )


class ServiceWalk:
    """One kind of service on its walk, and everything about it that is not as the table says."""

    def __init__(self, walk: Walk, kind: str, page: Callable[[str], str]) -> None:
        self.walk, self.kind, self.page, self.api = walk, kind, page, walk.api
        self.wrong: list[str] = []
        self.seen: list[str] = []
        stack = self.api.post("environments", {"name": "shop"})
        config = {"launchConfig": OLD, "environmentId": stack["id"]}
        self.other = self.api.post("services", {"name": "other", **config})["id"]
        collection, fields = KINDS[kind]
        made = self.api.post(collection, {"name": "web", "environmentId": stack["id"], **fields})
        assert made.status == 201, made.body
        assert made["state"] == "registering"
        walk.path = f"{collection}/{made['id']}"
        walk.after_rest = self.end_jobs
        self.actions = ACTIONS & set(self.api.get(f"schemas/{made['type']}")["resourceActions"])

    def end_jobs(self) -> None:
        if self.kind == "jobs":
            for each in self.walk.engines:
                for box in each.snapshots():
                    if box.state == "running":
                        each.crash(box.id, 0)

    def row(self) -> Service:
        found: Service = Service.all_objects.get(pk=row_number(self.walk.path.rpartition("/")[2]))
        return found

    def expect(self, state: str, action: str) -> machine.Step | None:
        """Where the action leads from here; None when it is refused."""
        if self.kind in WITHOUT_CONTAINERS and action in NEEDS_CONTAINERS:
            return None
        if action == "returntorevision":
            action = "upgrade"
        if action in machine.LINK_ACTIONS:
            return machine.Step(state, state) if state in LINKABLE else None
        found = STEPS.get((state, action))
        return found.of(self.row().desired) if found else None

    def body(self, action: str) -> dict[str, Any]:
        """A valid input of the action."""
        batches = {"batchSize": 1, "intervalMillis": INTERVAL_MS}
        link = {"serviceId": self.other, "name": "other"}
        config = {**KINDS[self.kind][1].get("launchConfig", {}), **NEW}
        changed: dict[str, Any] = {"launchConfig": config}
        if self.kind == "with sidekicks":
            changed["secondaryLaunchConfigs"] = [{**SIDEKICK, **NEW}]
        bodies: dict[str, dict[str, Any]] = {
            "update": {"description": "another"},
            "upgrade": {"inServiceStrategy": {**changed, **batches}},
            "restart": {"rollingRestartStrategy": batches},
            "setservicelinks": {"serviceLinks": [link]},
            "addservicelink": {"serviceLink": link},
            "removeservicelink": {"serviceLink": link},
            "returntorevision": {"revision": 99},
        }
        return bodies.get(action, {})

    def act(self, action: str) -> ApiResponse:
        return self.api.post(f"{self.walk.path}?action={action}", self.body(action))

    def look(self, place: str) -> None:
        """Everything about one state: what is offered, and what each action does."""
        state = place.partition(",")[0]
        self.seen.append(place)
        row = self.walk.row()
        if row["state"] != state:
            self.wrong.append(f"{place}: is {row['state']}")
            return
        allowed = {action for action in self.actions if self.expect(state, action)}
        offered_now = ACTIONS & set(row["actions"])
        if offered_now != allowed:
            self.wrong.append(f"{place}: offers {sorted(offered_now ^ allowed)} wrongly or not")
        self.check_buttons(place, allowed)
        offered = {action: self.expect(state, action) for action in self.actions}
        for action in sorted({*self.actions, *machine.LINK_ACTIONS, "explode"}):
            if step := offered.get(action):
                self.try_allowed(place, action, step)
            else:
                self.try_refused(place, action)
        self.try_methods(place)

    def try_refused(self, place: str, action: str) -> None:
        """Nothing may change, so that nothing need be taken back."""
        before, answer = self.row(), self.act(action)
        code = "ActionNotAvailable" if action in self.actions else "InvalidAction"
        self.note(place, action, (answer.status, answer.body.get("code")), (422, code))
        if code == "ActionNotAvailable":
            self.note(place, f"{action}, refused, {answer.body}", says_what_to_do(answer), True)
        self.note(place, f"{action}, refused,", self.row().generation, before.generation)

    def try_allowed(self, place: str, action: str, step: machine.Step) -> None:
        is_lasting = step.meanwhile != step.end
        with self.walk.taken_back() if is_lasting else self.walk.answer_taken_back():
            transitioning = "yes" if is_lasting else self.row().transitioning
            answer = self.act(action)
            if action == "returntorevision":
                self.note(place, action, (answer.status, answer.body.get("code")), (422, "InvalidReference"))
                return
            shown = (answer.status, answer.body.get("state"), answer.body.get("transitioning"))
            self.note(place, action, shown, (202, step.meanwhile, transitioning))
            if is_lasting:
                self.walk.rest()
                row = self.walk.row()
                self.note(place, f"{action}, done,", (row["state"], row["transitioning"]), (step.end, "no"))

    def try_methods(self, place: str) -> None:
        """PUT and DELETE are the actions `update` and `remove`."""
        state = place.partition(",")[0]
        for method, action, refused in (("PUT", "update", 422), ("DELETE", "remove", 405)):
            step = self.expect(state, action)
            with self.walk.answer_taken_back():
                answer = self.api.call(method, self.walk.path, self.body(action))
                if step is None:
                    self.note(place, method, answer.status, refused)
                else:
                    self.note(place, method, (answer.status, answer.body.get("state")), (200, step.meanwhile))

    def check_buttons(self, place: str, allowed: set[str]) -> None:
        """The service's page has a button for exactly what is allowed; of start and stop it shows one."""
        if place.startswith(("removed", "purg")):
            return
        at = f"services/{self.row().pk}"
        main = self.page(at)
        shown = {name for name, end in BUTTONS.items() if re.search(rf'(?:href|hx-\w+)="[^"]*/{at}/{end}"', main)}
        wanted = allowed & set(BUTTONS)
        if {"activate", "deactivate"} <= wanted:
            wanted.discard("activate")
        if shown != wanted:
            self.wrong.append(f"{place}: buttons {sorted(shown - wanted)} too many, {sorted(wanted - shown)} missing")

    def note(self, place: str, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{place}: {what} gives {found}, not {wanted}")


@pytest.fixture
def page(people: Any, lab: Environment) -> Callable[[str], str]:
    """The main region of a page of the lab as its owner sees it."""
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")

    def read(path: str) -> str:
        text = client.get(f"/env/{lab.pk}/{path}").content.decode()
        return text[text.index("<main") : text.index("</main>")]

    return read


def check(walk: Walk, page: Callable[[str], str], kind: str) -> None:
    service = ServiceWalk(walk, kind, page)
    paths = {state: path for state, path in machine.SERVICE_PATHS.items() if is_reached(kind, state)}
    walk.visit("registering", paths, service.act, service.look)
    assert not service.wrong, "\n".join(service.wrong)
    assert set(service.seen) == {"registering", *paths}


def is_reached(kind: str, state: str) -> bool:
    """Whether a service of this kind can be in the state: what has no containers is never upgraded or restarted."""
    return kind not in WITHOUT_CONTAINERS or not re.search("grad|roll|restart", state)


@pytest.mark.parametrize("kind", ["containers", *WITHOUT_CONTAINERS])
def test_every_action_in_every_state(walk: Walk, page: Callable[[str], str], kind: str) -> None:
    check(walk, page, kind)


@pytest.mark.servers  # it takes minutes
@pytest.mark.parametrize("kind", ["one on each host", "jobs", "as many as fit", "with sidekicks"])
def test_every_action_in_every_state_of_the_other_kinds(walk: Walk, page: Callable[[str], str], kind: str) -> None:
    check(walk, page, kind)


class StackWalk:
    """A stack of one service on its walk."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.api, self.wrong, self.seen = walk, walk.api, list[str](), list[str]()
        file = {"dockerCompose": "web:\n  image: bb:local\n", "startOnCreate": True}
        made = self.api.post("environments", {"name": "shop", **file})
        assert (made.status, made["state"]) == (201, "activating")
        walk.path = f"environments/{made['id']}"

    def act(self, action: str) -> ApiResponse:
        return self.api.post(f"{self.walk.path}?action={action}", self.body(action))

    @staticmethod
    def body(action: str) -> dict[str, Any]:
        return {"dockerCompose": "web:\n  image: bb:new\n"} if action == "upgrade" else {"outputs": {"a": "b"}}

    def look(self, state: str) -> None:
        self.seen.append(state)
        self.note(state, "it", self.walk.row()["state"], state)
        allowed = {action for start, action in STACK_STEPS if start == state} | {"exportconfig"}
        self.note(state, "it offers", sorted(STACK_ACTIONS & set(self.walk.row()["actions"])), sorted(allowed))
        for action in sorted(STACK_ACTIONS):
            with self.walk.taken_back():
                self.try_action(state, action, STACK_STEPS.get((state, action)))
        self.try_methods(state)

    def try_action(self, state: str, action: str, step: machine.Step | None) -> None:
        answer = self.act(action)
        if action == "exportconfig":
            self.note(state, action, (answer.status, answer["type"]), (200, "composeConfig"))
        elif step is None:
            self.note(state, action, (answer.status, answer.body.get("code")), (422, "ActionNotAvailable"))
            self.note(state, f"{action}, refused, {answer.body}", says_what_to_do(answer), True)
        else:
            self.note(state, action, (answer.status, answer.body.get("state")), (202, step.meanwhile))
            self.walk.rest()
            self.note(state, f"{action}, done,", self.walk.row()["state"], step.end)

    def try_methods(self, state: str) -> None:
        for method, action, refused in (("PUT", "update", 422), ("DELETE", "remove", 405)):
            step = STACK_STEPS.get((state, action))
            with self.walk.answer_taken_back():
                answer = self.api.call(method, self.walk.path, {"description": "another"})
                found = (answer.status, answer.body.get("state") if step else None)
                self.note(state, method, found, (200, step.meanwhile) if step else (refused, None))

    def note(self, state: str, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{state}: {what} gives {found}, not {wanted}")


def test_every_action_in_every_state_of_a_stack(walk: Walk) -> None:
    stack = StackWalk(walk)
    walk.visit("activating", machine.STACK_PATHS, stack.act, stack.look)
    assert not stack.wrong, "\n".join(stack.wrong)
    assert set(stack.seen) == {"activating", *machine.STACK_PATHS}
