"""`adopt` and `give-back` on the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.hosts.models import Host
from corral_cli.errors import ExitCode
from tests.adoption.projects import look, make, make_shop
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle


@pytest.fixture
def engine_of_host(host: Host) -> SimulatedDriver:
    """The engine of the lab's host, with two projects."""
    sim = simulated_engine(host.url.partition("://")[2])
    make_shop(sim)
    make(sim, "blog", "web", HostConfig={"AutoRemove": True})
    look(host)
    return sim


def test_what_there_is_is_listed(cli: CommandLine, engine_of_host: SimulatedDriver) -> None:
    lines = cli.succeed("adopt").out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["blog", "compose", "lab-1", "1"],
        ["shop", "compose", "lab-1", "4"],
    ]
    assert cli.fail("adopt", "nothing").code == ExitCode.NOT_FOUND
    assert cli.fail("adopt", "shop", "--host", "nowhere").code == ExitCode.NOT_FOUND


def test_a_dry_run_changes_nothing(cli: CommandLine, engine_of_host: SimulatedDriver) -> None:
    assert "made exactly as these are" in cli.succeed("adopt", "shop", "--dry-run").out
    assert "blog_web_1: AutoRemove is true, in one made later nothing" in cli.succeed("adopt", "blog", "--dry-run").out
    assert cli.succeed("adopt", "blog", "--dry-run", "--format", "json").json["differences"][0]["field"] == "AutoRemove"
    assert "shop_default" in cli.succeed("adopt", "shop", "--file").out
    assert len(cli.succeed("stacks").out.splitlines()) < 2


def test_a_project_is_adopted_and_given_back(cli: CommandLine, engine_of_host: SimulatedDriver) -> None:
    before = {each.id: each.state for each in engine_of_host.containers()}
    done = cli.succeed("adopt", "shop", "--name", "store", "--wait")
    assert "adopted" in done.out
    assert "store" in cli.succeed("stacks").out
    assert len(cli.succeed("adopt").out.splitlines()) == 2
    assert "given back" in cli.succeed("give-back", "store", "--wait").out
    assert {each.id: each.state for each in engine_of_host.containers()} == before
    assert cli.fail("give-back", "store").code == ExitCode.NOT_FOUND
    assert "later: blog_web_1: AutoRemove" in cli.succeed("adopt", "blog").err


def test_why_one_cannot_be_given_back_is_said(
    cli: CommandLine, cli_of: Callable[..., CommandLine], engine_of_host: SimulatedDriver
) -> None:
    cli.write("docker-compose.yml", "web:\n  image: bb:local\n")
    cli.succeed("up", "--stack", "own", "-d")
    run_until_idle()
    refused = cli.fail("give-back", "own")
    assert refused.code == ExitCode.REFUSED
    assert "giveback is not possible for stack own: " in refused.err
    assert "it was made here; nothing else would know its containers. (ActionNotAvailable)" in refused.err
    rita = cli_of("rita", account=True)
    rita.environ["RANCHER_ENVIRONMENT"] = "Lab"
    reader = rita.fail("give-back", "own")
    assert (reader.code, "your role here may not do that" in reader.err) == (ExitCode.REFUSED, True), reader.err
    assert "active" in cli.succeed("stacks").out
