"""A container's label makes it fail, at the step or the time that it names."""

from __future__ import annotations

import pytest

from simulated_engine.errors import EngineApiError
from simulated_engine.failure import LABEL, FailureScript
from tests.simulated_engine.still_engine import StillEngine


@pytest.mark.parametrize(
    ("label", "script"),
    [
        ("", FailureScript()),
        ("create", FailureScript("create")),
        ("start", FailureScript("start")),
        ("exit:1.5", FailureScript("exit", 1.5)),
        ("oom:0", FailureScript("oom", 0.0)),
        ("unhealthy:3", FailureScript("unhealthy", 3.0)),
        ("exit", FailureScript()),
        ("exit:soon", FailureScript()),
        ("exit:-1", FailureScript()),
        ("exit:nan", FailureScript()),
        ("exit:1e99", FailureScript()),
        ("explode:1", FailureScript()),
    ],
)
def test_a_label_scripts_a_failure(label: str, script: FailureScript):
    assert FailureScript.from_labels({LABEL: label}) == script


@pytest.mark.parametrize(
    ("label", "status", "code", "oom", "health"),
    [
        ("exit:5", "exited", 1, False, ""),
        ("oom:5", "exited", 137, True, ""),
        ("unhealthy:5", "running", 0, False, "unhealthy"),
    ],
)
def test_it_fails_when_its_timer_says_so_and_not_before(
    still: StillEngine, label: str, status: str, code: int, health: str, *, oom: bool
):
    box = still.run(Labels={LABEL: label}, Healthcheck={"Test": ["CMD", "true"]})
    assert (box.status, box.health) == ("running", "healthy")
    ((delay, fail),) = still.timers
    assert delay == 5
    fail()
    assert (box.status, box.exit_code, box.oom_killed, box.health) == (status, code, oom, health)


def test_the_timer_of_a_process_that_ended_is_cancelled(still: StillEngine):
    box = still.run(Labels={LABEL: "exit:5"})
    still.core.containers.stop(box)
    assert still.timers == []


def test_a_timer_that_comes_too_late_does_not_end_the_next_process(still: StillEngine):
    """On another thread it may be due already, and wait for the lock, while its container is restarted."""
    box = still.run(Labels={LABEL: "exit:5"})
    ((_, fail),) = still.timers
    still.core.containers.restart(box)
    fail()
    assert (box.running, box.run) == (True, 2)


@pytest.mark.parametrize("step", ["create", "start"])
def test_a_scripted_step_fails_and_leaves_nothing_behind(still: StillEngine, step: str):
    with pytest.raises(EngineApiError, match="told to fail") as error:
        still.run(Labels={LABEL: step})
    assert error.value.status == 500
    assert still.core.networks.by_name["bridge"].used == {}
    assert [box.status for box in still.core.containers] == ([] if step == "create" else ["created"])


def test_a_restart_policy_brings_it_back_to_fail_again(still: StillEngine):
    box = still.run(Labels={LABEL: "exit:5"}, HostConfig={"RestartPolicy": {"Name": "always"}})
    for restarts in (1, 2, 3):
        ((_, fail),) = still.timers
        fail()
        assert (box.running, box.restarts) == (True, restarts)
