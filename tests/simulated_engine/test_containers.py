"""Containers live by Docker's rules, by a clock and with names that come from outside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import EngineApiError
from simulated_engine.serialize import container_details, container_summary
from tests.simulated_engine.still_engine import SECOND, StillEngine


def test_two_engines_with_the_same_clock_and_identifiers_are_the_same():
    one, other = StillEngine(), StillEngine()
    boxes = [engine.run(HostConfig={"PortBindings": {"80/tcp": [{"HostPort": ""}]}}) for engine in (one, other)]
    assert container_details(boxes[0]) == container_details(boxes[1])
    assert one.core.info() == other.core.info()


def test_times_are_the_clocks(still: StillEngine):
    box = still.run()
    still.now += 90 * SECOND
    assert container_summary(box, still.now)["Status"] == "Up 90 seconds"
    still.core.containers.stop(box)
    still.now += 5 * SECOND
    assert container_summary(box, still.now)["Status"] == "Exited (0) 5 seconds ago"
    assert container_details(box)["State"]["FinishedAt"] == "2023-11-14T22:14:50.000000000Z"


def test_what_never_ran_never_ended(still: StillEngine):
    box = still.core.containers.create("web", {"Image": "sim:a"})
    state = container_details(box)["State"]
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"


def test_a_container_without_a_name_is_given_one(still: StillEngine):
    first, second = (still.core.containers.create("", {"Image": "sim:a"}) for _ in range(2))
    assert first.name.startswith("sim_")
    assert first.name != second.name


def test_a_paused_container_goes_on_and_is_not_started(still: StillEngine):
    box = still.run()
    still.core.containers.pause(box, paused=True)
    with pytest.raises(EngineApiError, match="cannot start a paused container") as error:
        still.core.containers.start(box)
    assert error.value.status == 409
    still.core.containers.pause(box, paused=False)
    assert still.core.containers.start(box) is False


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        (lambda engine, box: engine.stop(box), ["kill", "die", "stop"]),
        (lambda engine, box: engine.kill(box, "SIGHUP"), ["kill"]),
        (lambda engine, box: engine.kill(box, "9"), ["kill", "die"]),
        (lambda engine, box: engine.restart(box), ["kill", "die", "stop", "start", "restart"]),
        (lambda engine, box: engine.rename(box, "other"), ["rename"]),
        (lambda engine, box: engine.process_exited(box, 1, oom=True), ["oom", "die"]),
        (lambda engine, box: engine.set_health(box, "unhealthy"), ["health_status: unhealthy"]),
        (lambda engine, box: engine.pause(box, paused=True), ["pause"]),
        (lambda engine, box: engine.remove(box, force=True), ["kill", "die", "destroy"]),
    ],
)
def test_every_change_leaves_its_events_and_a_new_revision(still: StillEngine, change: Any, actions: list[str]):
    box = still.run()
    before, revision = len(still.actions()), box.revision
    change(still.core.containers, box)
    assert still.actions()[before:] == [f"container {action}" for action in actions]
    assert box.revision > revision


def test_a_connected_network_is_a_change_too(still: StillEngine):
    box = still.run()
    still.core.networks.make("lab", {})
    revisions = [box.revision]
    still.core.networks.connect("lab", box)
    revisions.append(box.revision)
    still.core.networks.disconnect("lab", box)
    revisions.append(box.revision)
    assert revisions == sorted(set(revisions))


def test_a_label_finds_its_first_container_until_it_is_removed(still: StillEngine):
    one, two = (still.run(name, Labels={"team": "red"}) for name in ("one", "two"))
    find = still.core.containers.find_by_label
    assert find("team", "red") is one
    still.core.containers.remove(one, force=True)
    assert find("team", "red") is two
    still.core.containers.remove(two, force=True)
    assert find("team", "red") is None


def test_an_image_that_is_not_there_is_missing_before_the_name_is_looked_at(still: StillEngine):
    with pytest.raises(EngineApiError, match="No such image: none:latest") as error:
        still.core.containers.create("-", {"Image": "none"})
    assert error.value.status == 404


def test_a_listener_hears_lines_and_the_end_until_it_unsubscribes(still: StillEngine):
    box, heard = still.run(), []
    unsubscribe = box.subscribe(lambda: heard.append(box.status))
    still.core.containers.write_log(box, "hello")
    still.core.containers.stop(box)
    assert heard == ["running", "exited"]
    unsubscribe()
    unsubscribe()
    still.core.containers.start(box)
    still.core.containers.write_log(box, "again")
    assert heard == ["running", "exited"]


STEPS = ("start", "stop", "kill", "crash", "restart", "remove", "connect", "disconnect")


def apply(still: StillEngine, box: SimulatedContainer, step: str) -> None:
    containers, networks = still.core.containers, still.core.networks
    actions: dict[str, Any] = {
        "start": lambda: containers.start(box),
        "stop": lambda: containers.stop(box),
        "kill": lambda: containers.kill(box, "KILL"),
        "crash": lambda: containers.process_exited(box, 1),
        "restart": lambda: containers.restart(box),
        "remove": lambda: containers.remove(box, force=True),
        "connect": lambda: networks.connect("lab", box),
        "disconnect": lambda: networks.disconnect("lab", box),
    }
    actions[step]()


@settings(max_examples=150, deadline=None)
@given(script=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS)), max_size=25))
def test_whatever_happens_addresses_and_ports_belong_to_what_runs(script: list[tuple[int, str]]):
    still = StillEngine()
    lab = still.core.networks.make("lab", {})
    policies = ("no", "on-failure", "always")
    boxes = [
        still.core.containers.create(
            f"box{number}",
            {
                "Image": "sim:a",
                "HostConfig": {
                    "RestartPolicy": {"Name": policy},
                    "PortBindings": {"80/tcp": [{"HostPort": "80" if number else ""}]},
                },
            },
        )
        for number, policy in enumerate(policies)
    ]
    for number, step in script:
        if boxes[number].id in still.core.containers.by_id:
            try:
                apply(still, boxes[number], step)
            except EngineApiError as refusal:
                assert refusal.status in {403, 409, 500}  # noqa: PT017  # what is refused changes nothing below
    bridge = still.core.networks.by_name["bridge"]
    for network in (bridge, lab):
        addresses = {box.addresses.get(network.name): box.id for box in still.core.containers}
        assert network.used == {address: key for address, key in addresses.items() if address}
    published = [bind["HostPort"] for box in still.core.containers for binds in box.ports.values() for bind in binds]
    assert len(published) == len(set(published))
    assert all(box.running or not box.ports for box in still.core.containers)
    assert all(box.running or not any(box.addresses.values()) for box in still.core.containers)
