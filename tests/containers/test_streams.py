"""Logs, shells and statistics of a container, opened on the engine in memory."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.containers.streams import (
    DEFAULT_SHELL,
    logs_open,
    parse_command,
    shell_open,
    stream_end_reason,
)
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Conflict, Invalid
from apps.drivers.base import EngineConflict, EngineDown, EngineNotFound
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host


@pytest.fixture
def box(host: Host, lab: Environment, actor_of: Any) -> Container:
    """A container that runs."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="box")
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def old_lines(row: Container, **how: Any) -> list[str]:
    return [line.text for line in logs_open(row, follow=False, **how)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", DEFAULT_SHELL),
        ("   ", DEFAULT_SHELL),
        ("sh", ["sh"]),
        ("sh -c 'a b'", ["sh", "-c", "a b"]),
        ('echo "a b" c\\ d', ["echo", "a b", "c d"]),
        ("echo ''", ["echo", ""]),
        ("echo $HOME; id", ["echo", "$HOME;", "id"]),
        ("écho ☃", ["écho", "☃"]),
    ],
)
def test_a_typed_command_in_words(text: str, words: list[str]):
    assert parse_command(text) == words


@pytest.mark.parametrize("text", ["'", 'a "b', "a\\"])
def test_an_unfinished_command_is_refused_with_a_remedy(text: str):
    with pytest.raises(Invalid, match="close its quotes") as caught:
        parse_command(text)
    assert caught.value.field == "command"


@pytest.mark.parametrize(("tail", "count"), [(None, 20), (500, 20), (20, 20), (3, 3), (1, 1), (0, 0)])
def test_as_many_old_lines_as_were_asked_for(tail: int | None, count: int, box: Container, sim: SimulatedDriver):
    everything = old_lines(box, tail=None)
    for number in range(20):
        sim.write_log("box", f"line {number}")
    found = old_lines(box, tail=tail)
    assert found[-count:] == [f"line {number}" for number in range(20 - count, 20)] if count else found == []
    assert len(found) == (count if tail is not None and tail <= 20 else 20 + len(everything))


@pytest.mark.parametrize(("requested", "expected"), [(None, 5000), (9999, 5000), (5000, 5000), (7, 7), (0, 0), (-3, 0)])
def test_who_follows_gets_five_thousand_old_lines_at_most(
    requested: int | None, expected: int, box: Container, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Any] = []
    real = sim.logs

    def logs(name: str, **how: Any) -> Any:
        seen.append(how["tail"])
        return real(name, **how)

    monkeypatch.setattr(sim, "logs", logs)
    logs_open(box, tail=requested, follow=True).close()
    logs_open(box, tail=requested, follow=False).close()
    assert seen == [expected, requested]


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-13-01T00:00:00Z", "12:00", "2026-01-31", "2026-01-31T12:00:00", "1769860800", " "]
)
def test_a_time_that_is_none_is_refused_with_an_example(since: str, box: Container, sim: SimulatedDriver):
    before = sim.calls["logs"]
    with pytest.raises(Invalid, match="2026-01-31T12:00:00Z") as caught:
        logs_open(box, since=since)
    assert (caught.value.field, sim.calls["logs"]) == ("since", before)


@pytest.mark.parametrize(("since", "count"), [("", 1), ("2000-01-01T00:00:00Z", 1), ("2100-01-01T00:00:00Z", 0)])
def test_lines_since_a_time(since: str, count: int, box: Container, sim: SimulatedDriver):
    sim.write_log("box", "hello")
    assert old_lines(box, since=since).count("hello") == count


def test_the_log_of_a_stopped_container_can_be_read_and_a_shell_is_not_opened(box: Container, sim: SimulatedDriver):
    sim.write_log("box", "last words")
    sim.stop("box")
    assert "last words" in old_lines(box)
    with pytest.raises(EngineConflict, match="not running"):
        shell_open(box, ["sh"])


def test_a_shell_runs_in_the_row_s_own_container(box: Container):
    session = shell_open(box, ["hostname"])
    try:
        assert box.external_id[:12].encode() in session.read()
    finally:
        session.close()


@pytest.mark.parametrize("missing", ["host", "external_id"])
def test_what_is_on_no_host_yet_has_no_streams(missing: str, box: Container):
    setattr(box, missing, None if missing == "host" else "")
    for opened in (lambda: logs_open(box), lambda: shell_open(box, ["sh"])):
        with pytest.raises(Conflict, match="box is not on a host yet"):
            opened()
    assert stream_end_reason(box) == ("box is not on a host yet; try again when it runs.", False)


def test_why_a_stream_ended_is_found_out_by_inspecting_again(box: Container, sim: SimulatedDriver):
    assert stream_end_reason(box) == ("The stream ended.", False)
    sim.pause("box")
    assert stream_end_reason(box) == ("The stream ended.", False)
    sim.pause("box", paused=False)
    sim.crash("box", 3)
    assert stream_end_reason(box) == ("The container stopped (exit code 3).", False)
    sim.remove("box")
    assert stream_end_reason(box) == ("The container is gone.", True)


def test_a_silent_engine_is_no_proof_that_the_container_is_gone(box: Container, sim: SimulatedDriver):
    sim.fail_next("inspect", EngineDown("cut"))
    assert stream_end_reason(box) == ("cut", False)
    sim.fail_next("inspect", EngineNotFound("no such container"))
    assert stream_end_reason(box)[1] is True
