"""`corral check-hosts`: runs a check, waits for its end, and says what is wrong and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.network.models import HostCheck, NetworkCheck
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.network.joined_hosts import answer, join
from tests.wire.api_client import run_until_idle


@pytest.fixture
def cli(cli_of: Callable[..., CommandLine], lab: Environment) -> CommandLine:
    """The owner's, in an environment with two hosts whose agents answer while it waits."""
    hosts = [join(lab, number) for number in (1, 2)]

    def pass_time() -> None:
        answer(*hosts)
        NetworkCheck.all_objects.update(next_attempt_at="2000-01-01T00:00:00+00:00")
        run_until_idle()

    made = cli_of()
    made.while_waiting = pass_time
    return made


def test_all_is_well(cli: CommandLine):
    found = cli.succeed("check-hosts")
    assert found.out.splitlines()[-1] == "ok: 2 hosts, 1 pair"
    shown = cli.succeed("check-hosts", "--last", "--format", "json").json
    assert (shown["verdict"], shown["pairs"][0]["bitsPerSecond"]) == ("ok", None)


def test_the_throughput_between_two_hosts_is_measured_on_request(cli: CommandLine):
    lines = cli.succeed("check-hosts", "--throughput", "h1", "h2").out.splitlines()
    assert lines[-1] == "h1 -> h2: 1.00 Gbit/s; h2 -> h1: 1.00 Gbit/s"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--last", "--throughput", "h1", "h2"), ExitCode.USAGE, "--last runs nothing"),
        (("--throughput", "h1", "h9"), ExitCode.NOT_FOUND, "h9"),
        (("--throughput", "h1", "h1"), ExitCode.INVALID, "two different hosts"),
        (("--timeout", "0"), ExitCode.USAGE, "--timeout"),
        (("--throughput", "h1"), ExitCode.USAGE, ""),
    ],
)
def test_what_cannot_be_is_refused(cli: CommandLine, arguments: tuple[str, ...], code: ExitCode, words: str):
    found = cli.fail("check-hosts", *arguments)
    assert found.code == code
    assert words in found.err


def test_members_check_and_do_not_measure(cli: CommandLine, cli_of: Callable[..., CommandLine]):
    member = cli_of("bob")
    member.while_waiting = cli.while_waiting
    assert member.succeed("check-hosts").code == ExitCode.OK
    refused = member.fail("check-hosts", "--throughput", "h1", "h2")
    assert (refused.code, "fills the link" in refused.err) == (ExitCode.REFUSED, True)


def test_a_check_that_failed_ends_with_a_code_of_its_own(cli: CommandLine, lab: Environment):
    cli.succeed("check-hosts")

    def overlap(report: Any) -> Any:
        return {**report, "routes": ["10.42.7.0/24 via docker0"]}

    row = HostCheck.objects.filter(environment=lab).first()
    assert row is not None
    HostCheck.objects.filter(pk=row.pk).update(report=overlap(row.report))
    found = cli.run("check-hosts", "--last")
    assert found.code == ExitCode.FAILED
    assert "overlaps the network 10.42.0.0/16" in found.out
    assert found.out.splitlines()[-1].startswith("failed: 2 hosts")


def test_before_the_first_there_is_none_to_show(cli_of: Callable[..., CommandLine]):
    found = cli_of().fail("check-hosts", "--last")
    assert (found.code, "leave --last out" in found.err) == (ExitCode.NOT_FOUND, True)
