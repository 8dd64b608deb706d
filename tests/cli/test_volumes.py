"""`corral volumes`: lists, creates, removes and cleans up volumes, and shows the files in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.control.reconcile import reconcile_one
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.volumes.models import StoragePool
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle

UNNAMED = "12" * 32


@pytest.fixture
def sim(host: Host) -> SimulatedDriver:
    """The engine of the lab's host."""
    return simulated_engine("cli")


@pytest.fixture
def list_now(sim: SimulatedDriver) -> Callable[[], None]:
    """Lists and measures the volumes of all hosts now."""

    def run() -> None:
        StoragePool.all_objects.update(measured_at=None)
        for pool in StoragePool.all_objects.all():
            reconcile_one("storagePool", pool.pk)

    return run


@pytest.fixture
def house(sim: SimulatedDriver, list_now: Callable[[], None]) -> SimulatedDriver:
    """A volume with a name and files, one without a name, and nothing that uses them."""
    sim.create_volume("data", "local", {}, {})
    sim.write_file("data", "sub/a.txt", b"hello")
    sim.write_file("data", "big", b"x" * 2500)
    sim.create_volume(UNNAMED, "local", {}, {})
    sim.write_file(UNNAMED, "f", b"123")
    list_now()
    return sim


def names(engine: SimulatedDriver) -> set[str]:
    return {each.name for each in engine.volumes()}


def test_volumes_are_listed_with_host_and_size(cli: CommandLine, house: SimulatedDriver):
    lines = cli.succeed("volumes").out.splitlines()
    (line,) = [each for each in lines if " data " in each]
    for word in ("lab-1", "inactive", "2.4 KB", "engine", "local"):
        assert word in line
    assert len(cli.succeed("volumes", "ls", "--unused", "--host", "lab-1", "--format", "json").json) == 2
    assert [each["name"] for each in cli.succeed("volumes", "ls", "data", "--format", "json").json] == ["data"]


def test_one_is_created_with_options_and_labels(cli: CommandLine, sim: SimulatedDriver):
    made = cli.succeed("volumes", "create", "fresh", "--host", "lab-1", "--label", "team=blue=green")
    assert "inactive" in made.out
    found = sim.find_volume("fresh")
    assert found is not None
    assert found.labels["team"] == "blue=green"


def test_without_a_host_it_is_created_on_all(cli: CommandLine, sim: SimulatedDriver, lab: Environment):
    host_create(actor=None, environment=lab, url="sim://cli2", name="lab-2")
    run_until_idle()
    assert len(cli.succeed("volumes", "create", "fresh", "--format", "json").json) == 2
    refused = cli.run("volumes", "rm", "fresh", "--yes")
    assert refused.code == ExitCode.NOT_FOUND
    assert "on 2 hosts: say which with --host" in refused.err
    cli.succeed("volumes", "rm", "fresh", "--host", "lab-2", "--yes")
    assert "fresh" in names(sim)


def test_one_is_removed_by_name(cli: CommandLine, house: SimulatedDriver):
    cli.succeed("volumes", "rm", "data", "--yes")
    assert names(house) == {UNNAMED}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create",), ExitCode.USAGE, "name of the one volume"),
        (("create", "a1", "b1"), ExitCode.USAGE, "name of the one volume"),
        (("create", "a1", "--opt", "nothing"), ExitCode.USAGE, "--opt is NAME=VALUE"),
        (("create", "a/b"), ExitCode.INVALID, "name"),
        (("rm",), ExitCode.USAGE, "which volumes"),
        (("rm", "none"), ExitCode.NOT_FOUND, "There is no volume none"),
        (("files",), ExitCode.USAGE, "which volume"),
        (("ls", "--host", "none"), ExitCode.NOT_FOUND, "none"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], code: int, said: str, cli: CommandLine, sim: Any):
    refused = cli.run("volumes", *words)
    assert (refused.code, said in refused.err) == (code, True), refused.err


def test_pruning_shows_first_and_removes_once_confirmed(cli: CommandLine, house: SimulatedDriver):
    shown = cli.succeed("volumes", "prune", "--dry-run")
    assert "1 volume, 3 B would go; nothing was removed" in shown.err
    assert "1 volume, 3 B would be removed: say --yes" in cli.fail("volumes", "prune").err
    assert names(house) == {"data", UNNAMED}
    assert "1 volume is being removed, 3 B" in cli.succeed("volumes", "prune", "--yes").out
    run_until_idle()
    assert names(house) == {"data"}
    assert "1 volume is being removed, 2.4 KB" in cli.succeed("volumes", "prune", "--all", "--yes").out
    run_until_idle()
    assert names(house) == set()


def test_files_are_listed(cli: CommandLine, house: SimulatedDriver):
    found = cli.succeed("volumes", "files", "data").out
    assert "sub" in found
    assert "2.4 KB" in found
    assert "a.txt" in cli.succeed("volumes", "files", "data", "/sub").out
    assert cli.run("volumes", "files", "data", "../x").code == ExitCode.INVALID


def test_who_may_only_look_is_refused(cli_of: Callable[..., CommandLine], house: SimulatedDriver):
    rita = cli_of("rita", account=True)
    assert "data" in rita.succeed("volumes").out
    for words in (("rm", "data", "--yes"), ("create", "x1"), ("prune", "--all", "--yes")):
        assert rita.run("volumes", *words).code != ExitCode.OK
    assert names(house) == {"data", UNNAMED}
